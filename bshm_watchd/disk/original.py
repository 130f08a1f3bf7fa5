"""Reading a claimed original once, whole, into memory: what is hashed is what is decoded."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bshm_watchd.disk.claim import original_name
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.disk.probe import Writer, probe_writer
from bshm_watchd.errors import PhotoChanged, PhotoWithheld
from bshm_watchd.jobs import Job, Stamp

_BLOCK_BYTES = 1 << 20
# What CIFS says after its connection was lost: Samba refuses a renamed file until it has forgotten the old connection.
_CONNECTION_LOST = (errno.EINVAL, errno.EBADF)
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


@dataclass(frozen=True, slots=True)
class Original:
    """An original's bytes in a memory file (`fd`, open while in use), and their hash."""

    fd: int
    size_bytes: int
    sha256: str


@contextlib.contextmanager
def read(folder: HotFolder, job: Job, probe: Callable[[int], Writer] = probe_writer) -> Iterator[Original]:
    """Raises `PhotoChanged` when the photo is not what was claimed, before or after the one read, or may still change;
    `PhotoWithheld` where its share does not give it.

    Our work directory is closed to others: once nobody has the photo open for writing, nobody can change it any more.
    """
    memory_fd = os.memfd_create("original", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with _connected(job), folder.work(job.id) as work_fd:
            fd = folder.disk.open_file(work_fd, original_name(job))
            try:
                sha256 = _copy_unchanged(folder, job, fd, memory_fd)
                if probe(fd) is Writer.BUSY:
                    raise PhotoChanged(f"{job.relative} is still open for writing")
            finally:
                os.close(fd)
        fcntl.fcntl(memory_fd, fcntl.F_ADD_SEALS, _SEALS)  # a decoder gets this descriptor: it may only read it
        yield Original(memory_fd, job.stamp.size, sha256)
    finally:
        os.close(memory_fd)


def expect_unchanged(folder: HotFolder, job: Job) -> None:
    """Raises `PhotoChanged` when what was read is no longer what is there: nothing may be made of it then.

    A share may tell only now of the change time that our own rename left.
    """
    with folder.work(job.id) as work_fd:
        found = Stamp.of(folder.disk.lstat(work_fd, original_name(job)))
    same = found.same_content if folder.network else found.same
    if not same(job.stamp, stable_inodes=folder.stable_inodes):
        raise PhotoChanged(f"{job.relative} changed after it was read")


@contextlib.contextmanager
def _connected(job: Job) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _CONNECTION_LOST:
            raise
        raise PhotoWithheld(f"the share does not give {job.relative}: {error.strerror}") from error


def _copy_unchanged(folder: HotFolder, job: Job, fd: int, memory_fd: int) -> str:
    digest = hashlib.sha256()
    _expect(folder, job, fd)
    for offset in range(0, job.stamp.size, _BLOCK_BYTES):
        block = folder.disk.read_at(fd, min(_BLOCK_BYTES, job.stamp.size - offset), offset)
        digest.update(block)
        os.write(memory_fd, block)
    _expect(folder, job, fd)
    if os.fstat(memory_fd).st_size != job.stamp.size:
        raise PhotoChanged(f"{job.relative} became shorter while it was read")
    return digest.hexdigest()


def _expect(folder: HotFolder, job: Job, fd: int) -> None:
    if not Stamp.of(os.fstat(fd)).same(job.stamp, stable_inodes=folder.stable_inodes):
        raise PhotoChanged(f"{job.relative} changed while it was being read")
