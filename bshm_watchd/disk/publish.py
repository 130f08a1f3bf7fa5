"""Publishing results: whole and with their final rights before they have a name, never over anything.

Roll-forward only. A result is first a temporary beside its target; once the job is committed as `publishing`, a
temporary that is missing *was* published, whatever stands at its name now, and one that is there is still to be.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re

from bshm_watchd import logs
from bshm_watchd.disk import permissions
from bshm_watchd.disk.durable import create_anew, give_name
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.disk.ops import Disk
from bshm_watchd.errors import PlaceUnavailable, RejectedPhoto
from bshm_watchd.jobs import Job, Place, Result

Content = bytes | bytearray | memoryview
# Refused by some file systems: what Windows reserves, bytes that are no UTF-8, characters of more than 16 bits.
_ODD = re.compile('[\x01-\x1f"*:<>?\\\\|\x7f\udc80-\udcff\U00010000-\U0010ffff]')
_MOST_ODD = 40  # of at most four bytes each: they fit into a name
_NAME_REFUSED = (errno.EINVAL, errno.EILSEQ)


def temporary_name(job: Job, index: int) -> str:
    """Of the process that runs the job: two that run it, one after the other, never meet in a file.

    It bears what is odd in the photo's name: a place that refuses that says so before anything is committed, and not
    when the result, which can't be taken back any more, is to get its name.
    """
    odd = "".join(sorted(set(_ODD.findall(job.name)))[:_MOST_ODD])
    return f".bshm-{job.id}-{job.ran_in}-{index}{odd}.part"


def write_temporary(folder: HotFolder, job: Job, index: int, kind: str, target: Place, content: Content) -> Result:
    """Write one output to its temporary, durable and with its final mode, group and ACL.

    Raises `RejectedPhoto` where the place takes no file of that name.
    """
    name = temporary_name(job, index)
    with folder.directory(target, for_results=True) as dir_fd:
        try:
            inode = _write(folder, target, dir_fd, name, content)
            folder.disk.fsync(dir_fd)  # its name too: once `publishing` is committed, a missing one counts as published
        except BaseException:
            # Never reused: after a failed fsync the kernel may call these pages clean that are not on the disk.
            with contextlib.suppress(OSError):
                folder.disk.unlink(dir_fd, name)
            raise
    return Result(kind, target, name, hashlib.sha256(content).hexdigest(), len(content), inode)


def _write(folder: HotFolder, target: Place, dir_fd: int, name: str, content: Content) -> int:
    """Returns the inode; 0 where that may be another number by the time that the result is published."""
    rule = folder.file_rule(target, dir_fd)
    fd = _create(folder.disk, target, dir_fd, name, rule.born)
    try:
        folder.disk.write(fd, content)
        mismatch = permissions.apply(folder.disk, fd, rule)
        if mismatch:
            folder.report_mismatch("result", mismatch)
        folder.disk.fsync(fd)
        lasting = folder.lasting_inodes and not target.root  # another root may lie on anything
        return os.fstat(fd).st_ino if lasting else 0
    finally:
        os.close(fd)


def _create(disk: Disk, target: Place, dir_fd: int, name: str, mode: int) -> int:
    try:
        return create_anew(disk, dir_fd, name, mode)
    except OSError as error:
        if not _is_refusal(error, name):
            raise
        where = f"the place of its results takes no file named {logs.shown(target.name)}"
        what_to_do = f"rename the photo without any of {logs.shown(''.join(_ODD.findall(name)))} and drop it again"
        raise RejectedPhoto("name_refused", f"{where}: {error.strerror}", what_to_do) from error


def _is_refusal(error: OSError, name: str) -> bool:
    """Whether the place takes no such name; of a plain one these errors say something else."""
    return error.errno in _NAME_REFUSED and _ODD.search(name) is not None


def publish(folder: HotFolder, result: Result) -> None:
    """Give a result its name. `FileExistsError` when somebody has it: nothing happened then. May be repeated.

    Another file in the temporary's place is none of ours and stays where it is: whoever put it there took the result
    away, as he may take away a published one.
    """
    disk, name = folder.disk, result.target.name
    with folder.directory(result.target) as dir_fd:
        if _is_ours(disk, dir_fd, result.temporary, result):
            give_name(disk, dir_fd, result.temporary, name)
            _is_ours(disk, dir_fd, name, result)  # said in the log: no check before a rename closes every gap
        disk.fsync(dir_fd)


def _is_ours(disk: Disk, dir_fd: int, name: str, result: Result) -> bool:
    """Whether the file that was written as this result stands at a name; another one there is told of."""
    try:
        inode = disk.lstat(dir_fd, name).st_ino
    except FileNotFoundError:
        return False
    if result.inode not in (0, inode):
        logs.warning("somebody put another file in a result's place", name=name, result=result.target.path)
        return False
    return True


def results_at(job: Job, paths: tuple[str, ...]) -> tuple[Result, ...] | None:
    """The results of a job whose record was lost, by the paths they were to have; None where its plan has others."""
    if len(paths) != len(job.plan.outputs):
        return None
    results = []
    for index, (path, root) in enumerate(zip(paths, job.plan.output_roots, strict=True)):
        directory, _, name = path.removeprefix(f"{root}/" if root else "").rpartition("/")
        if directory.startswith("/"):
            return None
        results.append(
            Result(job.plan.outputs[index].kind, Place(root, directory, name), temporary_name(job, index), "", 0)
        )
    return tuple(results)


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
    except OSError as error:
        if not _is_refusal(error, place.name):
            raise
        return True  # that no file may have it is said when its temporary is written


def discard_temporaries(folder: HotFolder, job: Job, targets: tuple[Place, ...]) -> None:
    """Remove what an attempt left that never reached `publishing`."""
    for index, target in enumerate(targets):
        name = temporary_name(job, index)
        try:
            with folder.existing(target) as dir_fd:
                folder.disk.unlink(dir_fd, name)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR) and not _is_refusal(error, name):
                raise
