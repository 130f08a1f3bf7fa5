"""`bshm-watchd doctor` measures the configured model, and holds it against a baseline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from bshm_watchd.cli.baseline import read
from bshm_watchd.cli.measuring import Bench
from bshm_watchd.config import BatchSettings, ModelSettings
from bshm_watchd.config import load as load_config
from bshm_watchd.errors import ConfigError, InstanceRunning
from bshm_watchd.matting.bundle import catalogue
from tests.support.asked import Configured, configured, typed
from tests.support.gpus import a_gpu, another_process, evidence, looking, unseen
from tests.support.small_network import small_bundle


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configured:
    return configured(tmp_path, monkeypatch)


def arithmetic(studio: Configured, **changes: Any) -> None:
    """The configured bundle, as slow and as many at once as said."""
    content = yaml.safe_load(catalogue()["arithmetic"].path("bundle.yaml").read_text())
    content["model"].update(changes)
    place = studio.state_dir / "models" / "arithmetic"
    place.mkdir(parents=True, exist_ok=True)
    (place / "bundle.yaml").write_text(yaml.safe_dump(content))


def asked(*arguments: str) -> tuple[int, Any]:
    told = typed("doctor", *arguments, "--json")
    return told.code, json.loads(told.out)


def levels(answer: Any) -> dict[str, str]:
    return {one["subject"]: one["level"] for one in answer["differences"]}


def test_doctor_measures_what_is_configured(studio: Configured) -> None:
    arithmetic(studio, delay_seconds_per_photo=0.2)
    code, answer = asked()
    assert code == 0
    measured = answer["measured"]
    assert min(measured["steady_seconds"], measured["first_seconds"]) >= 0.2
    assert measured["resident_mib"] > 0
    assert {key: measured["setup"][key] for key in ("runtime", "precision", "batch", "working_size")} == {
        "runtime": "arithmetic", "precision": "f32", "batch": 4, "working_size": "1920 x 1080",
    }  # fmt: skip


def test_it_says_so_while_it_does_it(studio: Configured) -> None:
    arithmetic(studio)
    assert "measuring arithmetic in a process of its own" in typed("doctor").err


def test_it_need_not_measure(studio: Configured) -> None:
    arithmetic(studio)
    told = typed("doctor", "--no-measure", "--json")
    assert json.loads(told.out)["measured"] is None
    assert told.err == ""


def test_a_network_is_measured_with_what_would_make_it_faster(studio: Configured) -> None:
    small_bundle(studio.state_dir / "models")
    studio.config.write_text(studio.config.read_text().replace("arithmetic", "small"))
    code, answer = asked()
    assert code == 0
    assert answer["measured"]["setup"]["runtime"] == "ncnn"
    assert list(answer["measured"]["setup"]["networks"]) == ["net.xml"]
    assert all(one["what"] and one["why"] and one["how"] for one in answer["faster"])


def test_a_model_that_can_not_start_is_a_problem_and_not_measured(studio: Configured) -> None:
    arithmetic(studio)
    studio.config.write_text(studio.config.read_text().replace("bundle: arithmetic", "bundle: arithmetic, device: gpu"))
    code, answer = asked()
    assert code == 78
    assert answer["measured"] is None


def test_a_baseline_holds_where_nothing_changed(studio: Configured, tmp_path: Path) -> None:
    arithmetic(studio, delay_seconds_per_photo=0.05)
    path = tmp_path / "fast.json"
    assert typed("doctor", "--store", str(path)).code == 0
    told = typed("doctor", "--expect", str(path), "--tolerance", "100")
    assert told.code == 0
    assert "as stored, or better" in told.out


@pytest.mark.slow
def test_a_slower_model_is_outside_and_named(studio: Configured, tmp_path: Path) -> None:
    arithmetic(studio, delay_seconds_per_photo=0.01)
    path = tmp_path / "fast.json"
    assert typed("doctor", "--store", str(path)).code == 0
    arithmetic(studio, delay_seconds_per_photo=0.4)
    code, answer = asked("--expect", str(path))
    assert code == 1
    assert not answer["ok"]
    assert levels(answer)["each later photo"] == "outside"


def test_where_it_is_outside_people_are_told_how_busy_the_machine_is(studio: Configured, tmp_path: Path) -> None:
    arithmetic(studio)
    path = tmp_path / "fast.json"
    assert typed("doctor", "--store", str(path)).code == 0
    arithmetic(studio, max_batch=2)
    told = typed("doctor", "--expect", str(path), "--tolerance", "100")
    assert told.code == 1
    assert "largest batch      2, stored is 4" in told.out
    assert "load average" in told.out


def test_another_precision_is_outside(studio: Configured, tmp_path: Path) -> None:
    arithmetic(studio)
    path = tmp_path / "fast.json"
    assert typed("doctor", "--store", str(path)).code == 0
    studio.config.write_text(
        studio.config.read_text().replace("bundle: arithmetic", "bundle: arithmetic, precision: bf16")
    )
    code, answer = asked("--expect", str(path), "--tolerance", "100")
    assert code == 1
    assert [one for one in answer["differences"] if one["level"] == "outside"] == [
        {"level": "outside", "subject": "precision", "message": "bf16, stored is f32"}
    ]


def test_a_baseline_is_told_in_json_as_it_was_stored(studio: Configured, tmp_path: Path) -> None:
    arithmetic(studio)
    path = tmp_path / "fast.json"
    code, answer = asked("--store", str(path))
    assert code == 0
    assert answer["baseline"] == read(path).model_dump(mode="json")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--expect", "none.json"], "does not exist"),
        (["--store", "a.json", "--expect", __file__], "give one of them"),
        (["--store", "a.json", "--no-measure"], "leave --no-measure out"),
        (["--tolerance", "2"], "goes with --expect"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(studio: Configured, arguments: list[str], why: str) -> None:
    told = typed("doctor", *arguments)
    assert told.code == 64
    assert why in " ".join(told.err.replace("│", " ").split())


@pytest.mark.parametrize("option", ["--expect", "--store"])
def test_a_foreign_file_is_neither_compared_with_nor_replaced(studio: Configured, option: str, tmp_path: Path) -> None:
    path = tmp_path / "anna.jpg"
    path.write_bytes(b"a photo")
    told = typed("doctor", option, str(path))
    assert told.code == 78
    assert "baseline" in told.err
    assert path.read_bytes() == b"a photo"


@pytest.mark.contract("G2")
def test_a_gpu_that_is_taken_is_not_measured_beside_its_model(studio: Configured, tmp_path: Path) -> None:
    arithmetic(studio)
    (tmp_path / "nvidia0").touch()
    settings = load_config(studio.config)
    node = str(tmp_path / "nvidia0")
    bench = Bench(settings, "a CPU", 2, looking(evidence(gpus=(a_gpu(path=node),))), lambda *_: True)
    with another_process(node) as pid, pytest.raises(InstanceRunning, match=f"process {pid}"):
        bench.measured()


@pytest.mark.contract("G1")
def test_a_gpu_that_is_wanted_and_missing_is_not_measured_on_the_cpu(studio: Configured) -> None:
    arithmetic(studio)
    settings = load_config(studio.config).model_copy(update={"model": ModelSettings(bundle="arithmetic", device="gpu")})
    bench = Bench(settings, "a CPU", 2, looking(unseen(driver=None)), lambda *_: True)
    with pytest.raises(ConfigError, match=r"model\.device: gpu"):
        bench.measured()


def test_the_largest_batch_is_that_of_the_configuration(studio: Configured) -> None:
    arithmetic(studio)
    settings = load_config(studio.config).model_copy(update={"batch": BatchSettings(max_size=2)})
    assert Bench(settings, "a CPU", 2).measured().setup.batch == 2
