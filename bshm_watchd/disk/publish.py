"""Publishing results: whole and with their final rights before they have a name, never over anything.

Roll-forward only. A result is first a temporary beside its target; once the job is committed as `publishing`, a
temporary that is missing *was* published, whatever stands at its name now, and one that is there is still to be.
"""

from __future__ import annotations

import contextlib
import hashlib
import os

from bshm_watchd.disk import permissions
from bshm_watchd.disk.durable import give_name
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.errors import PlaceUnavailable
from bshm_watchd.jobs import Job, Place, Result

Content = bytes | bytearray | memoryview


def temporary_name(job: Job, index: int) -> str:
    return f".bshm-{job.id}-{index}.part"


def write_temporary(folder: HotFolder, job: Job, index: int, kind: str, target: Place, content: Content) -> Result:
    """Write one output to its temporary, durable and with its final mode, group and ACL."""
    name = temporary_name(job, index)
    with folder.directory(target) as dir_fd:
        with contextlib.suppress(FileNotFoundError):
            folder.disk.unlink(dir_fd, name)
        try:
            _write(folder, target, dir_fd, name, content)
            folder.disk.fsync(dir_fd)  # its name too: once `publishing` is committed, a missing one counts as published
        except BaseException:
            # Never reused: after a failed fsync the kernel may call these pages clean that are not on the disk.
            with contextlib.suppress(OSError):
                folder.disk.unlink(dir_fd, name)
            raise
    return Result(kind, target, name, hashlib.sha256(content).hexdigest(), len(content))


def _write(folder: HotFolder, target: Place, dir_fd: int, name: str, content: Content) -> None:
    rule = folder.file_rule(target, dir_fd)
    fd = folder.disk.create(dir_fd, name, rule.create_mode)
    try:
        folder.disk.write(fd, content)
        mismatch = permissions.apply(folder.disk, fd, rule)
        if mismatch:
            folder.report_mismatch(mismatch)
        folder.disk.fsync(fd)
    finally:
        os.close(fd)


def publish(folder: HotFolder, result: Result) -> None:
    """Give a result its name. `FileExistsError` when somebody has it: nothing happened then. May be repeated."""
    with folder.directory(result.target) as dir_fd:
        if folder.disk.exists(dir_fd, result.temporary):
            give_name(folder.disk, dir_fd, result.temporary, result.target.name)
        folder.disk.fsync(dir_fd)


def is_free(folder: HotFolder, place: Place) -> bool:
    """Whether nothing stands at that name now; makes no directory. Only a hint: the rename decides."""
    try:
        with folder.existing(place) as dir_fd:
            return not folder.disk.exists(dir_fd, place.name)
    except FileNotFoundError:
        return True
    except NotADirectoryError as error:
        message = f"{place.path}: a file stands where a directory is needed; move it away"
        raise PlaceUnavailable("not_a_directory", message) from error


def discard_temporaries(folder: HotFolder, job: Job, targets: tuple[Place, ...]) -> None:
    """Remove what an attempt left that never reached `publishing`."""
    for index, target in enumerate(targets):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), folder.existing(target) as dir_fd:
            folder.disk.unlink(dir_fd, temporary_name(job, index))
