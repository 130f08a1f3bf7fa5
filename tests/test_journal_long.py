"""A journal of years: whatever a start, a photo or a person asks of it takes as many steps as in its first week."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bshm_watchd.jobs import Job, State
from bshm_watchd.journal import JOURNAL_NAME, Journal
from tests.scale.journal import write_finished
from tests.support.clock import FakeClock
from tests.support.trees import a_job, settings_of

_SETTINGS = settings_of(Path("/srv/hot"))
_SHORT, _LONG = 400, 12_000
_MORE_STEPS = 60  # a B-tree that is one level deeper


class _Steps:
    """Connects, and counts the steps of SQLite's own machine."""

    def __init__(self) -> None:
        self.count = 0

    def connect(self, path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.set_progress_handler(self._step, 1)
        return connection

    def _step(self) -> int:
        self.count += 1
        return 0


def _steps(state_dir: Path, jobs: int, ask: Callable[[Journal], object]) -> int:
    """Opening it and asking."""
    write_finished(state_dir, jobs)
    steps = _Steps()
    with Journal(state_dir / JOURNAL_NAME, FakeClock(), steps.connect) as journal:
        ask(journal)
        return steps.count


def _job(state: State = State.RUNNING) -> Job:
    return replace(a_job(_SETTINGS), id="7ZZZZZZZZZZZZZZZZZZZZZZZZZ", state=state)


@pytest.mark.parametrize(
    "ask",
    [
        lambda journal: journal.counts("portraits"),
        lambda journal: journal.unfinished("portraits"),
        lambda journal: journal.mark_clean_stop("01A"),
        lambda journal: (journal.record(_job()), journal.record(_job(State.DONE))),
        lambda journal: journal.find(_job().id),
        lambda journal: journal.jobs(limit=20),
        lambda journal: journal.jobs(limit=20, folder="portraits"),
        lambda journal: journal.jobs(limit=20, folder="another"),
        lambda journal: journal.jobs(limit=20, states=["rejected", "running"]),
        lambda journal: journal.jobs(limit=20, states=["done", "failed"], folder="portraits"),
    ],
    ids=[
        "counts", "unfinished", "a stop", "a photo", "one job", "the newest", "of a folder", "of a folder without any",
        "of rare states", "of states of a folder",
    ],
)  # fmt: skip
def test_what_is_asked_takes_no_more_steps_however_many_jobs_there_are(
    fast_path: Path, ask: Callable[[Journal], object]
) -> None:
    short, long = (_steps(fast_path / str(jobs), jobs, ask) for jobs in (_SHORT, _LONG))
    assert long <= short + _MORE_STEPS


def test_jobs_that_had_ended_before_they_were_counted_are_counted_once(fast_path: Path) -> None:
    """As in a journal of an earlier version."""
    write_finished(fast_path, 30)
    with sqlite3.connect(fast_path / JOURNAL_NAME) as connection:
        for trigger in ("job_added", "job_changed", "job_forgotten"):
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("DROP TABLE totals")
    for _ in range(2):
        with Journal(fast_path / JOURNAL_NAME, FakeClock()) as journal:
            assert journal.counts("portraits") == {"done": 29, "failed": 1}


def test_the_counts_follow_each_job(fast_path: Path) -> None:
    with Journal(fast_path / JOURNAL_NAME, FakeClock()) as journal:
        for state in (State.RUNNING, State.DONE, State.DONE, State.REVIEW):
            journal.record(_job(state))
        assert journal.counts("portraits") == {"review": 1}
        journal.set_state(_job().id, State.DONE, 5.0)
        assert journal.counts("portraits") == {"done": 1}
        journal.record(replace(_job(State.DONE), folder="renamed"))
        assert (journal.counts("portraits"), journal.counts("renamed")) == ({}, {"done": 1})
        journal.forget(_job().id)
        assert journal.counts("renamed") == {}


@pytest.mark.contract("D7")
def test_damage_that_no_question_meets_is_found_by_looking_through(fast_path: Path) -> None:
    path = fast_path / JOURNAL_NAME
    write_finished(fast_path, 2000)
    content = bytearray(path.read_bytes())
    middle = len(content) // 4096 // 3 * 4096
    content[middle : middle + 200] = b"\xaa" * 200
    path.write_bytes(bytes(content))
    with Journal(path, FakeClock(wall=7.0)) as journal:
        journal.record(_job())
        assert not list(fast_path.glob("*.damaged-*"))
        journal.look_through()
        assert path.with_name(f"{JOURNAL_NAME}.damaged-7").exists()
        assert journal.jobs() == []
        journal.record(_job())
        journal.look_through()
        assert len(journal.jobs()) == 1


def test_looking_through_a_sound_journal_changes_nothing(fast_path: Path) -> None:
    write_finished(fast_path, 50)
    with Journal(fast_path / JOURNAL_NAME, FakeClock()) as journal:
        journal.look_through()
        assert len(journal.jobs()) == 50
    journal.look_through()
    assert [path.name for path in fast_path.iterdir()] == [JOURNAL_NAME]
