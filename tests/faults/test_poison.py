"""Photos of which the whole daemon dies, by a real signal, under a supervisor that starts it again as systemd does."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.program import Program, wait_until
from tests.support import invariants
from tests.support.contracts import Evidence
from tests.support.poisoned import poison
from tests.support.studio import Studio

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_ATTEMPTS = 3  # limits.max_attempts


def _most_starts(poisons: int) -> int:
    """Each poison kills once in company, at most, and once for each attempt alone; then comes the start that lasts.

    What a unit's StartLimitBurst= must be above, for as many poisons as may come within its StartLimitIntervalSec=.
    """
    return poisons * (1 + _ATTEMPTS) + 1


def _starts_until_all_ended(program: Program, photos: int, by: signal.Signals) -> int:
    command = [sys.executable, "-m", "tests.support.poisoned", by.name, "--config", str(program.config), "run"]

    def ended() -> bool:
        places = ("done", "failed")
        names = [name for place in places for name in program.names(place) if not name.endswith(".error.json")]
        return len(names) == photos and not program.names(".bshm/work")

    for start in range(1, 60):
        with open(program.log, "ab") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                wait_until(lambda process=process: process.poll() is not None or ended(), 120, "it died, or all ended")
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    assert process.wait(60) == 0, program.log.read_text()
                    return start
                assert process.wait() == -by, program.log.read_text()
            finally:
                process.kill()
    raise AssertionError(f"still dying: {program.log.read_text()}")


@pytest.mark.contract("L1", "L2", "D5", "D1")
@pytest.mark.parametrize(
    ("poisons", "healthy", "by"), [(1, 6, signal.SIGSEGV), (3, 17, signal.SIGABRT)], ids=["one in 7", "three in 20"]
)
def test_photos_of_which_the_daemon_dies_fail_alone(
    fast_path: Path, evidence: Evidence, poisons: int, healthy: int, by: signal.Signals
) -> None:
    studio, program = Studio(fast_path), Program(fast_path, settle_seconds=0.1, rescan_seconds=1)
    for number in range(healthy):
        studio.drop(f"{number}.png")
    for number in range(poisons):
        studio.drop(f"poison {number}.png", poison(number))
    starts = _starts_until_all_ended(program, healthy + poisons, by)
    print(f"{starts} starts for {poisons} poisons among {healthy + poisons} photos")
    assert _ATTEMPTS * poisons < starts <= _most_starts(poisons)
    ended = {row.name: (row.state, row.attempts) for row in studio.rows()}
    failed = {name for name in ended if name.startswith("poison")}
    assert {ended.pop(name) for name in failed} == {("failed", _ATTEMPTS)}
    assert len(failed) == poisons
    assert set(ended.values()) == {("done", 0)}
    for name in failed:
        sidecar = json.loads((studio.hot / "failed" / f"{name}.error.json").read_bytes())
        assert (sidecar["reason"], sidecar["attempts"]) == ("ended_the_program", _ATTEMPTS)
    invariants.check(studio)
    evidence(photos_dropped=healthy + poisons, starts_counted=starts)
