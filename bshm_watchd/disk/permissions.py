"""Who may read a result: mode, group and ACL, decided before and applied while the file is still a temporary.

The rule (docs/permissions.md): a configured mode is applied exactly; without one the directory's default ACL
decides, and where there is none a file takes the hot folder's own read and write bits, a directory its rwx bits. The
umask has no say. The group is the configured one, else what a setgid directory hands down.
"""

from __future__ import annotations

import grp
import os
import stat
import struct
from dataclasses import dataclass

from bshm_watchd.config import PermissionSettings
from bshm_watchd.disk.ops import Disk
from bshm_watchd.errors import PlaceUnavailable

_DEFAULT_ACL = "system.posix_acl_default"
_FILE, _DIRECTORY = 0o666, 0o777
_ACL_HEADER, _ACL_ENTRY = struct.calcsize("<I"), struct.Struct("<HHI")  # version; tag, rwx bits, id
_OWNER, _GROUP, _LIMIT, _OTHERS = 0x01, 0x04, 0x10, 0x20  # the tags whose bits a mode shows


@dataclass(frozen=True, slots=True)
class Rule:
    """What a new file or directory shall have, and with which mode it is born: never a wider one."""

    mode: int
    group: int | None
    born: int


@dataclass(frozen=True, slots=True)
class Handed:
    """What a directory hands down to whatever is made in it: the mode of its default ACL (None: it has none), and
    its group (None: that depends on who makes it, and on the mount options)."""

    acl_mode: int | None
    group: int | None

    @classmethod
    def by(cls, dir_fd: int) -> Handed:
        status = os.fstat(dir_fd)
        inherited = status.st_mode & stat.S_ISGID or status.st_gid == os.getegid()
        return cls(_default_acl_mode(dir_fd), status.st_gid if inherited else None)


def file_rule(settings: PermissionSettings, root_mode: int, handed: Handed) -> Rule:
    return _rule(settings.mode, settings.group, root_mode, handed, _FILE)


def directory_rule(settings: PermissionSettings, root_mode: int, handed: Handed) -> Rule:
    return _rule(settings.directory_mode, settings.group, root_mode, handed, _DIRECTORY)


def _rule(configured: int | None, group: str | None, root_mode: int, handed: Handed, bits: int) -> Rule:
    """Born private, and opened when the group is right; only what an ACL gives to the right group is born with it."""
    group_wanted, private = group_id(group), bits & 0o700
    if configured is not None:
        return Rule(configured, group_wanted, private)
    if handed.acl_mode is None:
        return Rule(root_mode & bits, group_wanted, private)
    final_at_birth = group_wanted is None or group_wanted == handed.group
    return Rule(handed.acl_mode & bits, group_wanted, bits if final_at_birth else private)


def apply(disk: Disk, fd: int, rule: Rule) -> str | None:
    """Give an open file or directory its final group and mode. Returns what did not take, or None.

    An ACL that it was born with stays: its named entries are limited by the mode's group bits, as by any chmod. Raises
    `PlaceUnavailable` when the group can't be given (the daemon's user is not a member of it).
    """
    status = os.fstat(fd)
    mode = rule.mode | status.st_mode & stat.S_ISGID
    if rule.group is not None and status.st_gid != rule.group:
        _give_group(disk, fd, rule.group)
        status = os.fstat(fd)
    if stat.S_IMODE(status.st_mode) != mode:
        disk.chmod(fd, mode)
    return _mismatch(os.fstat(fd), mode, rule.group)


def _default_acl_mode(dir_fd: int) -> int | None:
    """The mode that something made with 0777 there would show; its middle bits are the ACL's limit for all groups."""
    try:
        acl = os.getxattr(dir_fd, _DEFAULT_ACL)
    except OSError:
        return None  # none set, or a file system without ACLs: both mean that none decides
    bits: dict[int, int] = {tag: right for tag, right, _ in _ACL_ENTRY.iter_unpack(acl[_ACL_HEADER:])}
    return bits[_OWNER] << 6 | bits.get(_LIMIT, bits[_GROUP]) << 3 | bits[_OTHERS]


def group_id(name: str | None) -> int | None:
    """Raises `PlaceUnavailable` for a group this machine does not know (it may come back with a directory server)."""
    if name is None:
        return None
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise PlaceUnavailable("no_such_group", f"group {name} does not exist on this machine; create it") from error


def _give_group(disk: Disk, fd: int, group: int) -> None:
    try:
        disk.chown(fd, group)
    except PermissionError as error:
        message = f"can't give results to group {group}: make the daemon's user a member of it and start it again"
        raise PlaceUnavailable("no_permission", message) from error


def _mismatch(status: os.stat_result, mode: int, group: int | None) -> str | None:
    has = stat.S_IMODE(status.st_mode)
    if has != mode:
        return f"mode is {has:04o}, not {mode:04o}"
    if group is not None and status.st_gid != group:
        return f"group is {status.st_gid}, not {group}"
    return None
