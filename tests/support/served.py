"""Folders and a schedule without disks or threads: claims answer when asked, jobs end when a test says so."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from bshm_watchd.config import Limits
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.disk.ops import Disk
from bshm_watchd.folder_calls import FolderCalls, Seen
from bshm_watchd.folder_state import FolderState
from bshm_watchd.intake.intake import Looked, Offer
from bshm_watchd.jobs import Job, Problem, Stamp, State
from bshm_watchd.rejecting import Rejected
from bshm_watchd.schedule import Schedule
from bshm_watchd.status import FolderMode
from tests.support.clock import FakeClock
from tests.support.trees import a_job, settings_of

MIB = 1 << 20


class WaitingHand:
    """Does nothing by itself; what was asked lies in `asked`."""

    def __init__(self) -> None:
        self.asked: deque[tuple[str, Callable[[], Any]]] = deque()

    def ask(self, call: str, work: Callable[[], Any]) -> None:
        self.asked.append((call, work))

    def end(self) -> None:
        pass


class ClaimingCalls:
    """Claims whatever is offered."""

    def __init__(self, name: str) -> None:
        self._settings = settings_of(Path("/srv") / name).model_copy(update={"name": name})
        self.folder = HotFolder(Disk(), self._settings, Path("/srv/state"))

    def claim(self, offer: Offer, cost_bytes: int, too_large: Problem | None) -> Job:
        directory, _, name = offer.relative.rpartition("/")
        job = a_job(self._settings, name, directory, cost_bytes=cost_bytes, problem=offer.rejection or too_large)
        return job.moved(State.CLAIMED)

    def reject(self, offers: Sequence[Offer]) -> Rejected:
        jobs = [a_job(self._settings, offer.relative, problem=offer.rejection) for offer in offers]
        return Rejected(ended=tuple(replace(job, state=State.REJECTED) for job in jobs))


def a_folder(name: str = "portraits", **options: Any) -> FolderState:
    settings = settings_of(Path("/srv") / name, **options).model_copy(update={"name": name})
    return FolderState(settings, cast("FolderCalls", ClaimingCalls(name)), WaitingHand(), mode=FolderMode.WATCHING)


def an_offer(name: str, mib: int, rejection: Problem | None = None) -> Offer:
    """A photo that costs so much."""
    return Offer(name, Stamp(1, 2, 0, 4, 5), 0.0, "png", width=mib, height=1, rejection=rejection)


def a_look(seconds: float = 0.0, offers: tuple[Offer, ...] = (), *, events: bool = True, **changes: Any) -> Seen:
    """What a look found: nothing, but for the changes."""
    nothing = Looked(
        next_due=None, scanned=False, waiting=0, ready=0, oldest_first_seen=None, left=0, other_files=0, unreadable=()
    )
    return Seen(replace(nothing, **changes), offers, seconds, events)


class Served:
    """`budget_mib` of memory for folders with weights; jobs run until `finish`."""

    def __init__(self, budget_mib: int = 100, **weights: float) -> None:
        self.clock = FakeClock()
        self.folders = {name: a_folder(name, weight=weight) for name, weight in weights.items()}
        limits = Limits(in_flight_mib=budget_mib)  # type: ignore[call-arg]
        self.schedule = Schedule(
            list(self.folders.values()), self, limits, lambda height, width, _: height * width * MIB, self.clock
        )
        self.running: list[Job] = []
        self.begun: list[str] = []  # every photo that was ever started, in order
        self.lots: list[list[str]] = []  # photos that were rejected together, in order
        self._serial = itertools.count()

    def start(self, job: Job, _: HotFolder) -> None:
        self.running.append(job)
        self.begun.append(job.name)

    def offer(self, folder: str, mib: int, *names: str) -> None:
        self.folders[folder].offers.extend(an_offer(name, mib) for name in names)

    def recover(self, folder: str, name: str, **changes: Any) -> Job:
        """A claimed job that waits to be run."""
        state = self.folders[folder]
        job = a_job(state.settings, name, state=State.CLAIMED, id=f"{next(self._serial):026d}", **changes)
        state.backlog.append(job)
        return job

    def go(self, lanes: int = 100) -> list[str]:
        """Start whatever may start, claims included; the names that run now."""
        while True:
            self.schedule.start_jobs(lanes, self.clock.monotonic())
            if not any(self._answer_claims(folder) for folder in self.folders.values()):
                return [job.name for job in self.running]

    def finish(self, *names: str) -> None:
        for job in [job for job in self.running if job.name in names]:
            self.running.remove(job)
            self.schedule.ended(self.folders[job.folder], job.id)

    def in_flight(self, folder: str) -> int:
        return len([job for job in self.running if job.folder == folder])

    @staticmethod
    def _asked(folder: FolderState) -> deque[tuple[str, Callable[[], Any]]]:
        return cast("WaitingHand", folder.hand).asked

    def _answer_claims(self, folder: FolderState) -> bool:
        asked = self._asked(folder)
        if not asked or asked[0][0] not in ("claim", "reject"):
            return False
        call, work = asked.popleft()
        folder.call = None
        if call == "claim":
            self.schedule.claimed(folder, work())
            return True
        rejected = work()
        folder.rejected(rejected, self.clock.monotonic())
        self.lots.append([job.name for job in rejected.ended])
        return True
