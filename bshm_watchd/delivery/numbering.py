"""Which number a job's names take: the smallest whose names are all free, on the disk and among the jobs under way."""

from __future__ import annotations

import itertools
import threading

from bshm_watchd.delivery.names import Names, filed_place, names, sidecar_place
from bshm_watchd.disk import publish
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.jobs import Job, Place


class Numbering:
    """Shared by all workers. A name is spoken for from its choice until its job lets go of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _spoken_for; never held during a disk call
        self._spoken_for: dict[tuple[str, Place], str] = {}

    def choose(self, folder: HotFolder, job: Job, first: int) -> tuple[int, Names]:
        """A number, from `first` on, with the names of all results and of the original."""
        for number in itertools.count(first):
            chosen = names(job, number, folder.name_bytes)
            if self._take(folder, job, chosen.places):
                return number, chosen
        raise AssertionError("unreachable: numbers do not end")

    def choose_filed(self, folder: HotFolder, job: Job, first: int) -> tuple[int, Place]:
        """A number for the original and its sidecar, where there are no results."""
        for number in itertools.count(first):
            place = filed_place(job, number, folder.name_bytes)
            assert place is not None
            if self._take(folder, job, (place, sidecar_place(place))):
                return number, place
        raise AssertionError("unreachable: numbers do not end")

    def let_go(self, job_id: str) -> None:
        with self._lock:
            self._spoken_for = {name: job for name, job in self._spoken_for.items() if job != job_id}

    def _take(self, folder: HotFolder, job: Job, places: tuple[Place, ...]) -> bool:
        if not all(publish.is_free(folder, place) for place in places):
            return False
        wanted = {(job.folder, place) for place in places}
        with self._lock:
            if any(self._spoken_for.get(name, job.id) != job.id for name in wanted):
                return False
            self._spoken_for.update(dict.fromkeys(wanted, job.id))
            return True
