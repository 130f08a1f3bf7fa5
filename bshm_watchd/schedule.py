"""Which job is started next, and whether its photo fits into what may be in flight. Main thread only.

Folders are served by weight: who has had the fewest bytes for its weight comes first. What is in flight is bounded
by bytes; a folder that does not answer counts for nothing, so that it can't starve the others.
"""

from __future__ import annotations

from bshm_watchd.clock import Clock
from bshm_watchd.config import Limits
from bshm_watchd.folder_state import FolderState
from bshm_watchd.intake.intake import Offer
from bshm_watchd.jobs import CostOf, Job, Problem, State
from bshm_watchd.status import FolderMode
from bshm_watchd.threads import Workers

_MIB = 1 << 20


class Schedule:
    def __init__(
        self, folders: list[FolderState], workers: Workers, limits: Limits, cost_of: CostOf, clock: Clock
    ) -> None:
        self._folders = folders
        self._workers = workers
        self._limits = limits
        self._cost_of = cost_of
        self._clock = clock
        self._alone: str | None = None  # the suspect that has the process for itself
        self._open = True  # false once the daemon drains

    def start_jobs(self, lanes: int, now: float) -> None:
        """Start or claim until nothing more fits: at most `lanes` jobs, and at most the byte budget."""
        while self._open and self._alone is None:
            if (suspect := self._next_suspect()) is not None:
                if self._in_flight:
                    return
                self._alone = suspect[1].id
                self._start(*suspect)
            elif self._in_flight >= lanes or not self._start_next(now):
                return

    def claimed(self, folder: FolderState, job: Job) -> None:
        """A claim asked by `start_jobs` came back: work on it at once, its bytes are already counted."""
        folder.claiming_bytes = None
        if job.state is State.CLAIMED:
            folder.backlog.append(job)
            if self._open and self._alone is None and folder.mode is FolderMode.WATCHING:
                self._start(folder, job)

    def close(self) -> None:
        """Start nothing more."""
        self._open = False

    def ended(self, folder: FolderState, job_id: str) -> None:
        folder.running.pop(job_id, None)
        if self._alone == job_id:
            self._alone = None

    @property
    def in_flight_bytes(self) -> int:
        return sum(folder.in_flight_bytes for folder in self._answering)

    @property
    def _answering(self) -> list[FolderState]:
        return [folder for folder in self._folders if folder.mode is not FolderMode.UNREACHABLE]

    @property
    def _in_flight(self) -> int:
        return sum(folder.in_flight for folder in self._answering)

    def _next_suspect(self) -> tuple[FolderState, Job] | None:
        for folder in self._folders:
            for job in folder.ready_jobs(self._clock.wall()):
                if job.suspect:
                    return folder, job
        return None

    def _start_next(self, now: float) -> bool:
        folder = min(filter(self._has_work, self._folders), key=lambda one: one.served, default=None)
        if folder is None:
            return False
        ready = folder.ready_jobs(self._clock.wall())
        cost = ready[0].cost_bytes if ready else self._cost(folder, folder.offers[0])
        if not self._fits(folder, cost):
            return False
        folder.served = max(folder.served, self._least_served()) + cost / folder.settings.weight
        if ready:
            self._start(folder, ready[0])
        else:
            self._ask_claim(folder, folder.offers.popleft(), cost, now)
        return True

    def _has_work(self, folder: FolderState) -> bool:
        can_claim = folder.mode is FolderMode.WATCHING and bool(folder.offers) and folder.call is None
        return can_claim or bool(folder.ready_jobs(self._clock.wall()))

    def _least_served(self) -> float:
        """A folder that was idle for long does not get all of that time back at once."""
        busy = [folder.served for folder in self._answering if folder.in_flight]
        return min(busy, default=0.0)

    def _fits(self, folder: FolderState, cost_bytes: int) -> bool:
        budget = self._limits.in_flight_bytes
        cost = min(cost_bytes, budget)  # a larger one is only filed as too large, never decoded
        if self.in_flight_bytes == 0:
            return True
        others_wait = any(one is not folder and (one.offers or one.backlog) for one in self._answering)
        share = budget // 2 if others_wait else budget
        fits_share = folder.in_flight_bytes == 0 or folder.in_flight_bytes + cost <= share
        return self.in_flight_bytes + cost <= budget and fits_share

    def _ask_claim(self, folder: FolderState, offer: Offer, cost_bytes: int, now: float) -> None:
        too_large = self._too_large(offer, cost_bytes)
        counted = 0 if too_large or offer.rejection else cost_bytes
        folder.ask_claim(offer, counted, too_large, now)

    def _start(self, folder: FolderState, job: Job) -> None:
        folder.backlog = [other for other in folder.backlog if other.id != job.id]
        folder.running[job.id] = job.cost_bytes
        self._workers.start(job)

    def _cost(self, folder: FolderState, offer: Offer) -> int:
        kinds = tuple(output.kind for output in folder.settings.outputs)
        return self._cost_of(offer.height, offer.width, kinds) + offer.stamp.size

    def _too_large(self, offer: Offer, cost_bytes: int) -> Problem | None:
        if cost_bytes <= self._limits.in_flight_bytes:
            return None
        return Problem(
            "too_large",
            f"the photo ({offer.width} x {offer.height} pixels) needs {cost_bytes // _MIB} MiB of memory, "
            f"{self._limits.in_flight_mib} MiB are allowed",
            "make the photo smaller, or ask your administrator to raise limits.in_flight_mib",
        )
