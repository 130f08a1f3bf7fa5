"""Who does the waiting: every call and every job is answered once, whatever becomes of it."""

from __future__ import annotations

import errno
import threading
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.disk.ops import Disk
from bshm_watchd.errors import PlaceUnavailable
from bshm_watchd.events import Answered, Event, Inbox, JobOver, WorkerDied
from bshm_watchd.jobs import Job
from bshm_watchd.pipeline import Ended, Outcome, Waiting
from bshm_watchd.threads import FolderThread, WorkerThreads, answer
from tests.support.threads import no_new_threads
from tests.support.trees import a_job, settings_of

_FOLDER = HotFolder(Disk(), settings_of(Path("/srv/hot")), Path("/srv/state"))
_LONG = 10.0  # only ever waited for by a test that fails


def _take(inbox: Inbox, count: int) -> list[Event]:
    events: list[Event] = []
    while len(events) < count:
        taken = inbox.take(_LONG)
        assert taken, f"only {events} came"
        events.extend(taken)
    return events


def _raise(error: BaseException) -> Any:
    raise error


@pytest.mark.contract("O2")
def test_calls_are_made_one_after_the_other_in_the_order_asked() -> None:
    inbox, here = Inbox(), threading.get_ident()
    with FolderThread("portraits", inbox.put) as hand:
        for number in range(50):
            hand.ask("look", lambda number=number: (number, threading.get_ident()))  # type: ignore[misc]
        answers = _take(inbox, 50)
    values = [event.value for event in answers if isinstance(event, Answered)]
    assert [number for number, _ in values] == list(range(50))
    assert len({thread for _, thread in values}) == 1
    assert here not in {thread for _, thread in values}


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "it broke"), PlaceUnavailable("disk_full", "it is full"), ValueError("a bug")]
)
def test_a_call_that_fails_is_answered_with_its_error_and_the_next_is_made(error: Exception) -> None:
    inbox = Inbox()
    with FolderThread("portraits", inbox.put) as hand:
        hand.ask("look", lambda: _raise(error))
        hand.ask("claim", lambda: 7)
        answers = _take(inbox, 2)
    assert answers == [Answered("portraits", "look", None, error), Answered("portraits", "claim", 7, None)]


@pytest.mark.contract("O2")
def test_a_call_that_hangs_holds_up_neither_the_asker_nor_the_end() -> None:
    inbox, go_on, begun = Inbox(), threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        go_on.wait()

    with FolderThread("portraits", inbox.put) as hand:
        hand.ask("look", hang)
        begun.wait()
        hand.ask("look", lambda: 2)
        assert inbox.take(0) == []
    assert inbox.take(0) == []
    go_on.set()
    assert [event.value for event in _take(inbox, 2) if isinstance(event, Answered)] == [None, 2]


def test_what_was_asked_before_the_end_is_still_done() -> None:
    inbox = Inbox()
    with FolderThread("portraits", inbox.put) as hand:
        for number in range(3):
            hand.ask("look", lambda number=number: number)  # type: ignore[misc]
    assert [event.value for event in _take(inbox, 3) if isinstance(event, Answered)] == [0, 1, 2]


def test_an_answer_is_one_event_however_it_ends() -> None:
    assert answer("portraits", "look", lambda: 7) == Answered("portraits", "look", 7, None)
    error = ValueError("a bug")
    assert answer("portraits", "look", lambda: _raise(error)) == Answered("portraits", "look", None, error)


@pytest.fixture
def job() -> Job:
    return a_job(settings_of(Path("/srv/hot")))


def test_a_job_runs_beside_the_main_thread_and_ends_in_its_outcome(job: Job) -> None:
    inbox, ran_in = Inbox(), []

    def run(job: Job, folder: HotFolder) -> Outcome:
        ran_in.append(threading.get_ident())
        return Ended(job)

    WorkerThreads(run, inbox.put).start(job, _FOLDER)
    assert _take(inbox, 1) == [JobOver(Ended(job))]
    assert ran_in != [threading.get_ident()]


@pytest.mark.parametrize("error", [ValueError("a bug"), SystemExit(1), KeyboardInterrupt()])
def test_a_worker_that_dies_is_reported(job: Job, error: BaseException) -> None:
    inbox = Inbox()
    WorkerThreads(lambda *_: _raise(error), inbox.put).start(job, _FOLDER)
    assert _take(inbox, 1) == [WorkerDied(error)]


@pytest.mark.contract("D5", "D6")
def test_a_job_that_no_thread_can_be_had_for_waits_and_blames_the_machine(job: Job) -> None:
    inbox = Inbox()
    with no_new_threads():
        WorkerThreads(lambda *_: _raise(AssertionError("it ran")), inbox.put).start(job, _FOLDER)
    (event,) = _take(inbox, 1)
    assert isinstance(event, JobOver)
    assert isinstance(event.outcome, Waiting)
    assert (event.outcome.job, event.outcome.error.reason) == (job, "too_many_threads")


def test_jobs_do_not_wait_for_each_other(job: Job) -> None:
    inbox, all_there = Inbox(), threading.Barrier(4, timeout=_LONG)

    def run(job: Job, folder: HotFolder) -> Outcome:
        all_there.wait()
        return Ended(job)

    workers = WorkerThreads(run, inbox.put)
    for _ in range(4):
        workers.start(job, _FOLDER)
    assert _take(inbox, 4) == [JobOver(Ended(job))] * 4
