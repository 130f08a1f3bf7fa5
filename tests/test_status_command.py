"""`bshm-watchd status`: what a person sees, what a script reads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bshm_watchd.cli.console import duration
from bshm_watchd.status import ConfigurationStatus, DeviceStatus, FolderMode, FolderStatus, GpuFigures, Status
from tests.support.asked import Configured, Told, a_daemon, configured, typed


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configured:
    return configured(tmp_path, monkeypatch)


def folder(name: str, state: FolderMode = FolderMode.WATCHING, reason: str = "") -> FolderStatus:
    return FolderStatus(
        name=name, path=f"/srv/hot/{name}", state=state, reason=reason, waiting=12, in_flight=3, retrying=1,
        oldest_waiting_seconds=754.0, not_photos=2, left=0, events=True, done=1234, review=4, rejected=5, failed=0,
    )  # fmt: skip


ON_THE_CPU = DeviceStatus("cpu", "on the CPU (u2netp.onnx f32)")
IN_FORCE = ConfigurationStatus("2026-01-02T03:04:05+01:00", None, ())


def status_of(
    *folders: FolderStatus, state: str = "busy", configuration: ConfigurationStatus = IN_FORCE,
    device: DeviceStatus = ON_THE_CPU,
) -> Status:  # fmt: skip
    return Status(
        state=state, ready=True, version="1.2.3", pid=4711, since="2026-01-02T03:04:05+01:00", model="u2netp",
        device=device, configuration=configuration, in_flight_bytes=1,
        finished=1239, folders=folders,
    )  # fmt: skip


def told(studio: Configured, status: Status, *options: str) -> Told:
    with a_daemon(studio.state_dir, lambda _: status.as_json()):
        return typed("status", *options)


def test_status_ends_with_3_when_nothing_runs(studio: Configured) -> None:
    result = typed("status")
    assert (result.code, result.out) == (3, "")
    assert "not running" in result.err
    assert ": bshm-watchd run" in result.err


def test_how_to_start_it_names_the_configuration_that_was_asked_with(studio: Configured) -> None:
    other = studio.config.rename(studio.config.with_name("other.yaml"))
    result = typed("status", "--config", str(other))
    assert (result.code, f": bshm-watchd --config {other} run" in result.err) == (3, True)


def test_status_shows_each_folder_in_a_line(studio: Configured) -> None:
    result = told(studio, status_of(folder("portraits"), folder("school")))
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == "bshm-watchd 1.2.3 is running: busy"
    assert lines[2] == "model u2netp on the CPU (u2netp.onnx f32)"
    assert [line.split() for line in lines if line.startswith("school")] == [
        ["school", "watching", "12", "13", "min", "4", "1234", "4", "5", "0", "2"]
    ]


def _device_lines(studio: Configured, device: DeviceStatus) -> list[str]:
    lines = told(studio, status_of(folder("portraits"), device=device)).out.splitlines()
    return lines[2 : next(n for n, line in enumerate(lines) if line.startswith("configuration"))]


def test_a_gpu_is_shown_with_its_memory_and_use(studio: Configured) -> None:
    figures = GpuFigures(5100, 24564, 89)
    device = DeviceStatus("gpu", "on GPU 0, RTX 4090 (tf_graph.pb f32)", 0, "RTX 4090", None, figures)
    assert _device_lines(studio, device) == [
        "model u2netp on GPU 0, RTX 4090 (tf_graph.pb f32)",
        "  5100 of 24564 MiB used, 89 % busy",
    ]
    quiet = replace(device, gpu=GpuFigures(5100, 24564, None))
    assert _device_lines(studio, quiet)[1] == "  5100 of 24564 MiB used"
    lost = replace(device, gpu=GpuFigures(problem="NVML: GPU is lost"))
    assert _device_lines(studio, lost)[1] == "  NVML: GPU is lost"


@pytest.mark.contract("G1")
def test_a_fall_to_the_cpu_is_shown_with_its_reason(studio: Configured) -> None:
    assert _device_lines(studio, replace(ON_THE_CPU, fell_back="libcuda.so.1 can't be loaded")) == [
        "model u2netp on the CPU (u2netp.onnx f32)",
        "  not on a GPU: libcuda.so.1 can't be loaded",
    ]


def test_status_tells_of_a_configuration_that_was_refused_and_which_one_is_in_force(studio: Configured) -> None:
    refused = ConfigurationStatus("2026-01-02T03:04:05+01:00", "2026-01-03T00:00:00+01:00", ("model.bundle: is b",))
    result = told(studio, status_of(folder("portraits"), configuration=refused))
    lines = result.out.splitlines()
    assert lines[3] == "configuration of 2026-01-02T03:04:05+01:00"
    assert lines[-2:] == [
        "refused at 2026-01-03T00:00:00+01:00, so that the configuration before stays in force:",
        "  model.bundle: is b",
    ]


def test_a_folder_in_trouble_says_why_and_status_still_ends_with_0(studio: Configured) -> None:
    held = folder("school", FolderMode.HELD, "disk full; free some space")
    result = told(studio, status_of(folder("portraits"), held, state="degraded"))
    assert result.code == 0
    assert "degraded" in result.out
    assert "school is held: disk full; free some space" in result.out


def test_the_table_fits_into_80_columns(studio: Configured) -> None:
    result = told(studio, status_of(folder("portraits"), folder("school", FolderMode.UNREACHABLE, "gone")))
    table = [line for line in result.out.splitlines() if line.startswith(("folder", "portraits", "school  "))]
    assert len(table) == 3
    assert max(map(len, table)) <= 80


def test_json_is_the_whole_status(studio: Configured) -> None:
    status = status_of(folder("portraits"))
    assert json.loads(told(studio, status, "--json").out) == json.loads(json.dumps(status.as_json()))


def test_status_needs_no_configuration_where_the_default_state_directory_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("BSHM_WATCHD_CONFIG", str(tmp_path / "none.yaml"))
    with a_daemon(tmp_path, lambda _: status_of(folder("portraits")).as_json()):
        assert typed("status").code == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.2, "0 s"), (119, "119 s"), (120, "2 min"), (3599, "60 min"), (3600, "1.0 h"), (200000, "2.3 d")],
)
def test_durations_are_short(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text
