"""Who may read a result: mode, group and ACL, decided before and applied while the file is still a temporary.

The rule (docs/permissions.md): a configured mode is applied exactly; without one the directory's default ACL
decides, and where there is none a file takes the hot folder's own read and write bits, a directory its rwx bits. The
umask has no say. The group is the configured one, else what a setgid directory hands down.
"""

from __future__ import annotations

import grp
import os
import stat
from dataclasses import dataclass

from bshm_watchd.config import PermissionSettings
from bshm_watchd.disk.ops import Disk
from bshm_watchd.errors import PlaceUnavailable

_DEFAULT_ACL = "system.posix_acl_default"
_UNTIL_KNOWN = 0o600  # never wider than the final mode, whatever that is


@dataclass(frozen=True, slots=True)
class Rule:
    """What a new file or directory shall have. `mode` None: the default ACL of its directory decides."""

    mode: int | None
    group: int | None

    @property
    def create_mode(self) -> int:
        return 0o666 if self.mode is None else _UNTIL_KNOWN


def file_rule(settings: PermissionSettings, root_mode: int, has_default_acl: bool) -> Rule:
    return Rule(_mode(settings.mode, root_mode & 0o666, has_default_acl), group_id(settings.group))


def directory_rule(settings: PermissionSettings, root_mode: int, has_default_acl: bool) -> Rule:
    return Rule(_mode(settings.directory_mode, root_mode & 0o777, has_default_acl), group_id(settings.group))


def apply(disk: Disk, fd: int, rule: Rule) -> str | None:
    """Give an open file or directory its final group and mode. Returns what did not take, or None.

    Raises `PlaceUnavailable` when the group can't be given (the daemon's user is not a member of it).
    """
    status = os.fstat(fd)
    mode = None if rule.mode is None else rule.mode | status.st_mode & stat.S_ISGID
    if rule.group is not None and status.st_gid != rule.group:
        _give_group(disk, fd, rule.group)
    if mode is not None:
        disk.chmod(fd, mode)
    return _mismatch(os.fstat(fd), mode, rule.group)


def has_default_acl(dir_fd: int) -> bool:
    try:
        return bool(os.getxattr(dir_fd, _DEFAULT_ACL))
    except OSError:
        return False  # none set, or a file system without ACLs: both mean that none decides


def group_id(name: str | None) -> int | None:
    """Raises `PlaceUnavailable` for a group this machine does not know (it may come back with a directory server)."""
    if name is None:
        return None
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise PlaceUnavailable("no_such_group", f"group {name} does not exist on this machine; create it") from error


def _mode(configured: int | None, from_root: int, acl_decides: bool) -> int | None:
    if configured is not None:
        return configured
    return None if acl_decides else from_root


def _give_group(disk: Disk, fd: int, group: int) -> None:
    try:
        disk.chown(fd, group)
    except PermissionError as error:
        message = f"can't give results to group {group}: make the daemon's user a member of it and start it again"
        raise PlaceUnavailable("no_permission", message) from error


def _mismatch(status: os.stat_result, mode: int | None, group: int | None) -> str | None:
    has = stat.S_IMODE(status.st_mode)
    if mode is not None and has != mode:
        return f"mode is {has:04o}, not {mode:04o}"
    if group is not None and status.st_gid != group:
        return f"group is {status.st_gid}, not {group}"
    return None
