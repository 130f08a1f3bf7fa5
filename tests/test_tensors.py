"""What networks are given, and what their answers mean."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from bshm_watchd.matting.manifest import InputTensor
from bshm_watchd.matting.runtime import MattingFailed
from bshm_watchd.matting.tensors import alpha_of, by_255, normalised

RULE = InputTensor(
    tensor="x", layout="NCHW", scale="by_largest_value", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)
)


def alpha(values: list[float], span: Literal["unit", "stretched"]) -> list[int]:
    answer = alpha_of(np.array([values], np.float32), span)
    assert isinstance(answer, np.ndarray)
    assert answer.dtype == np.uint8
    return [int(value) for value in answer[0]]


def test_the_network_sees_what_its_training_saw() -> None:
    pixels = np.array([[[0, 100, 200]]], np.uint8)
    expected = [(0 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    assert np.allclose(normalised(pixels, RULE)[0, :, 0, 0], expected, atol=1e-6)


def test_a_black_picture_is_no_division_by_zero() -> None:
    assert np.isfinite(normalised(np.zeros((2, 2, 3), np.uint8), RULE)).all()


def test_values_are_stretched_from_background_to_person() -> None:
    assert alpha([-1.0, 0.0, 3.0], "stretched") == [0, 63, 255]


def test_values_from_0_to_1_stay_what_they_are() -> None:
    assert alpha([0.1, 0.5, 0.9], "unit") == [26, 128, 230]
    assert alpha([-0.1, 0.002, 1.1], "unit") == [0, 1, 255]


def test_a_flat_answer_is_nobody() -> None:
    assert alpha([0.7, 0.7], "stretched") == [0, 0]


@pytest.mark.parametrize("span", ["unit", "stretched"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_an_error(span: Literal["unit", "stretched"], value: float) -> None:
    assert isinstance(alpha_of(np.array([[value, 1]], np.float32), span), MattingFailed)


def test_a_network_that_takes_0_to_1_gets_0_to_1() -> None:
    tensor = by_255(np.array([[[0, 51, 255]]], np.uint8))
    assert tensor.dtype == np.float32
    assert np.allclose(tensor[0, 0, 0], [0, 0.2, 1], atol=1e-6)
