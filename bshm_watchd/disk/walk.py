"""Walking a tree without following a symlink in any component, also while somebody swaps directories.

Several components are one `openat2` that follows nothing. Where that call is missing every step is an
`openat(O_NOFOLLOW | O_DIRECTORY)` from the directory before it. Either way a link planted at any time is an error
(ENOTDIR), never a way out of the root. A mount point is walked into: only root can make one.
"""

from __future__ import annotations

import contextlib
import errno
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
    fd = _open(disk, root_fd, parts(relative))
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def open_named(disk: Disk, root_fd: int, relative: str) -> Iterator[int]:
    """As `open_below`, and an `OSError` while it is open says where below the root."""
    with open_below(disk, root_fd, relative) as fd, named(relative):
        yield fd


@contextlib.contextmanager
def open_or_make(disk: Disk, root_fd: int, relative: str, make: Callable[[int, str], None]) -> Iterator[int]:
    """As `open_below`, calling `make(parent_fd, name)` for each missing directory; losing that race is fine."""
    names = parts(relative)
    try:
        fd = _open(disk, root_fd, names)
    except FileNotFoundError:
        fd = _walk_and_make(disk, root_fd, names, make)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def named(directory: str) -> Iterator[None]:
    """An `OSError` in there gets a path that begins with `directory`: the calls themselves know a name at most."""
    try:
        yield
    except OSError as error:
        error.filename = os.path.normpath(os.path.join(directory, os.fsdecode(error.filename or "")))
        raise


def _open(disk: Disk, root_fd: int, names: tuple[str, ...]) -> int:
    if len(names) > 1:
        try:
            return disk.open_beneath(root_fd, "/".join(names))
        except OSError as error:
            # A walk knows in which directory the right is missing.
            if error.errno not in (errno.ENOSYS, errno.EACCES):
                raise
    return _walk(disk, root_fd, names)


def _walk(disk: Disk, root_fd: int, names: tuple[str, ...]) -> int:
    """As openat2 does it: of the directories on the way only search permission is wanted."""
    fd = os.dup(root_fd)
    try:
        for depth, name in enumerate(names):
            with _blamed(disk, fd, names, depth):
                fd = _replaced(fd, disk.enter(fd, name) if depth + 1 < len(names) else disk.open_directory(fd, name))
        return fd
    except BaseException:
        os.close(fd)
        raise


def _walk_and_make(disk: Disk, root_fd: int, names: tuple[str, ...], make: Callable[[int, str], None]) -> int:
    fd = os.dup(root_fd)
    try:
        for depth, name in enumerate(names):
            with _blamed(disk, fd, names, depth):
                if not disk.exists(fd, name):
                    with contextlib.suppress(FileExistsError):
                        make(fd, name)
                fd = _replaced(fd, disk.open_directory(fd, name))
        return fd
    except BaseException:
        os.close(fd)
        raise


@contextlib.contextmanager
def _blamed(disk: Disk, fd: int, names: tuple[str, ...], depth: int) -> Iterator[None]:
    """An `OSError` of this step names the directory that is at fault, from the root on."""
    try:
        yield
    except OSError as error:
        here = depth if error.errno == errno.EACCES and not _is_entered(disk, fd, names[depth]) else depth + 1
        error.filename = "/".join(names[:here])
        raise


def _is_entered(disk: Disk, fd: int, name: str) -> bool:
    """Whether the directory around it can be searched: then what is missing is a right on the thing itself."""
    try:
        os.close(disk.enter(fd, name))
    except OSError:
        return False
    return True


def _replaced(fd: int, below: int) -> int:
    os.close(fd)
    return below
