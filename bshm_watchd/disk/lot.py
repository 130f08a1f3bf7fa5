"""A lot: photos of one directory of drop/ that intake found at fault, claimed together and filed together.

It lies in `.bshm/work/<id>.lot/`, each photo under its own name; one record of all of them, `<id>.lot.json`, lies
beside it. That is written twice: before the first photo is taken, as `claiming` (what lies in the lot may have to go
back), and once all are held, as `claimed`, with the names they are to have (what is not in the lot any more has got its
name). If it ends in between, `unpack` makes an ordinary job of each photo, in a work directory of its own.
"""

from __future__ import annotations

import contextlib
import errno
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bshm_watchd import logs
from bshm_watchd.disk import record
from bshm_watchd.disk.claim import (
    Obstacle,
    TakingForbidden,
    drop_directory,
    drop_emptied,
    looked_at,
    name_in_work,
    not_taken,
    take_out,
)
from bshm_watchd.disk.durable import create_whole, move_original, read_record, write_record
from bshm_watchd.disk.filing import SIDECAR_SUFFIX, sidecar_temporary
from bshm_watchd.disk.folder import WORK, HotFolder
from bshm_watchd.jobs import Job, Place, State, is_id, new_id

_SUFFIX = ".lot"
_RECORD_SUFFIX = ".lot.json"
_LONGEST_RECORD_BYTES = 1 << 26


@dataclass(frozen=True, slots=True)
class Claimed:
    """What became of a lot's photos: held, lost (GONE or RELEASED), or kept in drop/ by rights that are missing."""

    held: tuple[Job, ...]
    lost: tuple[Job, ...]
    kept: tuple[tuple[Job, Obstacle], ...]


def claim(folder: HotFolder, lot_id: str, jobs: Sequence[Job]) -> Claimed:
    """Take these photos of one directory out of drop/, durably. After an exception the lot says how far it came."""
    disk, name = folder.disk, lot_id + _SUFFIX
    with folder.below(WORK) as all_work_fd:
        disk.mkdir(all_work_fd, name, 0o700)
        _write(folder, all_work_fd, lot_id, jobs)
    with folder.work(name) as lot_fd:
        taken = _take_all(folder, jobs, lot_fd)
        looked = [looked_at(folder, job, lot_fd, job.name) for job, end in taken if end is None]
    held = tuple(job for job in looked if job.state is State.CLAIMED)
    _must_hold(folder, lot_id, held)
    lost = [end for _, end in taken if isinstance(end, Job)]
    return Claimed(
        held,
        (*lost, *(job for job in looked if job.state is not State.CLAIMED)),
        tuple((job, end.obstacle) for job, end in taken if isinstance(end, TakingForbidden)),
    )


def commit(folder: HotFolder, lot_id: str, jobs: Sequence[Job]) -> None:
    """All that are held, each with the name it is to have. From here on no photo of the lot goes back."""
    with folder.below(WORK) as all_work_fd:
        _write(folder, all_work_fd, lot_id, jobs)


def file(folder: HotFolder, lot_id: str, jobs: Sequence[Job], place: Place, notes: Sequence[bytes]) -> None:
    """Give each photo its name in the directory of `place`, with its note as sidecar, which is durable before it.

    `FileExistsError` when somebody else has got a name meanwhile: some may be filed then, none is lost.
    """
    disk = folder.disk
    with folder.work(lot_id + _SUFFIX) as lot_fd, folder.directory(place) as dir_fd:
        rule = folder.file_rule(place, dir_fd)
        for job, note in zip(jobs, notes, strict=True):
            sidecar = _filed_name(job) + SIDECAR_SUFFIX
            create_whole(disk, dir_fd, sidecar, note, sidecar_temporary(job), rule)
        disk.fsync(dir_fd)
        for job in jobs:
            move_original(disk, lot_fd, job.name, dir_fd, _filed_name(job))
        disk.fsync(dir_fd)
        disk.fsync(lot_fd)


def drop_record(folder: HotFolder, lot_id: str) -> None:
    """Without its record a lot is no lot any more. `OSError` while a photo lies in it."""
    _must_hold(folder, lot_id, ())
    with folder.below(WORK) as all_work_fd:
        for name in (f".{lot_id}{_RECORD_SUFFIX}.tmp", lot_id + _RECORD_SUFFIX):
            with contextlib.suppress(FileNotFoundError):
                folder.disk.unlink(all_work_fd, name)


def drop_lot(folder: HotFolder, lot_id: str) -> None:
    """Remove the directory of a lot whose record is gone."""
    drop_emptied(folder, lot_id + _SUFFIX, lot_id)


def unpack_all(folder: HotFolder, wall: float) -> None:
    """What an earlier life left of lots: each of their photos gets a work directory of its own. May be repeated."""
    with folder.below(WORK) as all_work_fd:
        names = [entry.name for entry in folder.disk.entries(all_work_fd)]
    ids = {name.removeprefix(".").partition(".")[0] for name in names if _SUFFIX in name}
    for lot_id in sorted(filter(is_id, ids)):
        with folder.below(WORK) as all_work_fd, contextlib.suppress(FileExistsError):
            folder.disk.mkdir(all_work_fd, lot_id + _SUFFIX, 0o700)
        unpack(folder, lot_id, _read(folder, lot_id), wall)


def unpack(folder: HotFolder, lot_id: str, jobs: Sequence[Job], wall: float) -> list[Job]:
    """Make each photo of a lot an ordinary job, then drop the lot. Returns those that have a record now.

    `wall`: now, for the ids of photos that no record knows; they get a work directory without one.
    """
    disk, there = folder.disk, _photos_in(folder, lot_id)
    standing = [job for job in (_as_it_stands(job, there) for job in jobs) if job is not None]
    moves = {job.name: (job.id, name_in_work(job.name)) for job in standing if job.name in there}
    moves |= {name: (new_id(wall), name_in_work(name)) for name in sorted(there - moves.keys())}
    with folder.below(WORK) as all_work_fd:
        for job in standing:
            _make_work(folder, all_work_fd, job)
        for name in sorted(there - {job.name for job in standing}):
            disk.mkdir(all_work_fd, moves[name][0], 0o700)
        disk.fsync(all_work_fd)  # else a power cut could leave a photo in a directory that has no name
    _move_each(folder, lot_id, moves)
    drop_record(folder, lot_id)
    drop_lot(folder, lot_id)
    return standing


def _take_all(
    folder: HotFolder, jobs: Sequence[Job], lot_fd: int
) -> list[tuple[Job, Job | TakingForbidden | None]]:  # fmt: skip
    """Each job with what it came to instead, None where its photo lies in the lot now."""
    with contextlib.ExitStack() as stack:
        try:
            from_fd = stack.enter_context(folder.below(drop_directory(jobs[0])))
        except OSError as error:
            return [(job, _refused(folder, job, error)) for job in jobs]
        taken = [(job, _take(folder, job, from_fd, lot_fd)) for job in jobs]
        folder.disk.fsync(lot_fd)
        folder.disk.fsync(from_fd)
        return taken


def _take(folder: HotFolder, job: Job, from_fd: int, lot_fd: int) -> Job | TakingForbidden | None:
    try:
        return None if take_out(folder, job, from_fd, job.name, lot_fd, job.name) else job.moved(State.RELEASED)
    except OSError as error:
        return _refused(folder, job, error)


def _refused(folder: HotFolder, job: Job, error: OSError) -> Job | TakingForbidden:
    try:
        return not_taken(folder, job, Place("", drop_directory(job), job.name), error)
    except TakingForbidden as forbidden:
        return forbidden


def _filed_name(job: Job) -> str:
    assert job.filed_as is not None
    return job.filed_as.name


def _photos_in(folder: HotFolder, lot_id: str) -> set[str]:
    try:
        with folder.work(lot_id + _SUFFIX) as lot_fd:
            return {entry.name for entry in folder.disk.entries(lot_fd) if entry.is_file(follow_symlinks=False)}
    except FileNotFoundError:
        return set()


def _must_hold(folder: HotFolder, lot_id: str, jobs: Sequence[Job]) -> None:
    """Nothing but these: a server that is asked again, because its answer got lost, calls gone what it has moved."""
    if _photos_in(folder, lot_id) - {job.name for job in jobs}:
        raise OSError(errno.ENOTEMPTY, "another original is in it", f"{WORK}/{lot_id}{_SUFFIX}")


def _as_it_stands(job: Job, there: set[str]) -> Job | None:
    """Of a photo that no longer lies in its lot: once all were held, it was filed; before, it was never taken."""
    if job.name in there or job.state is State.REJECTING:
        return job
    return job.moved(State.REJECTING) if job.state is State.CLAIMED else None


def _make_work(folder: HotFolder, all_work_fd: int, job: Job) -> None:
    """One that is there already was made by a life that ended while it unpacked this lot."""
    with contextlib.suppress(FileExistsError):
        folder.disk.mkdir(all_work_fd, job.id, 0o700)
    with folder.work(job.id) as work_fd:
        if not folder.disk.exists(work_fd, record.NAME):
            record.write(folder.disk, work_fd, job)


def _move_each(folder: HotFolder, lot_id: str, moves: dict[str, tuple[str, str]]) -> None:
    disk = folder.disk
    with folder.work(lot_id + _SUFFIX) as lot_fd:
        for name, (job_id, new_name) in moves.items():
            with folder.work(job_id) as work_fd:
                disk.replace(lot_fd, name, work_fd, new_name)
                disk.fsync(work_fd)
        disk.fsync(lot_fd)


def _write(folder: HotFolder, all_work_fd: int, lot_id: str, jobs: Sequence[Job]) -> None:
    write_record(folder.disk, all_work_fd, lot_id + _RECORD_SUFFIX, encode(jobs))


def _read(folder: HotFolder, lot_id: str) -> tuple[Job, ...]:
    """The jobs of a lot; none where its record is missing or damaged: then its photos are all that is known."""
    try:
        with folder.below(WORK) as all_work_fd:
            return decode(read_record(folder.disk, all_work_fd, lot_id + _RECORD_SUFFIX, _LONGEST_RECORD_BYTES))
    except FileNotFoundError:
        return ()
    except record.TornRecord as error:
        logs.warning("the record of a lot is damaged", JOB_ID=lot_id, why=error)
        return ()


def encode(jobs: Sequence[Job]) -> bytes:
    """What all jobs have in common stands there once."""
    each = [record.fields_of(job) for job in jobs]
    common = {name: value for name, value in each[0].items() if all(fields[name] == value for fields in each)}
    own = [{name: value for name, value in fields.items() if name not in common} for fields in each]
    return json.dumps({"version": record.VERSION, "common": common, "jobs": own}).encode("ascii")


def decode(content: bytes) -> tuple[Job, ...]:
    """Raises `TornRecord`."""
    with record.torn():
        raw: dict[str, Any] = json.loads(content)
        if raw["version"] != record.VERSION:
            raise record.TornRecord("unknown version")
        return tuple(record.job_of({**raw["common"], **own}) for own in raw["jobs"])
