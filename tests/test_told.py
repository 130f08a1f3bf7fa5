"""A model in words for people."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.matting.bundle import Bundle
from bshm_watchd.matting.devices.choice import Device
from bshm_watchd.matting.told import computed
from tests.support.runtimes import portrait_bundle, selfie_bundle, u2netp_bundle


@pytest.mark.parametrize(
    ("bundle", "precision", "words"),
    [
        (u2netp_bundle, "auto", "on the CPU (u2netp.onnx f32)"),
        (u2netp_bundle, "bf16", "on the CPU (u2netp.onnx bf16)"),
        (selfie_bundle, "bf16", "on the CPU (selfie_segmentation.tflite f32)"),
        (portrait_bundle, "auto", "on the CPU (u2netp.onnx f32, selfie_segmentation.tflite f32)"),
        (portrait_bundle, "int8", "on the CPU (u2netp.onnx int8, selfie_segmentation.tflite f32)"),
        (portrait_bundle, "bf16", "on the CPU (u2netp.onnx bf16, selfie_segmentation.tflite f32)"),
    ],
)
def test_each_network_is_named_once_with_its_precision(
    bundle: Callable[[], Bundle], precision: str, words: str
) -> None:
    assert computed(bundle(), ModelSettings(precision=precision), Device()) == words
