"""A folder's thread and the workers, without threads: what they are asked happens at once, or when a test says so."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.events import JobOver
from bshm_watchd.jobs import Job
from bshm_watchd.threads import Put, Run, answer


class InlineHand:
    def __init__(self, folder: str, put: Put) -> None:
        self._folder = folder
        self._put = put

    def ask(self, call: str, work: Callable[[], Any]) -> None:
        self._put(answer(self._folder, call, work))

    def end(self) -> None:
        pass


class HeldHand(InlineHand):
    """While it is `held`, nothing that it is asked comes back."""

    def __init__(self, folder: str, put: Put) -> None:
        super().__init__(folder, put)
        self.held = False
        self.ended = False
        self._asked: deque[tuple[str, Callable[[], Any]]] = deque()

    def ask(self, call: str, work: Callable[[], Any]) -> None:
        self._asked.append((call, work))
        if not self.held:
            self.go_on()

    def go_on(self) -> None:
        self.held = False
        while self._asked:
            super().ask(*self._asked.popleft())

    def end(self) -> None:
        self.ended = True


class InlineWorkers:
    def __init__(self, run: Run, put: Put) -> None:
        self._run = run
        self._put = put

    def start(self, job: Job, folder: HotFolder) -> None:
        self._put(JobOver(self._run(job, folder)))


class HeldWorkers(InlineWorkers):
    """Jobs start and stay under way until `finish`. While one is in its matte, another may be begun: `begin_next`."""

    def __init__(self, run: Run, put: Put) -> None:
        super().__init__(run, put)
        self.started: list[Job] = []
        self._folders: dict[str, HotFolder] = {}  # by job

    def start(self, job: Job, folder: HotFolder) -> None:
        self.started.append(job)
        self._folders[job.id] = folder

    def finish(self, job: Job) -> None:
        self.started.remove(job)
        super().start(job, self._folders.pop(job.id))

    def begin_next(self) -> None:
        """Run the next job that waits. Called from within a matte, so that several are under way at one time."""
        if self.started:
            self.finish(self.started[0])


Workers = type[InlineWorkers] | type[HeldWorkers]
