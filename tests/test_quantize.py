"""INT8 networks made of a small one, judged, and put into its bundle or not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.bundle import Bundle
from bshm_watchd.matting.check import check_bundle
from bshm_watchd.matting.int8 import Int8, read_int8
from bshm_watchd.matting.int8_ways import Network, Way, WayFailed, spoiling, ways
from bshm_watchd.matting.quantize import FEWEST, MOST, Outcome, quantize, split
from bshm_watchd.matting.quiet_openvino import openvino
from bshm_watchd.matting.runtimes import make_runtime
from tests.support.small_network import loaded, small_bundle, small_photos

INT8 = ModelSettings(precision="int8")


def unchanged(network: Network, pictures: Any) -> Any:
    """A way that passes: the network as it is."""
    return openvino().Core().read_model(str(network.path))


def inverted(network: Network, pictures: Any) -> Any:
    """A way that makes background of what is person."""
    from openvino import Model, opset8

    model = unchanged(network, pictures)
    answer = opset8.subtract(opset8.constant(np.float32(1)), model.outputs[0].get_node().input_value(0))
    answer.output(0).set_names({"y"})
    return Model([answer], model.get_parameters(), "inverted")


def quantized(
    bundle: Bundle, tmp_path: Path, tried: Mapping[str, Way], count: int = FEWEST, told: Any = lambda *_: None
) -> Outcome:
    return quantize(bundle, small_photos(tmp_path / "photos", count), loaded, told, tried)


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def installed(bundle: Bundle) -> Int8:
    record = read_int8(bundle)
    assert record is not None
    return record


def test_nncf_makes_a_network_int8_that_is_judged_and_then_runs_as_int8(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path)
    outcome = quantized(bundle, tmp_path, {"mixed": ways()["mixed"]})
    assert outcome.record == installed(bundle)
    assert "FakeQuantize" in bundle.path(installed(bundle).networks[0].file).read_text()
    picture = loaded(str(tmp_path / "photos" / "000.png"))
    alphas = []
    for settings in (INT8, ModelSettings()):
        with Batcher(make_runtime(bundle, settings), bundle, 1, 0) as batcher:
            alphas.append(batcher.matte(picture).astype(int))
    assert 0 < np.abs(alphas[0] - alphas[1]).mean() / 255 < 0.01


def test_the_record_says_what_was_found_and_with_what(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path)
    quantized(bundle, tmp_path, {"unchanged": unchanged})
    record = installed(bundle)
    assert record.judgement is not None
    assert (record.judgement.mean, record.judgement.worst) == (0, 0)
    assert (record.judgement.photos, record.judgement.calibrated_with) == (10, 20)
    assert (record.way, set(record.versions)) == ("unchanged", {"nncf", "openvino"})
    assert record.told() == "alpha differs by 0.0000 on average, 0.0000 at worst, over 10 photos"


def test_what_does_not_pass_leaves_the_bundle_as_it_was_and_is_told(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path)
    before = contents(bundle.directory)
    outcome = quantized(bundle, tmp_path, {"inverted": inverted})
    assert outcome.record is None
    assert "too much: at most 0.01" in outcome.lines[0]
    assert contents(bundle.directory) == before


def test_the_first_way_that_passes_is_taken_and_no_other_is_tried(tmp_path: Path) -> None:
    def never(network: Network, pictures: Any) -> Any:
        raise AssertionError("a way too many")

    def failing(network: Network, pictures: Any) -> Any:
        raise WayFailed("it has no weights")

    tried = {"failing": failing, "inverted": inverted, "unchanged": unchanged, "never": never}
    outcome = quantized(small_bundle(tmp_path), tmp_path, tried)
    assert outcome.record is not None
    assert outcome.record.way == "unchanged"
    assert [line.split(":")[0] for line in outcome.lines] == ["failing", "inverted", "unchanged"]


def test_quantising_again_replaces_what_was(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path)
    quantized(bundle, tmp_path, {"mixed": ways()["mixed"]})
    first = installed(bundle)
    quantized(bundle, tmp_path, {"unchanged": unchanged})
    assert installed(bundle).files != first.files
    assert {f"int8/{path.name}" for path in bundle.path("int8").iterdir()} == {
        file.path for file in installed(bundle).files
    }


def test_the_bundles_own_files_stay_what_they_were(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path)
    before = contents(bundle.directory)
    quantized(bundle, tmp_path, {"unchanged": unchanged})
    after = contents(bundle.directory)
    assert {path: after[path] for path in before} == before


def test_verify_bounds_int8_by_what_was_found_when_it_was_made(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path)
    quantized(bundle, tmp_path, {"unchanged": unchanged})
    *_, golden = check_bundle(bundle, INT8, tmp_path)
    assert golden.passed
    assert golden.bound == pytest.approx(golden.difference + 0.01)


def test_a_photo_that_cannot_be_read_is_left_out_and_told(tmp_path: Path) -> None:
    photos = small_photos(tmp_path / "photos", FEWEST + 3)
    Path(photos[0]).unlink()
    outcome = quantize(small_bundle(tmp_path), photos, loaded, lambda *_: None, {"unchanged": unchanged})
    assert outcome.lines[0].startswith(f"left out: {photos[0]}: ")
    assert outcome.record is not None
    assert outcome.record.judgement is not None
    assert outcome.record.judgement.calibrated_with == 21


def test_photos_that_are_too_few_when_the_unreadable_ones_are_left_out_are_refused(tmp_path: Path) -> None:
    photos = small_photos(tmp_path / "photos", FEWEST)
    Path(photos[2]).unlink()
    with pytest.raises(ConfigError, match=r"left out: (.|\n)*only 29 of the photos can be used \(9 to judge\)"):
        quantize(small_bundle(tmp_path), photos, loaded, lambda *_: None, {"unchanged": unchanged})


def test_no_photo_is_both_calibrated_with_and_asked() -> None:
    photos = [f"{number}.jpg" for number in range(100)]
    calibrating, judging = split(photos)
    assert sorted(calibrating + judging) == sorted(photos)
    assert (len(calibrating), len(judging)) == (67, 33)
    assert split(photos) == (calibrating, judging)


def test_of_very_many_photos_some_are_taken_from_all_over() -> None:
    calibrating, judging = split([f"{number:04}" for number in range(1000)])
    taken = sorted(map(int, calibrating + judging))
    assert len(set(taken)) == MOST
    assert max(np.diff(taken)) <= 4
    assert taken[-1] > 990


def test_too_few_photos_are_refused_with_how_many_are_wanted() -> None:
    with pytest.raises(ConfigError, match=r"29 photos are too few: at least 30 are needed, 300 are best"):
        split([str(number) for number in range(29)])


def test_how_far_it_is_is_told_while_it_goes(tmp_path: Path) -> None:
    said: list[tuple[str, int, int | None]] = []
    quantized(small_bundle(tmp_path), tmp_path, {"unchanged": unchanged}, told=lambda *one: said.append(one))
    assert [one for one in said if one[1] in (0, 30) and "judging" not in one[0]] == [
        ("photos", 0, 30),
        ("photos", 30, 30),
        ("unchanged: making", 0, None),
    ]
    assert ("unchanged: judging", 9, 10) in said


@pytest.mark.parametrize("name", ["layers", "bias", "accuracy"])
def test_the_more_careful_ways_work_too(tmp_path: Path, name: str) -> None:
    assert list(ways()).index(name) > list(ways()).index("mixed")
    assert quantized(small_bundle(tmp_path), tmp_path, {name: ways()[name]}).record is not None


@pytest.mark.parametrize("bad", [set(), {"7"}, {"0", "99"}, {"41", "42", "43"}, set(map(str, range(100)))])
def test_the_layers_that_spoil_the_alpha_are_found_and_no_others(bad: set[str]) -> None:
    asked: list[Sequence[str]] = []

    def spoil(some: Sequence[str]) -> bool:
        asked.append(some)
        return not bad.isdisjoint(some)

    assert set(spoiling([str(number) for number in range(100)], spoil)) == bad
    assert len(asked) <= 1 + len(bad) * 2 * 7


def test_loading_nncf_tells_nobody() -> None:
    """In a process of its own: whoever imports it first decides whether it may use the network."""
    code = """
import json, sys
from bshm_watchd.matting.int8_ways import quiet_nncf
quiet_nncf()
from nncf.telemetry import telemetry
loaded = sorted(name for name, module in sys.modules.items() if name.startswith("openvino_telemetry") and module)
print(json.dumps([loaded, type(telemetry).__name__]))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(result.stdout) == [[], "MagicMock"]
