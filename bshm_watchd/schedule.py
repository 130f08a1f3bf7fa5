"""Which job is started next, and whether its photo fits into what may be in flight. Main thread only.

Folders are served by weight: who has had the fewest bytes for its weight comes first. What is in flight is bounded
by bytes; while several folders wait, none gets more than its share of bytes and lanes, so that one whose photos stay
in flight for long can't starve the others. A folder that does not answer counts for nothing. Photos that clients
bring and wait for are served as one more folder would be, but take no lanes: there are never more than a few of them.
"""

from __future__ import annotations

import math

from bshm_watchd.clock import Clock
from bshm_watchd.config import Limits
from bshm_watchd.folder_state import FolderState
from bshm_watchd.intake.intake import Offer
from bshm_watchd.intake.rejections import too_much_memory
from bshm_watchd.jobs import CostOf, Job, Problem, State
from bshm_watchd.photo_queue import PhotoQueue
from bshm_watchd.status import FolderMode
from bshm_watchd.threads import Workers

_PHOTOS_WEIGHT = 1.0


class Schedule:
    def __init__(
        self, folders: list[FolderState], workers: Workers, limits: Limits, cost_of: CostOf, clock: Clock
    ) -> None:
        self._folders = folders
        self._workers = workers
        self._limits = limits
        self._cost_of = cost_of
        self._clock = clock
        self.photos = PhotoQueue()
        self._alone: str | None = None  # the suspect that has the process for itself
        self._open = True  # false once the daemon drains
        self._level = 0.0  # what the folder served last had been served before: nobody starts from below it

    def start_jobs(self, lanes: int, now: float, *, ready: bool = True) -> None:
        """Start, claim or begin until nothing more fits: at most `lanes` jobs, and at most the byte budget.

        A suspect waits until the program has said that it is ready: should it die of that photo again, a supervisor
        has seen a start that worked.
        """
        while self._open and not self._is_reserved:
            if (suspect := self._next_suspect()) is not None:
                if self._in_flight or self.photos.in_flight or not ready:
                    return
                self._alone = suspect[1].id
                self._start(*suspect)
            elif not self._start_next(lanes, now):
                return

    def claimed(self, folder: FolderState, job: Job) -> None:
        """A claim asked by `start_jobs` came back: work on it at once, its bytes are already counted."""
        folder.claiming_bytes = None
        if job.state is State.CLAIMED:
            folder.backlog.append(job)
            if self._open and not self._is_reserved and folder.works:
                self._start(folder, job)

    def serve(self, folders: list[FolderState]) -> None:
        """These from now on; a folder whose jobs still run must be among them."""
        self._folders = folders

    def close(self) -> None:
        """Start nothing more."""
        self._open = False
        self.photos.close()

    def ended(self, folder: FolderState, job_id: str) -> None:
        folder.running.pop(job_id, None)
        if self._alone == job_id:
            self._alone = None

    @property
    def _is_reserved(self) -> bool:
        """Whether a suspect has the process for itself; one that hangs in a dead share holds nobody up."""
        return any(self._alone in folder.running for folder in self._answering)

    @property
    def in_flight_bytes(self) -> int:
        return sum(folder.in_flight_bytes for folder in self._answering) + self.photos.in_flight_bytes

    @property
    def _answering(self) -> list[FolderState]:
        return [folder for folder in self._folders if folder.mode is not FolderMode.UNREACHABLE]

    @property
    def _in_flight(self) -> int:
        return sum(folder.in_flight for folder in self._answering)

    def _next_suspect(self) -> tuple[FolderState, Job] | None:
        for folder in self._folders:
            job = folder.next_job(self._clock.wall())
            if job is not None and job.suspect:
                return folder, job
        return None

    def _start_next(self, lanes: int, now: float) -> bool:
        """Start, claim or begin one photo of whoever has been served least; False when nothing more can be.

        A folder that has its share in flight is passed over; one whose photo waits for memory is not, else small
        photos of others would keep a large one waiting for ever.
        """
        lanes_are_full = self._in_flight >= lanes
        if lanes_are_full and not self.photos.waits:
            return False
        lines: list[_Line] = [*self._folders, self.photos]
        waiting = [line for line in lines if self._waits(line)]
        for line in sorted(waiting, key=lambda one: one.served):
            if lanes_are_full and line is not self.photos:
                continue
            cost = self._next_cost(line)
            if cost is None or (len(waiting) > 1 and not self._is_within_share(line, cost, lanes, waiting)):
                continue
            if not self._fits(cost):
                return False
            # A folder that was idle for long does not get all of that time back at once.
            self._level = max(line.served, self._level)
            line.served = self._level + cost / _weight(line)
            self._begin(line, cost, now)
            return True
        return False

    def _begin(self, line: _Line, cost_bytes: int, now: float) -> None:
        if isinstance(line, PhotoQueue):
            line.begin_next()
        elif (job := line.next_job(self._clock.wall())) is not None:
            self._start(line, job)
        elif (offer := line.next_offer()) is not None:
            if len(lot := line.lot_of(offer)) > 1:
                line.ask_reject(lot, now)
            else:
                self._ask_claim(line, offer, cost_bytes, now)

    def _waits(self, line: _Line) -> bool:
        """Whether it has photos that could be worked on, now or as soon as its thread is free."""
        if isinstance(line, PhotoQueue):
            return line.waits
        settled = line.seen is not None and line.seen.looked.ready > 0
        offers = line.works and (settled or bool(line.free_offers()))
        return offers or line.next_job(self._clock.wall()) is not None

    def _next_cost(self, line: _Line) -> int | None:
        """The cost of the photo that is its next; None where none can be begun now, however much memory is free."""
        if isinstance(line, PhotoQueue):
            return line.next_cost
        job, offer = line.next_job(self._clock.wall()), line.next_offer()
        return job.cost_bytes if job else self._cost(line, offer) if offer else None

    def _fits(self, cost_bytes: int) -> bool:
        budget = self._limits.in_flight_bytes
        # A larger one is only filed as too large, never decoded.
        return self.in_flight_bytes == 0 or self.in_flight_bytes + min(cost_bytes, budget) <= budget

    def _is_within_share(self, line: _Line, cost_bytes: int, lanes: int, waiting: list[_Line]) -> bool:
        """While others wait: half the budget (or one photo, however large), and its weight's part of the lanes."""
        budget = self._limits.in_flight_bytes
        fits_bytes = line.in_flight_bytes == 0 or line.in_flight_bytes + min(cost_bytes, budget) <= budget // 2
        share_of_lanes = math.ceil(lanes * _weight(line) / sum(map(_weight, waiting)))
        return fits_bytes and (isinstance(line, PhotoQueue) or line.in_flight < share_of_lanes)

    def _ask_claim(self, folder: FolderState, offer: Offer, cost_bytes: int, now: float) -> None:
        too_large = self._too_large(offer, cost_bytes)
        counted = 0 if too_large or offer.rejection else cost_bytes
        folder.ask_claim(offer, counted, too_large, now)

    def _start(self, folder: FolderState, job: Job) -> None:
        folder.backlog.drop(job.id)
        folder.running[job.id] = job
        self._workers.start(job, folder.calls.folder)

    def _cost(self, folder: FolderState, offer: Offer) -> int:
        return self._cost_of(offer.height, offer.width, folder.settings.outputs) + offer.stamp.size

    def _too_large(self, offer: Offer, cost_bytes: int) -> Problem | None:
        if cost_bytes <= self._limits.in_flight_bytes:
            return None
        return too_much_memory(offer.width, offer.height, cost_bytes, self._limits)


_Line = FolderState | PhotoQueue


def _weight(line: _Line) -> float:
    return _PHOTOS_WEIGHT if isinstance(line, PhotoQueue) else line.settings.weight
