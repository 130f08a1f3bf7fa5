"""Files below drop/ by their path, and what an error on the way says about them."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from enum import Enum

from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.walk import named, open_below, parts


class Trouble(Enum):
    GONE = "gone"  # no file of that name any more, or something that is not to be followed
    BUSY = "busy"  # somebody has it to himself for now
    UNREADABLE = "unreadable"  # our rights don't reach it


_TROUBLES = {
    errno.ENOENT: Trouble.GONE,
    errno.ENOTDIR: Trouble.GONE,
    errno.ELOOP: Trouble.GONE,
    errno.ENAMETOOLONG: Trouble.GONE,
    errno.ENXIO: Trouble.GONE,  # a socket, or a fifo that just took its place
    errno.EAGAIN: Trouble.BUSY,  # another's lease
    errno.EBUSY: Trouble.BUSY,  # an SMB client's share mode
    errno.ETXTBSY: Trouble.BUSY,
    errno.EACCES: Trouble.UNREADABLE,
    errno.EPERM: Trouble.UNREADABLE,
}


def trouble(error: OSError) -> Trouble:
    """What an error says about the one file; raises it again when it says something about the place."""
    found = _TROUBLES.get(error.errno or 0)
    if found is None:
        raise error
    return found


def plain_path(hint: str | None) -> str:
    """A hinted path in its plain form; "" where it is none or leads out of drop/."""
    try:
        return "/".join(parts(hint or ""))
    except ValueError:
        return ""


class Below:
    """Looks at files below an open directory; keeps the directory of the last one open. No link is followed.

    All methods take paths relative to it and raise `OSError`.
    """

    def __init__(self, disk: Disk, top_fd: int) -> None:
        self._disk = disk
        self._top_fd = top_fd
        self._stack = contextlib.ExitStack()
        self._at: str | None = None
        self._fd = -1

    def close(self) -> None:
        self._at = None
        self._stack.close()

    def lstat(self, path: str) -> os.stat_result:
        directory, _, name = path.rpartition("/")
        dir_fd = self._directory(directory)
        with named(directory):
            return self._disk.lstat(dir_fd, name)

    def directory_status(self, path: str) -> os.stat_result:
        """Of the directory that `path` lies in."""
        return os.fstat(self._directory(path.rpartition("/")[0]))

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[int]:
        """A descriptor for reading, closed at the end; never waits for a fifo or a lease."""
        directory, _, name = path.rpartition("/")
        dir_fd = self._directory(directory)
        with named(directory):
            fd = self._disk.open_file(dir_fd, name)
        try:
            yield fd
        finally:
            os.close(fd)

    def _directory(self, relative: str) -> int:
        if self._at != relative:
            self.close()
            self._fd = self._stack.enter_context(open_below(self._disk, self._top_fd, relative))
            self._at = relative
        return self._fd
