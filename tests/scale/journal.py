"""A journal full of finished jobs: nothing that people or photos wait for may be longer for it."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bshm_watchd.clock import SystemClock
from bshm_watchd.jobs import new_id
from bshm_watchd.journal import JOURNAL_NAME, Journal
from bshm_watchd.ops.asking import ask
from tests.e2e.program import Program
from tests.scale.figures import Figure
from tests.scale.watched import Watched, started
from tests.support.studio import png

_FAILED_ONE_IN = 100_000
_SECONDS_APART = 30.0  # between two jobs: a million are a year
_LONGER_START_SECONDS = 1.0
_ANSWER_SECONDS = 0.5
_MORE_MIB = 20


@dataclass(frozen=True, slots=True)
class _Seen:
    ready_seconds: float
    ready_cpu_seconds: float
    claim_seconds: float
    resident_mib: float
    stop_seconds: float
    answers: dict[str, float]  # what was asked -> seconds


def journal(base: Path, jobs: int) -> Iterator[Figure]:
    """One life with an empty journal, one with `jobs` finished ones; a hundred thousandth of them failed."""
    empty = _life(Program(base / "empty"), "")
    program = Program(base / "full")
    known = write_finished(program.state_dir, jobs)
    size_mib = (program.state_dir / JOURNAL_NAME).stat().st_size / (1 << 20)
    full = _life(program, known)
    yield Figure("journal on disk", size_mib, "MiB")
    yield Figure("ready with an empty one", empty.ready_seconds, "s")
    longer = full.ready_seconds - empty.ready_seconds
    yield Figure("ready with the full one, longer by", longer, "s", _LONGER_START_SECONDS)
    more = full.ready_cpu_seconds - empty.ready_cpu_seconds
    yield Figure("CPU of a start, more by", more, "s", _LONGER_START_SECONDS)
    yield Figure("from a drop to its claim, empty", empty.claim_seconds, "s")
    yield Figure("the same, full", full.claim_seconds, "s", empty.claim_seconds + _LONGER_START_SECONDS)
    yield Figure("memory, more by", full.resident_mib - empty.resident_mib, "MiB", _MORE_MIB)
    for asked, seconds in full.answers.items():
        yield Figure(asked, 1000 * seconds, "ms", 1000 * _ANSWER_SECONDS)
    yield Figure("stop with the full one, longer by", full.stop_seconds - empty.stop_seconds, "s", 1)
    yield Figure("jobs list without the daemon", _offline_seconds(program), "s", 5)


def write_finished(state_dir: Path, jobs: int) -> str:
    """Into the journal's own tables, in one transaction; the id of one job in the middle."""
    state_dir.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    with Journal(state_dir / JOURNAL_NAME, clock):
        pass
    ids = [new_id(clock.wall() - _SECONDS_APART * (jobs - number)) for number in range(jobs)]
    connection = sqlite3.connect(state_dir / JOURNAL_NAME)
    with connection:
        connection.executemany(f"INSERT INTO jobs VALUES ({', '.join('?' * 18)})", map(_row, ids, range(jobs)))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return ids[jobs // 2]


def _row(job_id: str, number: int) -> tuple[Any, ...]:
    stem = f"IMG_{number:07}"
    failed = number % _FAILED_ONE_IN == 0
    filed_as = f'{{"root": "", "directory": "done/2026-01-01/session 12", "name": "{stem}.jpg"}}'
    return (
        job_id, "portraits", f"{stem}.jpg".encode(), b"session 12", "failed" if failed else "done", int(failed), 0,
        job_id, f"{number:064x}", 8_000_000, f'["results/session 12/{stem}.png"]', filed_as,
        *(("attempts_used_up", "it failed", "try it again") if failed else (None,) * 3), 1.7e9 + number, 1.7e9 + number,
        None,
    )  # fmt: skip


def _life(program: Program, known: str) -> _Seen:
    with started(program) as watched:
        ready, cpu = watched.wait_ready(), watched.cpu_seconds()
        before = watched.finished()
        (program.drop / "first.png").write_bytes(png(1))
        dropped = watched.seconds()
        claimed = watched.wait_finished(before + 1, 60) - dropped
        resident = watched.resident_mib()
        answers = _answers(watched, known) if known else {}
        asked = watched.seconds()
        watched.process.terminate()
        assert watched.process.wait(60) == 0
        return _Seen(ready, cpu, claimed, resident, watched.seconds() - asked, answers)


def _answers(watched: Watched, known: str) -> dict[str, float]:
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "status": ("status", {}),
        "jobs list": ("jobs_list", {"limit": 50}),
        "jobs list --limit 1000": ("jobs_list", {"limit": 1000}),
        "jobs list, a page from the middle": ("jobs_list", {"limit": 50, "before": known}),
        "jobs list --folder portraits": ("jobs_list", {"limit": 50, "folder": "portraits"}),
        "jobs list --failed": ("jobs_list", {"limit": 50, "states": ["failed"]}),
        "jobs list --rejected (none)": ("jobs_list", {"limit": 50, "states": ["rejected"]}),
        "jobs list --state done": ("jobs_list", {"limit": 50, "states": ["done"]}),
        "jobs list --state done --folder portraits": (
            "jobs_list",
            {"limit": 50, "states": ["done"], "folder": "portraits"},
        ),
        "jobs list --failed --rejected --folder portraits": (
            "jobs_list",
            {"limit": 50, "states": ["failed", "rejected"], "folder": "portraits"},
        ),
        "jobs show": ("jobs_show", {"id": known}),
    }
    return {f"{words}, answer": _answer_seconds(watched, *what) for words, what in asked.items()}


def _answer_seconds(watched: Watched, verb: str, arguments: dict[str, Any]) -> float:
    began = time.monotonic()
    ask(watched.program.state_dir / "control.sock", verb, arguments)
    return time.monotonic() - began


def _offline_seconds(program: Program) -> float:
    began = time.monotonic()
    subprocess.run(program.command("jobs", "list"), check=True, capture_output=True, timeout=120)
    return time.monotonic() - began
