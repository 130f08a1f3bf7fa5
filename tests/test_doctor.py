"""`bshm-watchd doctor`: tells what it looked for, with or without a configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bshm_watchd.cli import surroundings
from bshm_watchd.cli.findings import Group, note, ok
from bshm_watchd.cli.processor import processor
from bshm_watchd.matting.int8_install import install
from tests.support.asked import Configured, configured, typed
from tests.support.small_network import made, small_bundle
from tests.support.terminal import on_a_terminal

_CPUINFO = """\
processor\t: 0
model name\t: Imaginary 9000
flags\t\t: fpu sse avx2 avx512f avx512_bf16
processor\t: 1
model name\t: Imaginary 9000
flags\t\t: fpu sse avx2 avx512f avx512_bf16
"""


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configured:
    studio = configured(tmp_path, monkeypatch)
    assert typed("model", "fetch", "arithmetic").code == 0
    return studio


def found() -> dict[str, dict[str, str]]:
    told = typed("doctor", "--json", "--no-measure")
    answer = json.loads(told.out)
    assert told.code == (0 if answer["ok"] else 78)
    return {one["subject"]: one for one in answer["findings"]}


def test_doctor_finds_this_machine_healthy(studio: Configured) -> None:
    findings = found()
    assert {one["level"] for one in findings.values()} <= {"ok", "note"}
    for subject in ("python", "numpy", "cpu", "gpu", "openvino CPU", "fs.inotify", "model", "device", "state_dir"):
        assert subject in findings
    assert findings["device"]["message"] == "arithmetic on the CPU (no network)"
    assert str(studio.folder) in findings["hot folder portraits"]["message"]


def test_doctor_works_without_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("BSHM_WATCHD_CONFIG", str(tmp_path / "none.yaml"))
    assert "bshm-watchd init" in found()["configuration"]["message"]
    assert not (tmp_path / "state").exists()


def test_a_wrong_configuration_is_told_beside_the_rest(studio: Configured) -> None:
    studio.add("batchh: {}\n")
    told = typed("doctor", "--no-measure")
    assert "batchh" in told.err
    assert "openvino" in told.out


def test_a_missing_model_is_a_problem(studio: Configured) -> None:
    studio.config.write_text(studio.config.read_text().replace("arithmetic", "u2netp"))
    assert "model fetch u2netp" in found()["model"]["message"]


@pytest.mark.parametrize(
    ("requirement", "version", "level"),
    [
        ("numpy>=1.26", "2.4.6", "ok"),
        ("numpy>=1.26", "1.26", "ok"),
        ("numpy>=1.26", "1.9.9", "problem"),
        ("numpy>=1.26", None, "problem"),
        ("typer[all]<1,>=0.15", "0.9", "problem"),
        ("opencv-python-headless>=4.10", "4.10.0.84", "ok"),
        ("tensorflow", "2.21.0rc1+local", "ok"),
    ],
)
def test_dependencies_are_held_against_their_floor(requirement: str, version: str | None, level: str) -> None:
    (finding,) = surroundings.dependencies([requirement], lambda _: version)
    assert finding.level == level


def test_extras_are_not_missed() -> None:
    assert list(surroundings.dependencies(['ruff>=0.8; extra == "dev"'], lambda _: None)) == []


def test_the_cpu_is_named_with_what_speeds_it_up() -> None:
    message = processor(_CPUINFO).findings()[0].message
    assert message.startswith("Imaginary 9000")
    assert message.endswith("avx2, avx512f, avx512_bf16")


@pytest.mark.parametrize(
    ("watches", "instances", "level"), [(192536, 128, "ok"), (1024, 128, "note"), (None, None, "note")]
)
def test_few_watches_are_worth_a_note(watches: int | None, instances: int | None, level: str) -> None:
    assert surroundings.inotify_limits(watches, instances).level == level


def test_doctor_tells_int8_and_what_it_is_worth(studio: Configured, tmp_path: Path) -> None:
    bundle = small_bundle(studio.state_dir / "models")
    install(bundle, made(bundle, tmp_path / "new", "new"), tmp_path / "new")
    studio.config.write_text(studio.config.read_text().replace("arithmetic", "small, precision: int8"))
    findings = found()
    assert findings["device"]["message"] == "small on the CPU (net.xml int8)"
    assert findings["int8"]["message"] == "alpha differs by 0.0020 on average, 0.0300 at worst, over 40 photos"


def test_libraries_that_are_as_wanted_are_one_line_for_people() -> None:
    fine = [
        ok("numpy", "2.4.6, as tested"),
        ok("pillow", "13.0 (at least 11.0)"),
        ok("nncf", "not installed; x"),
    ]
    odd = note("openvino", "2025.1, tested is 2026.4.1")
    assert Group("libraries", (*fine, odd), folded=True).shown() == [
        ok("as wanted", "numpy 2.4.6, pillow 13.0, nncf not installed"), odd,
    ]  # fmt: skip


@pytest.mark.parametrize("columns", [80, 120])
def test_people_get_groups_that_fit_their_terminal(columns: int, studio: Configured) -> None:
    told = on_a_terminal("-m", "bshm_watchd.cli.main", "doctor", "--no-measure", columns=columns)
    lines = told.replace("\r", "").split("\n")
    assert max(map(len, lines)) <= columns
    titles = [line for line in lines if line and not line.startswith(("ok", "note", " "))]
    assert titles == ["program", "libraries", "machine", "model", "places", "what would make it faster", titles[-1]]
