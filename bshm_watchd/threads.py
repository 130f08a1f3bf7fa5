"""Who does the waiting: a thread for each folder's file-system calls, and one for each job under way.

Both are daemon threads: one that hangs in a dead share's call can be abandoned, and never holds up anything else.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol

from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.errors import no_thread
from bshm_watchd.events import Answered, Event, JobOver, WorkerDied
from bshm_watchd.jobs import Job
from bshm_watchd.pipeline import Outcome, Waiting

Put = Callable[[Event], None]
Run = Callable[[Job, HotFolder], Outcome]


class Hand(Protocol):
    """Does a folder's file-system calls, one after the other, in the order asked.

    `ask` returns at once and never raises; each call ends in exactly one `Answered` (unless it hangs for ever).
    After `end` nothing more is asked; what was asked before is still done.
    """

    def ask(self, call: str, work: Callable[[], Any]) -> None: ...

    def end(self) -> None: ...


class FolderThread:
    def __init__(self, folder: str, put: Put) -> None:
        self._folder = folder
        self._put = put
        self._calls: queue.SimpleQueue[tuple[str, Callable[[], Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=f"folder-{folder}", daemon=True)

    def __enter__(self) -> FolderThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Ends after the calls asked so far; a hanging one is abandoned."""
        self._calls.put(None)

    def ask(self, call: str, work: Callable[[], Any]) -> None:
        self._calls.put((call, work))

    def _serve(self) -> None:
        while (item := self._calls.get()) is not None:
            call, work = item
            self._put(answer(self._folder, call, work))


def answer(folder: str, call: str, work: Callable[[], Any]) -> Answered:
    try:
        return Answered(folder, call, work(), None)
    except Exception as error:  # noqa: BLE001  carried to the main thread, which sorts it
        return Answered(folder, call, None, error)


class Workers(Protocol):
    """Runs jobs. `start` returns at once; each job ends in exactly one `JobOver` or `WorkerDied`."""

    def start(self, job: Job, folder: HotFolder) -> None: ...


class WorkerThreads:
    def __init__(self, run: Run, put: Put) -> None:
        self._run = run
        self._put = put

    def start(self, job: Job, folder: HotFolder) -> None:
        thread = threading.Thread(target=self._work, args=(job, folder), name=f"job-{job.id}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._put(JobOver(Waiting(job, no_thread(error))))

    def _work(self, job: Job, folder: HotFolder) -> None:
        try:
            self._put(JobOver(self._run(job, folder)))
        except BaseException as error:  # noqa: BLE001  a bug: the main thread ends the process, its state is safe
            self._put(WorkerDied(error))
