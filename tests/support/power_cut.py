"""A disk that forgets, at a power cut, what was never synced."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bshm_watchd.disk.ops import Disk

_Inode = tuple[int, int]


@dataclass
class _Pending:
    """A change that a power cut takes back by `undo(*fds)`, unless every inode it waits for is synced before."""

    waits_for: set[_Inode]
    undo: Callable[..., None]
    fds: list[int]

    def close(self) -> None:
        for fd in self.fds:
            os.close(fd)


class PowerCutDisk(Disk):
    """As forgetful as POSIX allows, but that a rename is one step.

    A file's bytes and mode last once it was synced; a name lasts once its directory was, whatever was done to the
    file; a rename once both its directories were. `cut` takes everything else back, the newest first. What a change
    removes waits in `attic` (a directory on the same file system) until then.
    """

    def __init__(self, attic: Path) -> None:
        attic.mkdir(parents=True, exist_ok=True)
        self._attic = os.open(attic, os.O_RDONLY | os.O_DIRECTORY)
        self._numbers = itertools.count()
        self._pending: list[_Pending] = []

    def cut(self, survivors: int = 0) -> int:
        """The power fails; returns how many changes were lost. The oldest ones may have survived all the same.

        Nothing may be done with this disk after it.
        """
        lost = self._pending[survivors:]
        for pending in reversed(lost):
            pending.undo(*pending.fds)
        for pending in self._pending:
            pending.close()
        self._pending.clear()
        os.close(self._attic)
        return len(lost)

    # -- names -----------------------------------------------------------------------------------------

    def mkdir(self, dir_fd: int, name: str, mode: int) -> None:
        super().mkdir(dir_fd, name, mode)
        self._pend(lambda kept: self._never_was(kept, name), dir_fd)

    def create(self, dir_fd: int, name: str, mode: int) -> int:
        fd = super().create(dir_fd, name, mode)
        self._pend(lambda kept: self._never_was(kept, name), dir_fd)
        return fd

    def link(self, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
        super().link(from_fd, name, to_fd, new_name)
        self._pend(lambda kept: self._never_was(kept, new_name), to_fd)

    def unlink(self, dir_fd: int, name: str) -> None:
        if stat.S_ISDIR(os.lstat(name, dir_fd=dir_fd).st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        self._take_away(dir_fd, name)

    def rmdir(self, dir_fd: int, name: str) -> None:
        if os.listdir(f"/proc/self/fd/{dir_fd}/{name}"):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), name)
        self._take_away(dir_fd, name)

    def rename(self, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
        super().rename(from_fd, name, to_fd, new_name)
        self._renamed(from_fd, name, to_fd, new_name)

    def replace(self, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._take_away(to_fd, new_name)
        super().replace(from_fd, name, to_fd, new_name)
        self._renamed(from_fd, name, to_fd, new_name)

    # -- bytes and modes -------------------------------------------------------------------------------

    def write(self, fd: int, content: bytes | memoryview) -> None:
        self._pend(lambda kept: os.ftruncate(kept, 0), fd)
        super().write(fd, content)

    def chmod(self, fd: int, mode: int) -> None:
        before = stat.S_IMODE(os.fstat(fd).st_mode)
        super().chmod(fd, mode)
        self._pend(lambda kept: os.fchmod(kept, before), fd)

    def fsync(self, fd: int) -> None:
        super().fsync(fd)
        for pending in self._pending:
            pending.waits_for.discard(_inode(fd))
            if not pending.waits_for:
                pending.close()
        self._pending = [pending for pending in self._pending if pending.waits_for]

    # -- within ----------------------------------------------------------------------------------------

    def _pend(self, undo: Callable[..., None], *fds: int) -> None:
        self._pending.append(_Pending({_inode(fd) for fd in fds}, undo, [os.dup(fd) for fd in fds]))

    def _never_was(self, dir_fd: int, name: str) -> None:
        """A name that never reached the disk is gone, with all that lies below it."""
        with contextlib.suppress(FileNotFoundError):
            os.rename(name, self._in_attic(), src_dir_fd=dir_fd, dst_dir_fd=self._attic)

    def _take_away(self, dir_fd: int, name: str) -> None:
        """Moved, not removed, so that it can come back as the same inode."""
        there = self._in_attic()
        os.rename(name, there, src_dir_fd=dir_fd, dst_dir_fd=self._attic)
        self._pend(lambda kept: os.rename(there, name, src_dir_fd=self._attic, dst_dir_fd=kept), dir_fd)

    def _renamed(self, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
        def undo(*kept: int) -> None:
            with contextlib.suppress(FileNotFoundError):
                os.rename(new_name, name, src_dir_fd=kept[-1], dst_dir_fd=kept[0])

        self._pend(undo, *([from_fd, to_fd] if _inode(from_fd) != _inode(to_fd) else [from_fd]))

    def _in_attic(self) -> str:
        return str(next(self._numbers))


def _inode(fd: int) -> _Inode:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino
