"""A job: one photo from its claim to its filing. Frozen; a move makes a new one, and the table says which may."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from bshm_watchd.config import HotFolderSettings, PermissionSettings, output_root
from bshm_watchd.output_settings import OutputSettings

CostOf = Callable[[int, int, tuple[OutputSettings, ...]], int]  # height, width, outputs -> bytes at the peak

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_EXTENSION_BYTES = 32  # what is longer is no extension, and may be cut


class State(StrEnum):
    CLAIMING = "claiming"  # the record is on disk, the rename may or may not have happened
    CLAIMED = "claimed"  # the original is in the work directory; also: waiting for its next attempt
    GONE = "gone"  # it was renamed or removed by its owner before the claim
    RELEASED = "released"  # it changed, or may still change: back in drop/, and nothing was made of it
    RUNNING = "running"  # an attempt is under way: decoding, matting, rendering
    PUBLISHING = "publishing"  # every result is whole in its temporary; names and hashes are committed
    PUBLISHED = "published"  # every result has its name; the original is still to be filed
    DONE = "done"
    REVIEW = "review"  # as done, but the matte is doubtful: the original waits in review/ for somebody's look
    REJECTING = "rejecting"  # the photo is at fault; sidecar and original are still to be filed
    REJECTED = "rejected"
    FAILING = "failing"  # the attempts are used up; sidecar and original are still to be filed
    FAILED = "failed"


MOVES: dict[State, frozenset[State]] = {
    State.CLAIMING: frozenset({State.CLAIMED, State.GONE, State.RELEASED}),
    State.CLAIMED: frozenset({State.RUNNING, State.RELEASED, State.REJECTING, State.FAILING}),
    State.RUNNING: frozenset({State.CLAIMED, State.RELEASED, State.PUBLISHING, State.REJECTING, State.FAILING}),
    State.PUBLISHING: frozenset({State.PUBLISHED}),
    State.PUBLISHED: frozenset({State.DONE, State.REVIEW}),
    State.REJECTING: frozenset({State.REJECTED}),
    State.FAILING: frozenset({State.FAILED}),
}

ENDED = (State.DONE, State.REVIEW, State.REJECTED, State.FAILED)
FINAL = frozenset({State.GONE, State.RELEASED, *ENDED})


@dataclass(frozen=True, slots=True)
class Stamp:
    """What identifies a file's state: equal stamps mean nobody changed it in between. Times in nanoseconds."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def same(self, other: Stamp, *, stable_inodes: bool = True) -> bool:
        """Nobody touched it in between; made-up inode numbers (CIFS without serverino) are left out."""
        made_up = {} if stable_inodes else {"device": 0, "inode": 0}
        return replace(self, **made_up) == replace(other, **made_up)

    def same_content(self, other: Stamp, *, stable_inodes: bool = True) -> bool:
        """As `same`, but for ctime, which a rename changes."""
        return replace(self, ctime_ns=0).same(replace(other, ctime_ns=0), stable_inodes=stable_inodes)


@dataclass(frozen=True, slots=True)
class Plan:
    """What was configured when the photo was claimed; a later configuration does not change it."""

    outputs: tuple[OutputSettings, ...]
    output_roots: tuple[str, ...]  # one an output: "" is the hot folder itself, else an absolute path
    done: str
    review: bool
    permissions: PermissionSettings

    @classmethod
    def of(cls, folder: HotFolderSettings) -> Plan:
        roots = tuple(
            "" if root == folder.path else str(root)
            for root in (output_root(folder, output) for output in folder.outputs)
        )
        return cls(folder.outputs, roots, folder.originals.done, folder.review, folder.permissions)


@dataclass(frozen=True, slots=True)
class Place:
    """A file's name below a root: the hot folder itself (root "") or another configured one."""

    root: str
    directory: str
    name: str

    @property
    def path(self) -> str:
        return "/".join(part for part in (self.root, self.directory, self.name) if part)


@dataclass(frozen=True, slots=True)
class Result:
    """One output of a `publishing` job: where its bytes are now, where they will be, and what they are."""

    kind: str
    target: Place
    temporary: str  # a name in the target's directory
    sha256: str
    size_bytes: int
    inode: int = 0  # of the temporary, so that another file in its place is not published; 0: not known


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a photo was rejected or failed, or wants to be looked at, in words for the person who dropped it."""

    reason: str
    message: str
    what_to_do: str


@dataclass(frozen=True, slots=True)
class Filed:
    """Where an earlier job filed the original that this one has requeued."""

    job_id: str
    place: Place


@dataclass(frozen=True, slots=True)
class Job:
    id: str
    folder: str
    name: str
    relative_dir: str
    stamp: Stamp
    claimed_wall: float
    plan: Plan
    state: State = State.CLAIMING
    cost_bytes: int = 0
    attempts: int = 0  # attempts that ended in an error of this photo's own
    suspect: bool = False  # it was running, in company, when the process died: it runs alone now
    ran_in: str = ""  # the incarnation of the process that last ran it
    retry_wall: float = 0.0
    withheld: int = 0  # how often in a row its share did not give it; no time, which would run while the share is away
    sha256: str = ""
    number: int = 1
    results: tuple[Result, ...] = ()
    filed_as: Place | None = None
    problem: Problem | None = None
    finished_wall: float | None = None
    requeue_of: Filed | None = None

    def moved(self, state: State, **changes: Any) -> Job:
        """The job in its next state. Raises `ValueError` when the table of moves has no such move."""
        if state not in MOVES.get(self.state, frozenset()):
            raise ValueError(f"job {self.id}: no move from {self.state} to {state}")
        return replace(self, state=state, **changes)

    @property
    def relative(self) -> str:
        return f"{self.relative_dir}/{self.name}" if self.relative_dir else self.name

    @property
    def end(self) -> State:
        """The final state that this job is on its way to, as things are."""
        return end_of(self.state, self.problem)


def end_of(state: str, problem: object | None) -> State:
    """What a job in this state ends as; a photo that gets results although it has a problem is for review."""
    if state in (State.REJECTING, State.FAILING):
        return State.REJECTED if state == State.REJECTING else State.FAILED
    return State.DONE if problem is None else State.REVIEW


def new_id(wall: float) -> str:
    """A ULID: 48 bits of milliseconds and 80 random bits in Crockford's base 32, so that ids sort by time."""
    number = (int(wall * 1000) & ((1 << 48) - 1)) << 80 | secrets.randbits(80)
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def is_id(text: str) -> bool:
    return len(text) == 26 and set(text) <= set(_CROCKFORD)


def numbered(name: str, number: int, limit_bytes: int = 255) -> str:
    """`name` with its number before the extension: 1 is the name itself, then `photo~2.jpg`. Cut to the limit."""
    stem, extension = os.path.splitext(name)
    if len(os.fsencode(extension)) > _EXTENSION_BYTES:
        stem, extension = name, ""
    suffix = (f"~{number}" if number > 1 else "") + extension
    return _cut(stem, limit_bytes - len(os.fsencode(suffix))) + suffix


def _cut(text: str, limit_bytes: int) -> str:
    """The longest beginning of `text` of at most that many bytes that ends at a character boundary."""
    while len(os.fsencode(text)) > limit_bytes:
        text = text[:-1]
    return text
