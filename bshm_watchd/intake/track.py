"""What is known of one path while it settles, and what that says. Pure."""

from __future__ import annotations

from enum import Enum
from math import inf

from bshm_watchd.jobs import Stamp


class Phase(Enum):
    WATCHED = "watched"  # observed now and then
    SETTLED = "settled"  # ready to be offered
    OFFERED = "offered"  # somebody is claiming it


class Track:
    """One path. `stamp` is the last observation, `since` when it was first seen so, `due` when to look again."""

    __slots__ = (
        "changed", "due", "extended", "first_seen", "half", "hinted", "in_place", "listed", "needed", "order", "phase",
        "queued", "since", "soon", "stamp",
    )  # fmt: skip

    def __init__(self, order: int, now: float) -> None:
        self.order = order
        self.first_seen = self.changed = self.since = now  # `changed`: its last change, as far as we know
        self.stamp: Stamp | None = None
        self.due = now
        self.needed = 0.0  # seconds of stillness asked for, by what is known so far
        self.queued = inf  # the due time under which the heap holds it; later entries of it are stale
        self.phase = Phase.WATCHED
        self.soon = False  # in the list of paths to look at now
        self.listed = False  # in the heap of settled paths
        self.hinted = False  # something was said about it since the last observation
        self.extended = False  # its tail of zeros has had its extra time
        self.half = False  # inspected in this state and found incomplete
        self.in_place = False  # changed under the same inode since it was first seen


def last_change(track: Track, found: Stamp, now: float, wall: float) -> float:
    """When it changed, monotonic: just now if we saw that, else as its own change time says.

    The two clocks are compared at the first look only: afterwards a clock that is wrong, or is set right, says nothing.
    """
    return now if track.stamp is not None else min(now, now - (wall - found.ctime_ns / 1e9))


def written_in_place(track: Track, new: Stamp) -> bool:
    old = track.stamp
    if old is None or (old.device, old.inode) != (new.device, new.inode):
        return False
    return track.in_place or (old.size, old.mtime_ns) != (new.size, new.mtime_ns)


def shows_a_rename(stamp: Stamp) -> bool:
    return stamp.ctime_ns > stamp.mtime_ns
