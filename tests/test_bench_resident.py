"""The daemon that is measured, seen from outside: what it says, and what is said of it when it fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bshm_watchd.bench.course import MeasuringFailed
from bshm_watchd.bench.measured_settings import without_configuration
from bshm_watchd.bench.resident import Resident
from bshm_watchd.clock import SystemClock

_SAYS = """
import json, os, signal, sys

def write(line):
    os.write(int(sys.argv[2]), line)

def say(event, why=""):
    write(json.dumps({"event": [event, 1.0, "", "", why]}).encode() + b"\\n")

"""


def a_daemon(directory: Path, program: str, patience_seconds: float = 60) -> Resident:
    settings = without_configuration(directory / "state")
    return Resident(settings, directory, SystemClock(), [sys.executable, "-c", _SAYS + program], patience_seconds)


def test_a_daemon_that_says_so_is_ready(tmp_path: Path) -> None:
    with a_daemon(tmp_path, "say('ready'); signal.pause()") as daemon:
        daemon.wait_until_ready()
        assert daemon.courses.ready


def test_what_comes_in_pieces_is_put_together(tmp_path: Path) -> None:
    line = '{"event": ["ready", 1.0, "", "", ""]}\\n'
    program = f"write(b'{line[:15]}'); write(b'{line[15:]}'); signal.pause()"
    with a_daemon(tmp_path, program) as daemon:
        daemon.wait_until_ready()


def test_a_daemon_that_ends_is_told_with_its_last_words_and_exit_code(tmp_path: Path) -> None:
    with a_daemon(tmp_path, "sys.exit('no model is there')") as daemon, pytest.raises(MeasuringFailed) as failed:
        daemon.wait_until_ready()
    assert "exit code 1" in str(failed.value)
    assert "no model is there" in str(failed.value)


def test_a_daemon_that_says_nothing_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with (
        a_daemon(tmp_path, "signal.pause()", patience_seconds=0.05) as daemon,
        pytest.raises(MeasuringFailed) as failed,
    ):
        daemon.wait_until_ready()
    assert "said nothing for 0.05 seconds" in str(failed.value)


def test_a_folder_that_is_held_ends_the_measuring_with_its_reason(tmp_path: Path) -> None:
    with (
        a_daemon(tmp_path, "say('held', 'the disk is full'); signal.pause()") as daemon,
        pytest.raises(MeasuringFailed) as failed,
    ):
        daemon.wait_until_over(["1.jpg"])
    assert "held: the disk is full" in str(failed.value)


def test_its_process_is_gone_afterwards(tmp_path: Path) -> None:
    with a_daemon(tmp_path, "say('ready'); signal.pause()") as daemon:
        daemon.wait_until_ready()
        assert daemon.cpu_seconds() > 0
    with pytest.raises(MeasuringFailed, match="has ended"):
        daemon.cpu_seconds()
