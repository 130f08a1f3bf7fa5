"""The few compound writes everything else is made of. Each is durable when it returns, or did not happen."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Callable

from bshm_watchd.disk import permissions
from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.permissions import Rule

_PRIVATE_MODE = 0o600
_NO_RENAME_NOREPLACE = (errno.EINVAL, errno.ENOTSUP)  # NFS and some FUSE file systems
_NAME_TAKEN = (errno.EEXIST, errno.ENOTEMPTY)


def write_record(disk: Disk, dir_fd: int, name: str, content: bytes, rule: Rule | None = None) -> None:
    """Replace one of our own records: temporary, fsync, rename, fsync of the directory.

    It is private (0600) unless a `rule` says who else may read it.
    """
    temporary = f".{name}.tmp"
    inode = _write_anew(disk, dir_fd, temporary, content, rule)
    try:
        disk.replace(dir_fd, temporary, dir_fd, name)
    except FileNotFoundError:
        # A server that is asked again, because its first answer got lost, says so of a rename that it has done.
        if disk.lstat(dir_fd, name).st_ino != inode:
            raise
    disk.fsync(dir_fd)


def create_record(disk: Disk, dir_fd: int, name: str, content: bytes, temporary: str, rule: Rule | None = None) -> None:
    """Create a record that must not exist yet: `FileExistsError` when somebody else was first.

    It is private (0600) unless a `rule` says who else may read it.
    """
    create_whole(disk, dir_fd, name, content, temporary, rule)
    disk.fsync(dir_fd)


def create_whole(disk: Disk, dir_fd: int, name: str, content: bytes, temporary: str, rule: Rule | None = None) -> None:
    """As `create_record`, but its name is not durable until its directory is synced: once for many."""
    _write_anew(disk, dir_fd, temporary, content, rule)
    try:
        give_name(disk, dir_fd, temporary, name)
    except FileExistsError:
        disk.unlink(dir_fd, temporary)
        raise


def _write_anew(disk: Disk, dir_fd: int, name: str, content: bytes, rule: Rule | None = None) -> int:
    """A whole file, synced before it is renamed: else a power cut leaves a name without bytes. Returns its inode."""
    fd = create_anew(disk, dir_fd, name, _PRIVATE_MODE if rule is None else rule.born)
    try:
        disk.write(fd, content)
        if rule is not None:
            permissions.apply(disk, fd, rule)
        disk.fsync(fd)
        return os.fstat(fd).st_ino
    finally:
        os.close(fd)


def create_anew(disk: Disk, dir_fd: int, name: str, mode: int = _PRIVATE_MODE) -> int:
    """A new, empty temporary; whatever an earlier try left at its name, which is nobody else's, goes."""
    with contextlib.suppress(FileNotFoundError):
        disk.unlink(dir_fd, name)
    try:
        return disk.create(dir_fd, name, mode)
    except FileExistsError:  # a server that is asked again, because its first answer got lost, says so of our own
        disk.unlink(dir_fd, name)
        return disk.create(dir_fd, name, mode)


def read_record(disk: Disk, dir_fd: int, name: str, limit_bytes: int = 1 << 20) -> bytes:
    """A small file of ours, whole. Raises `OSError`; never follows a link."""
    fd = disk.open_file(dir_fd, name)
    try:
        return disk.read_at(fd, limit_bytes, 0)
    finally:
        os.close(fd)


def make_directory(disk: Disk, parent_fd: int, name: str, rule: Rule, told: Callable[[str], None]) -> None:
    """A directory with its final rights from the first moment it can be seen, also if we die while making it.

    Nothing happens when somebody else made it meanwhile: whatever stands at the name stays. `told` hears which rights
    did not take; what it raises comes through, and no directory is left then.
    """
    temporary = directory_temporary(name)
    with contextlib.suppress(FileExistsError):  # begun by a life that ended here, or by another worker just now
        disk.mkdir(parent_fd, temporary, rule.born)
    with contextlib.suppress(FileNotFoundError):  # the other worker was faster
        if _give_rights(disk, parent_fd, temporary, rule, told):
            _name_directory(disk, parent_fd, temporary, name)
    disk.fsync(parent_fd)


def directory_temporary(name: str) -> str:
    return f".bshm-{hashlib.sha1(os.fsencode(name), usedforsecurity=False).hexdigest()}.part"


def _give_rights(disk: Disk, parent_fd: int, temporary: str, rule: Rule, told: Callable[[str], None]) -> bool:
    """False where another worker gave it its name meanwhile: only then may there be something in it."""
    fd = disk.open_directory(parent_fd, temporary)
    try:
        if next(disk.entries(fd), None) is not None:
            _must_be_gone(disk, parent_fd, temporary)
            return False
        mismatch = permissions.apply(disk, fd, rule)
        disk.fsync(fd)
    finally:
        os.close(fd)
    if mismatch:
        _tell_or_undo(disk, parent_fd, temporary, mismatch, told)
    return True


def _must_be_gone(disk: Disk, parent_fd: int, temporary: str) -> None:
    """A directory with something in it was never a temporary of ours: its rights are none of our business.

    Somebody who may rename directories here could else have us open a private one of ours to everybody.
    """
    if disk.exists(parent_fd, temporary):
        raise OSError(errno.ENOTEMPTY, f"{temporary} in it stands where one of ours would be made; move it away")


def _tell_or_undo(disk: Disk, parent_fd: int, temporary: str, mismatch: str, told: Callable[[str], None]) -> None:
    try:
        told(mismatch)
    except BaseException:
        disk.rmdir(parent_fd, temporary)
        raise


def _name_directory(disk: Disk, parent_fd: int, temporary: str, name: str) -> None:
    try:
        try:
            disk.rename(parent_fd, temporary, parent_fd, name)
        except OSError as error:
            if error.errno not in _NO_RENAME_NOREPLACE:
                raise
            disk.replace(parent_fd, temporary, parent_fd, name)  # a directory never replaces one that holds anything
    except OSError as error:
        if error.errno not in _NAME_TAKEN:
            raise
        disk.rmdir(parent_fd, temporary)


def give_name(disk: Disk, dir_fd: int, temporary: str, name: str) -> None:
    """Give a temporary of ours its name without replacing anything; `FileExistsError` when it is taken.

    Where rename can't refuse to replace, link + unlink does the same; a name that *is* the temporary (same inode) means
    that this or an earlier try got as far as the link, whatever a share's server says.
    """
    try:
        disk.rename(dir_fd, temporary, dir_fd, name)
        return
    except OSError as error:
        if error.errno not in _NO_RENAME_NOREPLACE:
            raise
    try:
        disk.link(dir_fd, temporary, dir_fd, name)
    except OSError:
        if not _are_one(disk, dir_fd, name, temporary):
            raise
    disk.unlink(dir_fd, temporary)


def _are_one(disk: Disk, dir_fd: int, name: str, other: str) -> bool:
    try:
        return disk.lstat(dir_fd, name).st_ino == disk.lstat(dir_fd, other).st_ino
    except OSError:
        return False


def move_original(disk: Disk, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
    """Move an original without replacing anything; `FileExistsError` when the name is taken.

    Originals are never linked. Where rename can't refuse to replace, the name is reserved by an empty file of ours,
    and the rename replaces that. A reservation left by a crash is empty, and taken over.
    """
    try:
        disk.rename(from_fd, name, to_fd, new_name)
        return
    except OSError as error:
        if error.errno not in _NO_RENAME_NOREPLACE:
            raise
    disk.lstat(from_fd, name)  # nothing may be reserved for an original that is gone
    try:
        os.close(disk.create(to_fd, new_name, 0o000))
    except FileExistsError:
        if not _is_reservation(disk, to_fd, new_name):
            raise
    disk.replace(from_fd, name, to_fd, new_name)


def _is_reservation(disk: Disk, dir_fd: int, name: str) -> bool:
    status = disk.lstat(dir_fd, name)
    return status.st_size == 0 and status.st_mode & 0o777 == 0 and status.st_uid == os.geteuid()
