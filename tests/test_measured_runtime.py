"""`model.runtime: auto`: where several runtimes fit, each is tried once; the faster one is taken and remembered."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bundle import Bundle, catalogue
from bshm_watchd.matting.measured_runtime import remembered_runtime, settled_runtime
from tests.support.bshm_bundle import bshm_bundle
from tests.support.graphs import stand_in_bundle

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Pixels

ON_CPU = ModelSettings(device="cpu")
NOW = {"openvino": "2026.4.1", "tensorflow": "2.21.0", "CPU cores": "2"}


@dataclass
class Trials:
    """Says how fast each runtime is, and which ones it was asked for; a text is why one can't compute."""

    speeds: dict[str, float | str]
    asked: list[tuple[str, str]] = field(default_factory=list)
    sizes: list[tuple[int, ...]] = field(default_factory=list)

    def __call__(self, bundle: Bundle, settings: ModelSettings, pixels: Pixels) -> float:
        self.asked.append((settings.runtime, settings.precision))
        self.sizes.append(pixels.shape)
        answer = self.speeds[settings.runtime]
        if isinstance(answer, str):
            raise ConfigError([answer])
        return answer


def settled(bundle: Bundle, state_dir: Path, trials: Trials, now: dict[str, str] | None = None, **settings: Any) -> str:
    return settled_runtime(bundle, ON_CPU.model_copy(update=settings), state_dir, now or NOW, trials).runtime


@pytest.mark.parametrize("fastest", ["openvino", "tensorflow"])
def test_the_runtime_that_makes_more_pictures_a_second_is_taken(tmp_path: Path, fastest: str) -> None:
    trials = Trials({"openvino": 1.0, "tensorflow": 1.0} | {fastest: 2.0})
    assert settled(bshm_bundle(tmp_path), tmp_path, trials) == fastest
    assert sorted(trials.asked) == [("openvino", "f32"), ("tensorflow", "f32")]


def test_it_is_measured_once(tmp_path: Path) -> None:
    settled(bshm_bundle(tmp_path), tmp_path, Trials({"openvino": 1.0, "tensorflow": 2.0}))
    nothing = Trials({})
    assert settled(bshm_bundle(tmp_path), tmp_path, nothing) == "tensorflow"
    assert not nothing.asked


@pytest.mark.parametrize("changed", ["tensorflow", "CPU cores", "bundle.yaml"])
def test_it_is_measured_again_after_a_change(tmp_path: Path, changed: str) -> None:
    settled(bshm_bundle(tmp_path), tmp_path, Trials({"openvino": 1.0, "tensorflow": 2.0}))
    trials = Trials({"openvino": 3.0, "tensorflow": 2.0})
    assert settled(bshm_bundle(tmp_path), tmp_path, trials, NOW | {changed: "another"}) == "openvino"


def test_each_precision_is_measured_for_itself(tmp_path: Path) -> None:
    settled(bshm_bundle(tmp_path), tmp_path, Trials({"openvino": 1.0, "tensorflow": 2.0}), precision="f32")
    trials = Trials({"openvino": 3.0, "tensorflow": 2.0})
    assert settled(bshm_bundle(tmp_path), tmp_path, trials, precision="bf16") == "openvino"
    assert settled(bshm_bundle(tmp_path), tmp_path, Trials({}), precision="f32") == "tensorflow"


@pytest.mark.parametrize("named", ["openvino", "tensorflow"])
def test_a_runtime_that_is_named_is_taken_unmeasured(tmp_path: Path, named: str) -> None:
    trials = Trials({})
    assert settled(bshm_bundle(tmp_path), tmp_path, trials, runtime=named) == named
    assert not trials.asked


@pytest.mark.parametrize(
    ("kind", "changes"), [("onnx", {}), ("frozen_graph", {"precision": "int8"}), ("frozen_graph", {"device": "gpu"})]
)
def test_where_only_one_fits_nothing_is_measured(tmp_path: Path, kind: str, changes: dict[str, str]) -> None:
    trials = Trials({})
    assert settled(bshm_bundle(tmp_path, kind), tmp_path, trials, **changes) == "auto"
    assert not trials.asked
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("name", ["portrait", "u2netp", "selfie", "arithmetic"])
def test_the_bundles_of_the_catalogue_leave_nothing_to_choose(tmp_path: Path, name: str) -> None:
    assert settled(catalogue()[name], tmp_path, Trials({})) == "auto"


def test_a_runtime_that_fails_is_left_out_with_its_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trials = Trials({"openvino": "no translator for Where", "tensorflow": 0.5})
    with caplog.at_level(logging.INFO, logger="bshm_watchd"):
        assert settled(bshm_bundle(tmp_path), tmp_path, trials) == "tensorflow"
    assert caplog.records[-1].fields == {  # type: ignore[attr-defined]
        "runtime": "tensorflow",
        "found": "tensorflow 0.5 pictures/s, openvino can't be used: no translator for Where",
    }


def test_all_that_fail_are_told_and_nothing_is_remembered(tmp_path: Path) -> None:
    trials = Trials({"openvino": "no translator", "tensorflow": "no memory"})
    with pytest.raises(ConfigError) as refused:
        settled(bshm_bundle(tmp_path), tmp_path, trials)
    assert refused.value.problems == [
        "model.runtime: openvino can't be used: no translator",
        "model.runtime: tensorflow can't be used: no memory",
    ]
    assert not (tmp_path / "cache").exists()


def test_it_is_measured_with_a_picture_of_a_size_that_photos_have(tmp_path: Path) -> None:
    trials = Trials({"openvino": 1.0, "tensorflow": 2.0})
    bundle = bshm_bundle(tmp_path)
    settled(bundle, tmp_path, trials)
    assert {shape[:2] for shape in trials.sizes} < set(bundle.manifest.working_size.every)


def test_a_damaged_memory_is_measured_again(tmp_path: Path) -> None:
    settled(bshm_bundle(tmp_path), tmp_path, Trials({"openvino": 1.0, "tensorflow": 2.0}))
    (tmp_path / "cache" / "runtime.json").write_bytes(b"{")
    assert remembered_runtime(bshm_bundle(tmp_path), ON_CPU, tmp_path) is None
    assert settled(bshm_bundle(tmp_path), tmp_path, Trials({"openvino": 3.0, "tensorflow": 2.0})) == "openvino"


def test_what_was_chosen_is_told_without_measuring(tmp_path: Path) -> None:
    settled(bshm_bundle(tmp_path), tmp_path, Trials({"openvino": 1.0, "tensorflow": 2.0}))
    chosen = remembered_runtime(bshm_bundle(tmp_path), ON_CPU, tmp_path)
    assert chosen is not None
    assert chosen.told() == "openvino 1 pictures/s, tensorflow 2 pictures/s"
    assert (
        remembered_runtime(bshm_bundle(tmp_path), ON_CPU.model_copy(update={"runtime": "openvino"}), tmp_path) is None
    )


@pytest.mark.slow
def test_both_runtimes_are_really_tried_and_one_is_taken(tmp_path: Path) -> None:
    bundle = stand_in_bundle()
    found = settled_runtime(bundle, ON_CPU, tmp_path)
    chosen = remembered_runtime(bundle, ON_CPU, tmp_path)
    assert chosen is not None
    assert not chosen.failed
    assert chosen.found.keys() == {"openvino", "tensorflow"}
    assert found.runtime == max(chosen.found, key=chosen.found.__getitem__)
