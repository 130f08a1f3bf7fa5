"""What a path lies on: a disk of this machine, or a share that other machines write to unheard."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

# Only these are known to report every writer and keep their word; all others are treated as a network.
LOCAL_TYPES = frozenset(
    {
        *("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs", "nilfs2"),
        *("tmpfs", "ramfs", "overlay", "aufs", "vfat", "exfat", "ntfs3", "ecryptfs"),
    }
)
# Those whose inode numbers outlive a remount. FUSE and vfat number what they happen to meet.
_LASTING_TYPES = frozenset(
    {
        *("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "reiserfs", "nilfs2"),
        *("tmpfs", "nfs", "nfs4", "cifs", "smb3"),
    }
)


@dataclass(frozen=True, slots=True)
class FileSystem:
    type: str  # as the kernel names it; "unknown" where it can't be told
    network: bool  # a network or an unknown file system: no events from others, longer settling
    stable_inodes: bool  # false where inode numbers are made up (CIFS without serverino)

    @property
    def lasting_inodes(self) -> bool:
        """Whether a file has the same number after a remount."""
        return self.stable_inodes and self.type in _LASTING_TYPES


@dataclass(frozen=True, slots=True)
class Mount:
    point: str
    type: str
    options: frozenset[str]


UNKNOWN = FileSystem("unknown", network=True, stable_inodes=True)


def file_system(path: str) -> FileSystem:
    """The file system that `path` (which need not exist) lies on. May block on a hung share; never raises."""
    try:
        table = Path("/proc/self/mountinfo").read_bytes()
    except OSError:
        return UNKNOWN
    return file_system_of(os.path.realpath(path), parse_mounts(table))


def file_system_of(path: str, mounts: list[Mount]) -> FileSystem:
    """Pure: the innermost mount that holds `path` (absolute, no links); of two on one point, the later one."""
    holding = [mount for mount in mounts if _holds(mount.point, path)]
    if not holding:
        return UNKNOWN
    deepest = max(len(mount.point) for mount in holding)
    return _describe([mount for mount in holding if len(mount.point) == deepest][-1])


def parse_mounts(table: bytes) -> list[Mount]:
    """Pure: the lines of /proc/self/mountinfo, those that can't be read left out."""
    return [mount for line in table.splitlines() if (mount := _parse_line(line)) is not None]


def _parse_line(line: bytes) -> Mount | None:
    before, separator, after = line.partition(b" - ")
    fields, more = before.split(b" "), after.split(b" ")
    if not separator or len(fields) < 6 or len(more) < 3:
        return None
    options = frozenset(os.fsdecode(more[2]).split(","))
    return Mount(_unescape(fields[4]), os.fsdecode(more[0]), options)


def _unescape(field: bytes) -> str:
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8) & 0xFF]), field))


def _holds(point: str, path: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")


def _describe(mount: Mount) -> FileSystem:
    made_up = mount.type in ("cifs", "smb3") and "serverino" not in mount.options
    return FileSystem(mount.type, network=mount.type not in LOCAL_TYPES, stable_inodes=not made_up)
