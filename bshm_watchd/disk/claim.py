"""Claiming: the rename is the claim. Whoever renames the photo into a work directory of his own has it.

Order, and why: the record first (a crash right after the rename must find it), then the rename, then both
directories to disk, then the record again. Losing the photo to its owner on the way is an ordinary answer.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from enum import Enum

from bshm_watchd import logs
from bshm_watchd.disk import record
from bshm_watchd.disk.durable import move_original
from bshm_watchd.disk.folder import DROP, WORK, HotFolder
from bshm_watchd.errors import PlaceUnavailable
from bshm_watchd.jobs import Job, Place, Stamp, State, numbered

_STILL_WRITTEN = (errno.EBUSY, errno.ETXTBSY)  # an SMB client has it open: this is the writer probe of such shares


class Obstacle(Enum):
    RIGHTS = "rights"
    STICKY = "sticky"
    MOUNT = "mount"


class TakingForbidden(PlaceUnavailable):
    """A photo can't be taken out of its subdirectory of drop/. Nothing was touched; other photos may well be."""

    def __init__(self, message: str, obstacle: Obstacle) -> None:
        super().__init__("no_permission", message)
        self.obstacle = obstacle


def original_name(job: Job) -> str:
    """The original's name in its work directory: its own, unless that is the record's."""
    return name_in_work(job.name)


def name_in_work(name: str) -> str:
    return f"{name}.original" if name == record.NAME else name


def claim(folder: HotFolder, job: Job, source: Place | None = None) -> Job:
    """Take a settled photo out of drop/ (or, for a requeue, out of the `source` where it was filed).

    Returns the job CLAIMED, GONE or RELEASED. `job.stamp` is what the photo was when it settled. Raises
    `TakingForbidden`, which leaves no trace; after any other exception the work directory says how far it came.
    """
    source = source or Place("", drop_directory(job), job.name)
    disk = folder.disk
    with folder.below(WORK) as all_work_fd:
        disk.mkdir(all_work_fd, job.id, 0o700)
        with folder.work(job.id) as work_fd:
            record.write(disk, work_fd, job)
            disk.fsync(all_work_fd)
            try:
                job = _take(folder, job, work_fd, source)
            except TakingForbidden:
                drop_work(folder, job)
                raise
    if job.state is not State.CLAIMED:
        drop_work(folder, job)
    return job


def _take(folder: HotFolder, job: Job, work_fd: int, source: Place) -> Job:
    disk = folder.disk
    try:
        with folder.below(source.directory) as from_fd:
            if not take_out(folder, job, from_fd, source.name, work_fd, original_name(job)):
                return job.moved(State.RELEASED)
            disk.fsync(work_fd)
            disk.fsync(from_fd)
    except OSError as error:
        return not_taken(folder, job, source, error)
    return confirm(folder, job, work_fd)


def take_out(folder: HotFolder, job: Job, from_fd: int, name: str, work_fd: int, new_name: str) -> bool:
    """The rename that is the claim, not durable yet; False where the photo is not what settled. Raises `OSError`."""
    # With its change time: whoever sets the modification time back after writing can't set that one.
    if not Stamp.of(folder.disk.lstat(from_fd, name)).same(job.stamp, stable_inodes=folder.stable_inodes):
        return False
    folder.disk.replace(from_fd, name, work_fd, new_name)
    return True


def not_taken(folder: HotFolder, job: Job, source: Place, error: OSError) -> Job:
    """What an error of that rename means: GONE or RELEASED. Raises `TakingForbidden`, or what holds the folder."""
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
        return job.moved(State.GONE)
    if error.errno in _STILL_WRITTEN:
        return job.moved(State.RELEASED)
    if error.errno in (errno.EACCES, errno.EPERM):
        raise _missing_right(folder, source) from error
    if error.errno == errno.EXDEV and _is_below_drop(source):
        message = f"{folder.settings.path}/{source.directory} lies on another file system than {WORK}/"
        raise TakingForbidden(message, Obstacle.MOUNT) from error
    raise error


def _missing_right(folder: HotFolder, source: Place) -> PlaceUnavailable:
    where = f"{folder.settings.path}/{source.directory}"
    sticky = _is_sticky(folder, source)
    if sticky:
        message = f"{where} has the sticky bit, so only a photo's owner may take it out: chmod -t it"
    else:
        message = f"{where}: photos can't be taken out of it; give the daemon's user write and search rights there"
    if _is_below_drop(source):
        return TakingForbidden(message, Obstacle.STICKY if sticky else Obstacle.RIGHTS)
    return PlaceUnavailable("no_permission", message)


def _is_below_drop(source: Place) -> bool:
    """drop/ itself has to do: trouble there is the whole folder's."""
    return source.directory.startswith(f"{DROP}/")


def _is_sticky(folder: HotFolder, source: Place) -> bool:
    try:
        with folder.below(source.directory) as fd:
            return bool(os.fstat(fd).st_mode & stat.S_ISVTX)
    except OSError:
        return False  # it can't be opened any more: that right is missing


def confirm(folder: HotFolder, job: Job, work_fd: int) -> Job:
    """After the rename: is what we hold what settled? Else it goes back to its name. The record says so then."""
    job = looked_at(folder, job, work_fd, original_name(job))
    if job.state is State.CLAIMED:
        record.write(folder.disk, work_fd, job)
    return job


def looked_at(folder: HotFolder, job: Job, work_fd: int, name: str) -> Job:
    """The job CLAIMED if what we hold by that name is what settled; else it is given back, and RELEASED."""
    status = folder.disk.lstat(work_fd, name)
    stamp = Stamp.of(status)
    if not stamp.same_content(job.stamp, stable_inodes=folder.stable_inodes) or status.st_nlink > 1:
        return put_back(folder, job, work_fd, name)
    return job.moved(State.CLAIMED, stamp=stamp)


def release(folder: HotFolder, job: Job) -> Job:
    """Give a claimed photo that changed back to its name in drop/ (or the next free one); its job ends."""
    with folder.work(job.id) as work_fd:
        job = put_back(folder, job, work_fd, original_name(job))
    drop_work(folder, job)
    return job


def put_back(folder: HotFolder, job: Job, work_fd: int, held_as: str) -> Job:
    disk = folder.disk
    with folder.directory(Place("", drop_directory(job), "")) as drop_fd:
        for number in itertools.count(1):
            try:
                name = numbered(job.name, number, folder.name_bytes)
                move_original(disk, work_fd, held_as, drop_fd, name)
                break
            except FileExistsError:
                continue
        disk.fsync(drop_fd)
        disk.fsync(work_fd)
    return job.moved(State.RELEASED)


def drop_work(folder: HotFolder, job: Job) -> None:
    """Remove the work directory of a job whose original has left it; `OSError` when it is still there.

    Never removes a file that is not ours: then the directory stays.
    """
    drop_record(folder, job)
    drop_emptied(folder, job.id, job.id)


def drop_emptied(folder: HotFolder, name: str, job_id: str) -> None:
    """Remove a directory of `.bshm/work/`, durably; one that is not empty stays, and that is told."""
    disk = folder.disk
    with folder.below(WORK) as all_work_fd:
        try:
            disk.rmdir(all_work_fd, name)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            logs.warning("a file that is not ours lies in the work directory: left", JOB_ID=job_id)
        disk.fsync(all_work_fd)


def drop_record(folder: HotFolder, job: Job) -> None:
    """Only the record, the last of it that goes: without it there is no job any more, just an empty directory."""
    disk = folder.disk
    with contextlib.suppress(FileNotFoundError), folder.work(job.id) as work_fd:
        if disk.exists(work_fd, original_name(job)):
            raise OSError(errno.ENOTEMPTY, "the original is still in it", f"{WORK}/{job.id}")
        for name in (f".{record.NAME}.tmp", record.NAME):
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                disk.unlink(work_fd, name)


def drop_directory(job: Job) -> str:
    return f"{DROP}/{job.relative_dir}" if job.relative_dir else DROP
