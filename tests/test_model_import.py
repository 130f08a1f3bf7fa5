"""`bshm-watchd model import`, as somebody types it who has a graph, or something else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from bshm_watchd.bench.drawn import compose, save
from bshm_watchd.cli.model import app
from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bundle import Bundle, configured_bundle, read_bundle, sha256_of
from bshm_watchd.matting.check import check_bundle
from bshm_watchd.matting.manifest import BshmModel, GoldenPicture, ListedFile
from bshm_watchd.matting.trial import tried
from tests.standin import WEIGHTS
from tests.support.graphs import arithmetic_graph, arithmetic_graph_bundle, graph_file, stand_in


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("BSHM_WATCHD_CONFIG", str(tmp_path / "none.yaml"))
    return tmp_path / "state"


def run(*arguments: str) -> Result:
    root = typer.Typer()
    root.add_typer(app, name="model")
    return CliRunner().invoke(root, ["model", "import", *arguments])


def refused(*arguments: str) -> str:
    """What a command that ends with exit code 78 says."""
    result = run(*arguments)
    assert isinstance(result.exception, ConfigError)
    return "\n".join(result.exception.problems)


@pytest.mark.slow
def test_an_imported_graph_is_a_bundle_that_verifies(state_dir: Path) -> None:
    result = run("bshm", str(arithmetic_graph()), "--licence", "CC0-1.0", "--stride", "64")
    assert result.exit_code == 0, result.output
    bundle = read_bundle(state_dir / "models" / "bshm")
    assert bundle.manifest.licence == "CC0-1.0"
    assert bundle.damages() == []
    assert {file.path for file in bundle.manifest.networks} == {"tf_graph.pb"}
    assert "fed with RGB up to 255" in result.stdout
    assert "batches: alpha differs by" in result.stdout
    assert "not find the person" in result.stderr
    assert isinstance(bundle.manifest.model, BshmModel)
    assert bundle.manifest.model.mib_per_megapixel is not None
    on_tensorflow = ModelSettings(bundle="bshm", runtime="tensorflow", device="cpu")
    assert [finding.message for finding in check_bundle(bundle, on_tensorflow, state_dir) if not finding.passed] == []


def test_a_network_that_answers_otherwise_than_when_it_was_imported_does_not_verify(tmp_path: Path) -> None:
    """Every hash is right: only the golden picture can tell."""
    directory = Path(shutil.copytree(arithmetic_graph_bundle().directory, tmp_path / "other"))
    golden = GoldenPicture(picture="shown.png", matte="shown.matte.png", mean_difference={"f32": 0.01})
    shown = compose(3, 128, 128)
    save(directory / golden.picture, shown.pixels)
    save(directory / golden.matte, shown.alpha)  # what a good network would answer
    files = [*arithmetic_graph_bundle().manifest.files]
    files += [ListedFile(path=name, sha256=sha256_of(directory / name)) for name in (golden.picture, golden.matte)]
    changed = {"files": tuple(files), "golden": (golden,)}
    bundle = Bundle(directory, arithmetic_graph_bundle().manifest.model_copy(update=changed))
    on_openvino = ModelSettings(runtime="openvino", device="cpu")
    found = {finding.what: finding for finding in check_bundle(bundle, on_openvino, tmp_path)}
    assert found["files"].passed
    assert found["loads"].passed
    assert not found["shown.png"].passed


def test_golden_pictures_are_held_to_their_own_size_whatever_working_side_is_set(tmp_path: Path) -> None:
    """Nothing but the size differs: alpha of a picture that was made smaller would be another one."""
    directory = Path(shutil.copytree(arithmetic_graph_bundle().directory, tmp_path / "own"))
    golden = GoldenPicture(picture="shown.png", matte="shown.matte.png", mean_difference={"f32": 0.001})
    shown = np.random.default_rng(1).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    save(directory / golden.picture, shown)
    save(directory / golden.matte, np.round(shown @ np.array(WEIGHTS)).astype(np.uint8))
    files = [*arithmetic_graph_bundle().manifest.files]
    files += [ListedFile(path=name, sha256=sha256_of(directory / name)) for name in (golden.picture, golden.matte)]
    manifest = arithmetic_graph_bundle().manifest.model_copy(update={"files": tuple(files), "golden": (golden,)})
    content = yaml.safe_dump(manifest.model_dump(mode="json", exclude_defaults=True))
    (directory / "bundle.yaml").write_text(content)
    settings = ModelSettings(bundle=str(directory), runtime="openvino", device="cpu", working_side=64)
    bundle = configured_bundle(settings, tmp_path)
    assert [one.message for one in check_bundle(bundle, settings, tmp_path) if not one.passed] == []


def test_a_trial_says_what_a_picture_takes_and_what_it_gives() -> None:
    pixels = compose(5, 300, 200).pixels
    trial = tried(arithmetic_graph_bundle(), ModelSettings(runtime="openvino", device="cpu"), pixels)
    assert trial.alpha.shape == (300, 200)
    assert trial.figures.start_seconds > 0 < trial.steady_seconds
    assert trial.peak_mib > 10


def test_a_trial_that_cannot_start_raises_what_its_process_said(tmp_path: Path) -> None:
    directory = Path(shutil.copytree(arithmetic_graph_bundle().directory, tmp_path / "damaged"))
    (directory / "batch.pb").write_bytes(b"")
    bundle = Bundle(directory, arithmetic_graph_bundle().manifest)
    with pytest.raises(ConfigError, match="has sha256"):
        tried(bundle, ModelSettings(runtime="openvino", device="cpu"), compose(5, 64, 64).pixels)


@pytest.mark.parametrize("what", ["missing", "cut off", "a picture", "a directory"])
def test_what_is_no_network_is_refused_and_leaves_nothing(what: str, tmp_path: Path, state_dir: Path) -> None:
    path = tmp_path / "tf_graph.pb"
    if what == "cut off":
        path.write_bytes(stand_in().read_bytes()[:5000])
    elif what == "a picture":
        path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(5000))
    elif what == "a directory":
        path.mkdir()
    assert str(path) in refused("bshm", str(path))
    assert not (state_dir / "models" / "bshm").exists()


def test_a_refused_graph_leaves_the_bundle_that_was_there(tmp_path: Path, state_dir: Path) -> None:
    import tensorflow as tf

    there = Path(shutil.copytree(arithmetic_graph_bundle().directory, state_dir / "models" / "bshm"))
    bad = graph_file(tmp_path, lambda picture: tf.io.decode_raw(tf.io.read_file("/etc/hosts"), tf.uint8))
    assert "ReadFile" in refused("bshm", str(bad))
    assert read_bundle(there).damages() == []


@pytest.mark.parametrize("name", ["Bshm", "../bshm", "", "a b"])
def test_a_name_that_no_bundle_may_have_is_refused_before_anything_is_done(name: str, state_dir: Path) -> None:
    result = run(name, str(arithmetic_graph()))
    assert result.exit_code == 2
    assert "small letters" in result.stderr
    assert not state_dir.exists()


@pytest.mark.parametrize(
    ("side", "what"), [(100, "a multiple of 32 up to 256"), (512, "a multiple of 32 up to 256"), (128, None)]
)
def test_the_working_side_must_suit_the_network(side: int, what: str | None) -> None:
    bundle = arithmetic_graph_bundle()
    settings = ModelSettings(bundle=str(bundle.directory), working_side=side)
    if what is None:
        assert configured_bundle(settings, Path("/none")).working_size(1000, 1000) == (side, side)
    else:
        with pytest.raises(ConfigError, match=what):
            configured_bundle(settings, Path("/none"))


def test_a_bundle_with_a_size_of_its_own_takes_no_other(state_dir: Path) -> None:
    from tests.support.runtimes import u2netp_bundle

    settings = ModelSettings(bundle=str(u2netp_bundle().directory), working_side=320)
    with pytest.raises(ConfigError, match="working size of its own; set it to null"):
        configured_bundle(settings, state_dir)
