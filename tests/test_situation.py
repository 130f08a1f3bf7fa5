"""What the rules of advice are told of a configuration and a machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.cli.advice import Situation, advice
from bshm_watchd.cli.processor import processor
from bshm_watchd.cli.situation import situation
from bshm_watchd.config import Settings, parse
from bshm_watchd.matting.bundle import Bundle, catalogue
from bshm_watchd.matting.devices.evidence import Evidence
from bshm_watchd.matting.int8_install import install
from tests.support.gpus import NO_GPU, evidence, unseen
from tests.support.graphs import arithmetic_graph_bundle
from tests.support.small_network import made, small_bundle

_CPU = processor("model name : A\nflags : avx512_vnni avx512_bf16\n", cores=8, cores_of_machine=8)


def settings(tmp_path: Path, bundle: Bundle, model: dict[str, Any]) -> Settings:
    content = Settings(
        version=1, state_dir=tmp_path / "state", hot_folders=parse(_ONE_FOLDER.format(tmp_path)).hot_folders
    )
    changed = content.model.model_copy(update={"bundle": str(bundle.directory)} | model)
    return content.model_copy(update={"model": changed})


_ONE_FOLDER = "version: 1\nhot_folders:\n  - name: a\n    path: {}/hot\n"


def found(tmp_path: Path, bundle: Bundle, machine: Evidence = NO_GPU, **model: Any) -> Situation:
    told = situation(settings(tmp_path, bundle, model), _CPU, machine)
    assert told is not None
    return told


def test_a_network_on_a_cpu_is_told_with_what_it_could_be_computed_in(tmp_path: Path) -> None:
    told = found(tmp_path, small_bundle(tmp_path))
    assert (told.device, told.runtime, told.precision, told.has_int8) == ("cpu", "ncnn", "f32", False)
    assert told.precisions == ("f32", "bf16", "int8")
    assert told.fast == {"int8": "avx512_vnni", "bf16": "avx512_bf16"}
    assert (told.working_side, told.gpu_unused, told.state_on) == (None, None, None)


def test_int8_that_was_made_is_known(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path)
    install(bundle, made(bundle, tmp_path / "new", "new"), tmp_path / "new")
    assert found(tmp_path, bundle).has_int8


def test_bshms_format_has_a_working_side(tmp_path: Path) -> None:
    assert found(tmp_path, arithmetic_graph_bundle()).working_side == 256


@pytest.mark.contract("G1")
@pytest.mark.parametrize(
    ("model", "machine", "why", "how"),
    [
        ({"device": "cpu"}, evidence(), "model.device is cpu", "model: {device: auto}"),
        (
            {},
            unseen(driver="450.80.02", driver_library="450.80.02"),
            "the driver 450.80.02 is too old",
            "renew the driver",
        ),
        ({"runtime": "openvino"}, evidence(), "model.runtime is openvino", "model: {runtime: auto}"),
    ],
)
def test_a_gpu_that_is_not_used_is_told_with_why_and_what_to_do(
    model: dict[str, Any], machine: Evidence, why: str, how: str, tmp_path: Path
) -> None:
    (told, *_) = advice(found(tmp_path, arithmetic_graph_bundle(), machine, **model))
    assert told.what == "a GPU is there and not used"
    assert told.why.startswith(why)
    assert how in told.how


def test_a_bundle_that_knows_no_gpu_says_so(tmp_path: Path) -> None:
    told = found(tmp_path, small_bundle(tmp_path), evidence())
    assert told.gpu_unused is not None
    assert told.gpu_unused.startswith("the bundle small computes on the CPU only")


def test_a_gpu_that_is_used_is_not_missed(tmp_path: Path) -> None:
    told = found(tmp_path, arithmetic_graph_bundle(), evidence())
    assert (told.device, told.precision, told.takes_batches, told.gpu_unused) == ("gpu", "fp16", True, None)


@pytest.mark.parametrize("model", [{"device": "gpu"}, {"precision": "fp16"}, {"bundle": "none"}])
def test_what_can_not_start_gets_no_advice(model: dict[str, Any], tmp_path: Path) -> None:
    assert situation(settings(tmp_path, small_bundle(tmp_path), model), _CPU, NO_GPU) is None


def test_what_computes_nothing_gets_no_advice(tmp_path: Path) -> None:
    assert situation(settings(tmp_path, catalogue()["arithmetic"], {}), _CPU, NO_GPU) is None
