"""Every call that touches a hot folder's tree, one small method each, relative to an open directory.

Names are single components, so that no symlink can be followed on the way; the one path is `open_beneath`'s (see
`walk.py`).
Tests break a disk at its n-th change by wrapping the methods listed in `CHANGES`.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import stat
from collections.abc import Iterator

CHANGES = (
    "mkdir",
    "create",
    "write",
    "fsync",
    "rename",
    "replace",
    "link",
    "unlink",
    "rmdir",
    "chmod",
    "chown",
)

_RENAME_NOREPLACE = 1
_NO_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC
_OPENAT2 = 437  # the same number on every architecture; neither glibc nor Python has a function for it
_NO_MAGIC_LINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_LONGEST_PATH_BYTES = 4095
_TRIES = 8  # openat2 may say "again" while others rename
_HERE = -100
_libc = ctypes.CDLL(None, use_errno=True)


class Disk:
    """The real disk. All methods raise `OSError` and nothing else; the caller sorts it."""

    def visit(self) -> contextlib.AbstractContextManager[None]:
        """Around all that one thread does on this disk without pause, calls of the system's own included."""
        return contextlib.nullcontext()

    def computing(self) -> contextlib.AbstractContextManager[None]:
        """Within a visit, around what asks nothing of the disk, however long it takes."""
        return contextlib.nullcontext()

    # -- looking ---------------------------------------------------------------------------------------

    def open_root(self, path: str) -> int:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def open_directory(self, dir_fd: int, name: str) -> int:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | _NO_FOLLOW, dir_fd=dir_fd)

    def enter(self, dir_fd: int, name: str) -> int:
        """A directory on the way to another one: it need not be readable, and can only be walked through."""
        return os.open(name, os.O_PATH | os.O_DIRECTORY | _NO_FOLLOW, dir_fd=dir_fd)

    def open_beneath(self, dir_fd: int, path: str) -> int:
        """Several components in one call, following nothing. ENOTDIR as the walk where a link stands in any of them.

        ENOSYS where it has to be walked: the kernel or a filter has no openat2, or it can't do this path.
        """
        if len(os.fsencode(path)) > _LONGEST_PATH_BYTES or not _has_openat2():
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), path)
        return _openat2(dir_fd, path, os.O_RDONLY)

    def open_file(self, dir_fd: int, name: str) -> int:
        """Open a regular file for reading; ELOOP, as for a link, for whatever else stands there now.

        Opening that harms nothing: no fifo is waited for, no terminal owned.
        """
        fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | _NO_FOLLOW, dir_fd=dir_fd)
        try:
            if not is_plain_file(os.fstat(fd)):
                raise OSError(errno.ELOOP, "not a file", name)
        except OSError:
            os.close(fd)
            raise
        return fd

    def entries(self, dir_fd: int) -> Iterator[os.DirEntry[str]]:
        """The names in a directory; what they are is asked of each entry, and needs no further call as a rule."""
        try:
            with os.scandir(dir_fd) as listing:
                yield from listing
        except OSError as error:
            error.filename = None  # it is the descriptor's number, which tells nobody anything
            raise

    def lstat(self, dir_fd: int, name: str) -> os.stat_result:
        try:
            return os.lstat(name, dir_fd=dir_fd)
        except PermissionError as error:
            error.filename = None  # what can't be searched is the directory
            raise

    def exists(self, dir_fd: int, name: str) -> bool:
        try:
            Disk.lstat(self, dir_fd, name)
        except FileNotFoundError:
            return False
        return True

    def read_at(self, fd: int, length_bytes: int, offset: int) -> bytes:
        return os.pread(fd, length_bytes, offset)

    def free_bytes(self, dir_fd: int) -> int:
        usage = os.fstatvfs(dir_fd)
        return usage.f_bavail * usage.f_frsize

    def name_bytes(self, dir_fd: int) -> int:
        """How long a name may be there, as far as the file system says; 0 where it does not."""
        return os.fstatvfs(dir_fd).f_namemax

    # -- changing: each of these is one point at which a test may kill or break the program ------------

    def mkdir(self, dir_fd: int, name: str, mode: int) -> None:
        os.mkdir(name, mode, dir_fd=dir_fd)

    def create(self, dir_fd: int, name: str, mode: int) -> int:
        """A new file of ours for reading and writing; EEXIST when the name is taken by anything."""
        return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, mode, dir_fd=dir_fd)

    def write(self, fd: int, content: bytes | bytearray | memoryview) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]

    def fsync(self, fd: int) -> None:
        os.fsync(fd)

    def rename(self, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
        """Rename without replacing: EEXIST when the new name is taken; EINVAL where the file system can't."""
        result = _libc.renameat2(from_fd, os.fsencode(name), to_fd, os.fsencode(new_name), _RENAME_NOREPLACE)
        if result != 0:
            code = ctypes.get_errno()
            if code == errno.ENOSYS:
                code = errno.EINVAL
            raise OSError(code, os.strerror(code), name, None, new_name)

    def replace(self, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
        """Rename over whatever stands there. Only for names that are ours (records, reservations)."""
        os.rename(name, new_name, src_dir_fd=from_fd, dst_dir_fd=to_fd)

    def link(self, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
        os.link(name, new_name, src_dir_fd=from_fd, dst_dir_fd=to_fd, follow_symlinks=False)

    def unlink(self, dir_fd: int, name: str) -> None:
        os.unlink(name, dir_fd=dir_fd)

    def rmdir(self, dir_fd: int, name: str) -> None:
        os.rmdir(name, dir_fd=dir_fd)

    def chmod(self, fd: int, mode: int) -> None:
        os.fchmod(fd, mode)

    def chown(self, fd: int, group: int) -> None:
        os.fchown(fd, -1, group)


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def _openat2(dir_fd: int, path: str, flags: int) -> int:
    how = _How(flags | os.O_DIRECTORY | _NO_FOLLOW, 0, _BENEATH | _NO_SYMLINKS | _NO_MAGIC_LINKS)
    code = errno.EAGAIN
    for _ in range(_TRIES):
        fd = int(_libc.syscall(_OPENAT2, dir_fd, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how)))
        if fd >= 0:
            return fd
        code = ctypes.get_errno()
        if code not in (errno.EAGAIN, errno.EINTR):
            break
    code = {errno.ELOOP: errno.ENOTDIR, errno.EXDEV: errno.ENOTDIR, errno.EAGAIN: errno.ENOSYS}.get(code, code)
    raise OSError(code, os.strerror(code), path)


@functools.cache
def _has_openat2() -> bool:
    """Asked once a process, of no place of anybody's: what a filter says (some say EPERM) is not the path's fault."""
    try:
        os.close(_openat2(_HERE, ".", os.O_PATH))
    except OSError as error:
        return error.errno not in (errno.ENOSYS, errno.EPERM)
    return True


def is_plain_file(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode)
