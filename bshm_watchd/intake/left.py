"""What stays in drop/ and why, and when it is worth a try to take a photo that could not be taken. Pure."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum

from bshm_watchd.intake.scan import DEEPEST
from bshm_watchd.jobs import Stamp

# Rights that no directory shows (a server's own, a daemon's new group) are found by trying, and a try costs a claim.
_TRY_AGAIN_SECONDS = 600.0


class Left(Enum):
    """Why something stays where it is and is not offered. It is looked at again, and taken once this is over."""

    EMPTY = "it is empty"
    HARD_LINKED = "it has another hard link: it may be somebody else's file"
    UNREADABLE = "the daemon's user may not read it"
    WRITTEN_IN_PLACE = "it was written under its own name, and only renamed files are taken (ready: rename)"
    NOT_WRITABLE = "it can't be taken out of its directory: give the daemon's user write and search rights there"
    STICKY = "its directory has the sticky bit, so only a photo's owner may take it out: chmod -t that directory"
    ELSEWHERE = "its directory is a mount point, and a photo is taken by a rename, which can't leave it: unmount it"
    CLOSED = "the daemon's user may not look into this directory: give it read, write and search rights there"
    TOO_DEEP = f"it lies more than {DEEPEST} directories deep: move it further up"


def why_closed(directory: str) -> Left:
    """Why a directory of drop/ could not be looked into."""
    return Left.TOO_DEEP if directory.count("/") >= DEEPEST else Left.CLOSED


@dataclass(frozen=True, slots=True)
class _Failed:
    why: Left
    stamp: Stamp | None
    rights: tuple[int, ...]
    again: float  # try then, whatever it looks like


class Untakeable:
    """Photos that our rights did not take out of their directory, and how the two looked then. Times are monotonic."""

    def __init__(self) -> None:
        self._failed: dict[str, _Failed] = {}

    def __contains__(self, path: object) -> bool:
        return path in self._failed

    def add(self, path: str, why: Left, stamp: Stamp | None, directory: os.stat_result, now: float) -> bool:
        """A try failed. True: that is news."""
        before = self._failed.get(path)
        self._failed[path] = _Failed(why, stamp, _rights(directory), now + _TRY_AGAIN_SECONDS)
        return before is None or before.why is not why

    def still(self, path: str, stamp: Stamp | None, directory: os.stat_result, now: float) -> Left | None:
        """Why a try would fail again, as far as can be seen; None when it is worth one."""
        failed = self._failed[path]
        same = (failed.stamp, failed.rights) == (stamp, _rights(directory))
        return failed.why if same and now < failed.again else None

    def forget(self, path: str) -> None:
        self._failed.pop(path, None)


def _rights(directory: os.stat_result) -> tuple[int, ...]:
    return directory.st_mode, directory.st_uid, directory.st_gid
