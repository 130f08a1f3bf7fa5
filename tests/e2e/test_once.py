"""`once` as a person runs it: real process, real model where it can be had, real names."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from bshm_watchd.bench import drawn
from bshm_watchd.delivery.png import encode_png
from tests.e2e.program import Program, wait_until
from tests.support import astronaut
from tests.support.runtimes import u2netp_bundle
from tests.support.studio import jpeg, png

pytestmark = pytest.mark.e2e

NAMES = ["été (1).JPG", "-rf.jpg", "two\nlines.jpg", os.fsdecode(b"caf\xe9.jpg"), "sub folder/plain.jpeg"]


def _portrait(seed: int) -> bytes:
    return jpeg(drawn.compose(seed, 270, 480).pixels)


@pytest.mark.contract("O7")
def test_portraits_with_any_name_are_cut_out_and_filed(tmp_path: Path) -> None:
    program = Program(tmp_path, bundle=str(u2netp_bundle().directory))
    for seed, name in enumerate(NAMES):
        path = program.drop / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(_portrait(seed))
    (program.drop / "astronaut.png").write_bytes(encode_png(astronaut.astronaut()))
    result = program.once()
    assert result.returncode == 0, result.stderr
    assert program.done() == sorted([*NAMES, "astronaut.png"])
    assert program.names("drop") == []
    assert len(program.names("results")) == len(NAMES) + 1


@pytest.mark.contract("O7")
def test_photos_at_fault_are_rejected_with_a_sidecar_and_the_others_done(tmp_path: Path) -> None:
    program = Program(tmp_path, settle_max_seconds=3)
    whole = _portrait(1)
    middle = len(whole) // 2
    (program.drop / "good.jpg").write_bytes(whole)
    (program.drop / "truncated.jpg").write_bytes(whole[:middle])
    (program.drop / "disguised.jpg").write_bytes(b"MZ this is a program, not a photo" * 100)
    (program.drop / "broken.jpg").write_bytes(whole[:middle] + bytes(300) + whole[middle + 300 :])
    (program.drop / "notes.txt").write_text("left alone")
    result = program.once()
    assert result.returncode == 1, result.stderr
    assert program.done() == ["good.jpg"]
    rejected = [name for name in program.names("rejected") if not name.endswith(".error.json")]
    assert rejected == ["broken.jpg", "disguised.jpg", "truncated.jpg"]
    reasons = {
        name: json.loads((program.hot / "rejected" / f"{name}.error.json").read_text())["reason"] for name in rejected
    }
    assert reasons == {"broken.jpg": "broken", "disguised.jpg": "not_a_photo", "truncated.jpg": "incomplete"}
    assert program.names("drop") == ["notes.txt"]


@pytest.mark.contract("O7")
def test_ctrl_c_ends_with_130_and_the_next_run_does_the_rest(tmp_path: Path) -> None:
    program = Program(tmp_path)
    for serial in range(300):
        (program.drop / f"{serial}.png").write_bytes(png(serial, 300, 400))
    with program.started("once") as process:
        wait_until(lambda: len(program.names("done")) > 5, 60, "some are done", process)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert 0 < len(program.names("done")) == len(program.names("results")) < 300
    assert program.once().returncode == 0
    assert len(program.names("done")) == len(program.names("results")) == 300


@pytest.mark.contract("D1", "D3", "D4")
def test_killed_in_the_middle_it_goes_on_where_it_was(tmp_path: Path) -> None:
    program = Program(tmp_path)
    for serial in range(120):
        (program.drop / f"{serial}.png").write_bytes(png(serial, 300, 400))
    for kill_after in (10, 40, 80):
        with program.started("once") as process:
            wait_until(lambda after=kill_after: len(program.names("done")) > after, 60, "some are done", process)
            process.kill()
            process.wait(60)
    result = program.once()
    assert result.returncode == 0, result.stderr
    assert len(program.names("done")) == len(program.names("results")) == 120
    assert not [path for path in program.hot.rglob("*") if path.name.endswith((".part", ".tmp"))]


@pytest.mark.contract("O7")
def test_a_second_instance_is_told_who_runs(tmp_path: Path) -> None:
    program = Program(tmp_path)
    with program.running() as process:
        second = program.once()
        assert second.returncode == 2
        assert str(process.pid) in second.stderr
        other = Program(tmp_path, state_dir=tmp_path / "other")
        elsewhere = other.once("--wait", "1")
        assert elsewhere.returncode == 2
        assert f"process {process.pid}" in elsewhere.stderr
        Program(tmp_path)  # the first one's configuration again


def test_status_without_a_daemon_says_not_running(tmp_path: Path) -> None:
    program = Program(tmp_path)
    assert program.status() == {}
