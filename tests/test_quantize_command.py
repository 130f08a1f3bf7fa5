"""`bshm-watchd model quantize`, as an operator types it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from bshm_watchd.cli.model import app
from bshm_watchd.errors import ConfigError
from tests.support.small_network import small_bundle, small_photos


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("BSHM_WATCHD_CONFIG", str(tmp_path / "none.yaml"))
    return tmp_path / "state"


def run(*arguments: str, config: Path | None = None) -> Result:
    root = typer.Typer()
    root.add_typer(app, name="model")
    return CliRunner().invoke(root, ["model", *arguments], obj=config)


def problem(*arguments: str) -> str:
    error = run("quantize", *arguments).exception
    assert isinstance(error, ConfigError)
    return str(error)


def test_photos_of_a_directory_make_a_bundle_int8(state_dir: Path, tmp_path: Path) -> None:
    bundle = small_bundle(state_dir / "models")
    small_photos(tmp_path / "shoot", 30)
    result = run("quantize", "small", str(tmp_path / "shoot"))
    assert result.exit_code == 0, result.output
    assert "performance: alpha differs by 0.0" in result.stdout
    assert result.stdout.endswith(f"in {bundle.directory}; use it with model.precision: int8\n")
    assert result.stderr.splitlines()[0] == "bshm-watchd: photos (30)"
    (row,) = [row for row in json.loads(run("list", "--json").stdout) if row["name"] == "small"]
    assert row["int8"].endswith("over 10 photos")


def test_without_a_name_the_configured_bundle_is_meant(state_dir: Path, tmp_path: Path) -> None:
    small_bundle(state_dir / "models")
    config = tmp_path / "config.yaml"
    model = "{bundle: small, precision: int8}"
    folder = f"hot_folders: [{{name: a, path: {tmp_path}/hot}}]"
    config.write_text(f"version: 1\nstate_dir: {state_dir}\nmodel: {model}\n{folder}\n")
    photos = small_photos(tmp_path / "shoot", 30)
    assert "model quantize small DIR" in json.loads(run("verify", "--json", config=config).stdout)[1]["message"]
    assert run("quantize", *photos, config=config).stdout.splitlines()[-1].startswith("small has its INT8 network in")
    assert run("verify", config=config).exit_code == 0


def test_few_photos_are_refused_with_how_many_are_wanted(state_dir: Path, tmp_path: Path) -> None:
    small_bundle(state_dir / "models")
    assert "3 photos are too few: at least 30" in problem("small", *small_photos(tmp_path / "shoot", 3))


def test_a_photo_named_twice_counts_once(state_dir: Path, tmp_path: Path) -> None:
    small_bundle(state_dir / "models")
    photos = small_photos(tmp_path / "shoot", 20)
    assert "20 photos are too few" in problem("small", *photos, str(tmp_path / "shoot"))


def test_what_is_no_photo_is_left_out_by_the_daemons_own_decoder_and_told(state_dir: Path, tmp_path: Path) -> None:
    small_bundle(state_dir / "models")
    small_photos(tmp_path / "shoot", 30)
    (tmp_path / "shoot" / "000.png").write_bytes(b"no photo at all")
    told = problem("small", str(tmp_path / "shoot"))
    assert f"left out: {tmp_path}/shoot/000.png: The file is not a photo" in told
    assert "only 29 of the photos can be used" in told


def test_a_missing_bundle_names_the_command_that_fetches_it(state_dir: Path, tmp_path: Path) -> None:
    photos = small_photos(tmp_path / "shoot", 1)
    assert "fetch it with: bshm-watchd model fetch portrait" in problem(*photos)


def test_a_bundle_without_a_network_that_can_be_int8_is_refused(state_dir: Path, tmp_path: Path) -> None:
    run("fetch", "arithmetic")
    photos = small_photos(tmp_path / "shoot", 30)
    assert problem("arithmetic", *photos) == "the bundle arithmetic has no network that can be INT8"


def test_wrong_usage_says_what_is_right(state_dir: Path, tmp_path: Path) -> None:
    assert "name photos, or directories of photos" in run("quantize", "small").output
    assert "on standard input (-) is too few" in run("quantize", "small", "-").output
    assert "there is no such file" in run("quantize", "small", str(tmp_path / "nothing")).output


def test_without_nncf_it_says_what_to_install(state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_bundle(state_dir / "models")
    monkeypatch.setitem(sys.modules, "nncf", None)
    assert "install it: pip install 'bshm-watchd[quantize]'" in problem("small", *small_photos(tmp_path / "shoot", 30))


def test_the_help_has_examples() -> None:
    assert "Example: bshm-watchd model quantize" in run("quantize", "--help").stdout
