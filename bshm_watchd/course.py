"""One job on its way through the pipeline: how a move of it is committed, released and finished."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from bshm_watchd import logs
from bshm_watchd.disk import claim, owner, record

if TYPE_CHECKING:
    from bshm_watchd.clock import Clock
    from bshm_watchd.disk.folder import HotFolder
    from bshm_watchd.errors import PhotoChanged
    from bshm_watchd.jobs import Job, State
    from bshm_watchd.journal import Journal
    from bshm_watchd.stages import Stage, Stopwatch


class Course:
    """One job on its way: the newest committed job, and how a move is committed. Belongs to one worker."""

    def __init__(
        self, folder: HotFolder, job: Job, journal: Journal, us: owner.Owner, clock: Clock, stopwatch: Stopwatch
    ) -> None:
        self.folder = folder
        self.job = job
        self._journal = journal
        self._us = us
        self._clock = clock
        self._stopwatch = stopwatch

    @property
    def fields(self) -> dict[str, Any]:
        return {"JOB_ID": self.job.id, "HOT_FOLDER": self.job.folder, "photo": self.job.relative}

    def timed(self, stage: Stage) -> AbstractContextManager[None]:
        return self._stopwatch.stage(self.job.id, stage)

    def move(self, state: State, **changes: Any) -> None:
        self.commit(self.job.moved(state, **changes))
        logs.moved(self.job)

    def commit(self, job: Job) -> None:
        """The record first: it is the truth; the index may lag behind it."""
        with owner.held(self.folder, self._us), self.folder.work(job.id) as work_fd:
            record.write(self.folder.disk, work_fd, job)
        self.job = job
        self._journal.record(job)

    def finish(self, state: State) -> None:
        """The index first, then the record goes, and with it the job; a directory that can't be removed is no job."""
        ended = self.job.moved(state, finished_wall=self._clock.wall())
        self._journal.record(ended)
        claim.drop_record(self.folder, ended)
        self.job = ended
        logs.moved(ended, **({"why": ended.problem.reason} if ended.problem else {}))
        claim.drop_work(self.folder, ended)

    def release(self, why: PhotoChanged) -> Job:
        with owner.held(self.folder, self._us):
            self.job = claim.release(self.folder, self.job)
        logs.moved(self.job, why=why)
        self._journal.forget(self.job.id)
        return self.job
