"""Rejecting many at once what intake found at fault, top to bottom: claim, choose names, file, remember.

As safe as doing it one by one, with the same moves, log lines and rows; only the waiting for the disk is shared. Where
a name is taken meanwhile, each photo goes on by itself, as any other job.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bshm_watchd import logs
from bshm_watchd.clock import Clock
from bshm_watchd.delivery import sidecar
from bshm_watchd.delivery.names import filed_place, sidecar_place
from bshm_watchd.disk import lot
from bshm_watchd.disk.claim import Obstacle
from bshm_watchd.disk.folder import LONGEST_NAME_BYTES, HotFolder
from bshm_watchd.errors import PlaceUnavailable, place_error
from bshm_watchd.jobs import Job, Place, State
from bshm_watchd.journal import Journal


@dataclass(frozen=True, slots=True)
class Rejected:
    """What became of a lot. `trouble`: all is well with its photos, only its empty directory could not be removed."""

    ended: tuple[Job, ...] = ()
    unfinished: tuple[Job, ...] = ()  # they go on one by one
    lost: tuple[Job, ...] = ()  # GONE or RELEASED
    kept: tuple[tuple[Job, Obstacle], ...] = ()  # rights are missing to take them
    trouble: PlaceUnavailable | None = None


def reject(folder: HotFolder, jobs: Sequence[Job], journal: Journal, clock: Clock) -> Rejected:
    """Claim and file photos of one directory, each with the problem that its job has. Whoever asks owns the folder.

    Raises `OSError` and `PlaceUnavailable`: the lot's record says how far it came, and recovery goes on from there.
    """
    lot_id = jobs[0].id
    claimed = lot.claim(folder, lot_id, jobs)
    if not claimed.held:
        lot.drop_record(folder, lot_id)
        return Rejected(lost=claimed.lost, kept=claimed.kept, trouble=_cleared(folder, lot_id))
    held = _with_names(folder, claimed.held)
    lot.commit(folder, lot_id, held)
    rejecting = [job.moved(State.REJECTING) for job in held]
    _tell(held)
    _tell(rejecting)
    try:
        notes = [sidecar.content(job, clock.wall()) for job in rejecting]
        lot.file(folder, lot_id, rejecting, _directory(rejecting[0]), notes)
    except FileExistsError:
        unfinished = lot.unpack(folder, lot_id, rejecting, clock.wall())
        journal.record_all(unfinished)
        return Rejected(unfinished=tuple(unfinished), lost=claimed.lost, kept=claimed.kept)
    ended = tuple(job.moved(State.REJECTED, finished_wall=clock.wall()) for job in rejecting)
    journal.record_all(ended)  # before the record goes: see `Course.finish`
    lot.drop_record(folder, lot_id)
    _tell(ended)
    return Rejected(ended, lost=claimed.lost, kept=claimed.kept, trouble=_cleared(folder, lot_id))


def _with_names(folder: HotFolder, jobs: Sequence[Job]) -> list[Job]:
    """Each with the smallest number of which its name and its sidecar's are free. Only a hint: the rename decides."""
    spoken_for: set[str] = set()
    named = []
    with folder.directory(_directory(jobs[0])) as dir_fd:
        for job in jobs:
            for number in itertools.count(1):
                place = _place(job, number, folder.name_bytes)
                wanted = {place.name, sidecar_place(place).name}
                if not wanted & spoken_for and not any(folder.disk.exists(dir_fd, name) for name in wanted):
                    break
            spoken_for |= wanted
            named.append(replace(job, number=number, filed_as=place))
    return named


def _directory(job: Job) -> Place:
    return replace(_place(job, 1), name="")


def _place(job: Job, number: int, name_bytes: int = LONGEST_NAME_BYTES) -> Place:
    rejecting = job if job.state is State.REJECTING else job.moved(State.REJECTING)
    place = filed_place(rejecting, number, name_bytes)
    assert place is not None
    return place


def _tell(jobs: Iterable[Job]) -> None:
    for job in jobs:
        logs.moved(job, **({"why": job.problem.reason} if job.problem and job.state is State.REJECTED else {}))


def _cleared(folder: HotFolder, lot_id: str) -> PlaceUnavailable | None:
    try:
        lot.drop_lot(folder, lot_id)
    except OSError as error:
        return place_error(error) or PlaceUnavailable("unexpected", str(error))
    except PlaceUnavailable as error:
        return error
    return None
