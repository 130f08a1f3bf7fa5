"""Walking a tree without following a symlink in any component, also while somebody swaps directories.

Every step is `openat(O_NOFOLLOW | O_DIRECTORY)` from the directory before it, so a link planted at any time is an
error (ELOOP or ENOTDIR), never a way out of the root. One way for every kernel and container: see decisions.md.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator

from bshm_watchd.disk.ops import Disk


def parts(relative: str) -> tuple[str, ...]:
    """Split a relative path; `""` is the root itself. Refuses what could leave the root."""
    names = tuple(name for name in relative.split("/") if name)
    if ".." in names or "." in names or relative.startswith("/"):
        raise ValueError(f"not a path below the root: {relative!r}")
    return names


@contextlib.contextmanager
def open_below(disk: Disk, root_fd: int, relative: str) -> Iterator[int]:
    """A descriptor of `relative` below the root, closed at the end. Raises `OSError` as the walk does."""
    fd = os.dup(root_fd)
    try:
        for name in parts(relative):
            fd = _step(disk, fd, name)
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def open_or_make(disk: Disk, root_fd: int, relative: str, make: Callable[[int, str], None]) -> Iterator[int]:
    """As `open_below`, calling `make(parent_fd, name)` for each missing directory; losing that race is fine."""
    fd = os.dup(root_fd)
    try:
        for name in parts(relative):
            if not disk.exists(fd, name):
                with contextlib.suppress(FileExistsError):
                    make(fd, name)
            fd = _step(disk, fd, name)
        yield fd
    finally:
        os.close(fd)


def _step(disk: Disk, fd: int, name: str) -> int:
    below = disk.open_directory(fd, name)
    os.close(fd)
    return below
