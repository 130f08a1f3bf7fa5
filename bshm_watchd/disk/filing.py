"""Filing an original where its owner will look for it, with a sidecar that says why when it was not done."""

from __future__ import annotations

import contextlib
import errno
import json

from bshm_watchd.disk.claim import original_name
from bshm_watchd.disk.durable import create_record, move_original, read_record
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.jobs import Job, Place

SIDECAR_SUFFIX = ".error.json"
# A name that is gone, no file, a socket, a file of somebody who keeps it to himself.
_NO_FILE_OF_OURS = (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EPERM)


def file_original(folder: HotFolder, job: Job, place: Place) -> None:
    """Move the original to its filed name, durably; `FileExistsError` when that is taken. It may have left before."""
    disk = folder.disk
    with contextlib.ExitStack() as stack:
        try:
            work_fd = stack.enter_context(folder.work(job.id))
        except FileNotFoundError:  # filed, and its work directory removed, by an earlier try
            return
        if disk.exists(work_fd, original_name(job)):
            with folder.directory(place) as dir_fd:
                move_original(disk, work_fd, original_name(job), dir_fd, place.name)
        with contextlib.suppress(FileNotFoundError), folder.existing(place) as dir_fd:
            disk.fsync(dir_fd)  # also where an earlier life moved it, and died before this: its record goes next
        disk.fsync(work_fd)


def delete_original(folder: HotFolder, job: Job) -> None:
    """Only ever called for a published job whose plan says so; the index keeps its hash."""
    with folder.work(job.id) as work_fd, contextlib.suppress(FileNotFoundError):
        folder.disk.unlink(work_fd, original_name(job))
        folder.disk.fsync(work_fd)


def write_sidecar(folder: HotFolder, job: Job, place: Place, content: bytes) -> None:
    """The sidecar of `place`. `FileExistsError` when a foreign one is there; our own of this job is enough."""
    name = place.name + SIDECAR_SUFFIX
    with folder.directory(place) as dir_fd:
        try:
            create_record(folder.disk, dir_fd, name, content, sidecar_temporary(job), folder.file_rule(place, dir_fd))
        except FileExistsError:
            if _written_by(folder, dir_fd, name) != job.id:
                raise


def remove_sidecar(folder: HotFolder, job_id: str, place: Place) -> None:
    """Remove the sidecar that this job wrote; anybody else's stays."""
    name = place.name + SIDECAR_SUFFIX
    with folder.directory(place) as dir_fd, contextlib.suppress(FileNotFoundError):
        if _written_by(folder, dir_fd, name) == job_id:
            folder.disk.unlink(dir_fd, name)
            folder.disk.fsync(dir_fd)


def _written_by(folder: HotFolder, dir_fd: int, name: str) -> str | None:
    """The job whose sidecar stands there; None for anything else, also what is no file or not for us to read."""
    try:
        return sidecar_job(read_record(folder.disk, dir_fd, name))
    except OSError as error:
        if error.errno in _NO_FILE_OF_OURS:
            return None
        raise


def sidecar_temporary(job: Job) -> str:
    return f".bshm-{job.id}-sidecar.part"


def sidecar_job(content: bytes) -> str | None:
    try:
        return str(json.loads(content)["job"])
    except (ValueError, KeyError, TypeError):
        return None
