"""Claimed jobs of one folder that wait to be run (again). Pure.

Somebody may requeue all of a day at once: whoever asks for the next one looks at few of them.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import overload

from bshm_watchd import retry
from bshm_watchd.jobs import Job


class Backlog(Sequence[Job]):
    """Belongs to the main thread. In the order of ids, and so of claims; a job is in it once."""

    def __init__(self, jobs: Iterable[Job] = ()) -> None:
        self._ids: list[str] = []
        self._jobs: dict[str, Job] = {}
        self._names: Counter[str] = Counter()
        self._suspects = 0
        self._retries: dict[str, float] = {}  # wall time, of those that are not for at once
        self.extend(jobs)

    def __repr__(self) -> str:
        return f"<Backlog {len(self)}, suspects {self._suspects}, for later {len(self._retries)}>"

    @overload
    def __getitem__(self, index: int) -> Job: ...
    @overload
    def __getitem__(self, index: slice) -> list[Job]: ...
    def __getitem__(self, index: int | slice) -> Job | list[Job]:
        if isinstance(index, slice):
            return [self._jobs[job_id] for job_id in self._ids[index]]
        return self._jobs[self._ids[index]]

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[Job]:
        return map(self._jobs.__getitem__, self._ids)

    def append(self, job: Job) -> None:
        """The same job again replaces what it was."""
        self.drop(job.id)
        bisect.insort(self._ids, job.id)
        self._jobs[job.id] = job
        self._names[job.relative] += 1
        self._suspects += job.suspect
        if job.retry_wall > 0:
            self._retries[job.id] = job.retry_wall

    def extend(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self.append(job)

    def drop(self, job_id: str) -> None:
        """If it is there."""
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        del self._ids[bisect.bisect_left(self._ids, job_id)]
        self._names[job.relative] -= 1
        if not self._names[job.relative]:
            del self._names[job.relative]
        self._suspects -= job.suspect
        self._retries.pop(job_id, None)

    def clear(self) -> None:
        for job_id in [*self._ids]:
            self.drop(job_id)

    def has_name(self, relative: str) -> bool:
        return relative in self._names

    def retries_after(self, wall: float) -> list[float]:
        """When jobs that have to wait may be tried again."""
        return [retry_wall for retry_wall in self._retries.values() if retry_wall > wall]

    def next(self, running: Mapping[str, Job], wall: float) -> Job | None:
        """The oldest that may be run now beside these: suspects first, and never before an earlier one of its name."""
        first = {job.relative: job.id for job in sorted(running.values(), key=lambda job: job.id, reverse=True)}
        suspects, found = self._suspects, None
        for job in self:
            suspects -= job.suspect
            first[job.relative] = min(job.id, first.get(job.relative, job.id))
            if first[job.relative] == job.id and retry.is_due(job.retry_wall, wall):
                if job.suspect:
                    return job
                found = found or job
            if found is not None and not suspects:
                return found
        return found
