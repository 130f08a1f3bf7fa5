"""What a process and its children take is counted once, also when they have ended."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from bshm_watchd.bench.processes import family, family_cpu_seconds, family_peak_mib, reset_peaks
from bshm_watchd.clock import cpu_seconds

# Computes half a second by its own CPU clock, says so, and waits to be told to end.
_BUSY = "import time\nwhile time.process_time() < .5: pass\nprint('.', flush=True)\ninput()\n"
_PARENT = (
    f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {_BUSY!r}])\nprint('.', flush=True)\ninput()\n"
)


@contextlib.contextmanager
def running(program: str) -> Iterator[subprocess.Popen[bytes]]:
    """Until it has said something."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as process:  # type: ignore[call-overload]
        assert process.stdout is not None
        assert process.stdout.readline() == b".\n"
        yield process
        process.kill()


def test_the_cpu_time_of_another_process_is_what_it_says_itself() -> None:
    with running(_BUSY) as process:
        assert 0.5 <= cpu_seconds(process.pid) < 1.5


def test_a_process_that_is_gone_has_no_cpu_time() -> None:
    with running(_BUSY) as process:
        pid = process.pid
    with pytest.raises(OSError):
        cpu_seconds(pid)


def test_children_belong_to_their_parent_and_their_time_counts_while_they_run() -> None:
    with running(_PARENT) as process:
        assert len(family(process.pid)) == 2
        assert family_cpu_seconds(process.pid) - cpu_seconds(process.pid) >= 0.5


def test_the_time_of_a_child_that_has_ended_is_not_lost() -> None:
    with running(_PARENT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()  # the child has ended, and was waited for
        assert len(family(process.pid)) == 1
        assert family_cpu_seconds(process.pid) - cpu_seconds(process.pid) >= 0.49  # counted in hundredths


def test_a_peak_is_forgotten_when_a_burst_begins() -> None:
    program = "kept = bytearray(200 << 20)\ndel kept\nprint('.', flush=True)\ninput()\n"
    with running(program) as process:
        assert family_peak_mib(process.pid) > 200
        reset_peaks(process.pid)
        assert family_peak_mib(process.pid) < 100


def test_the_peaks_of_a_family_are_added_up() -> None:
    with running(_PARENT) as process:
        parent, child = family(process.pid)
        assert family_peak_mib(parent) > family_peak_mib(child) > 0


def test_our_own_family_is_found_from_any_process() -> None:
    assert os.getpid() in family(os.getppid())
