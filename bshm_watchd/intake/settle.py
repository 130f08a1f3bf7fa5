"""When has a photo stopped changing? Decides from what others observed; no I/O, no clock. Pure.

Files settle one by one: a hint, a change or a busy neighbour never moves another path's clock.

`ready: rename` takes only names that appeared by rename or link. Events can't tell (they get lost, shares send none,
a backlog had none), so the file's own state does: such a name is whole when it is first seen. Hence
- a size or modification time that changes under the same inode means the file is being written in place. It is
  left, and said so, until a rename gives the name another file or the file another name;
- a change time later than the modification time is the trace that a rename or link leaves: it settles as usual;
- no trace (a rename within one tick of the last write leaves none, nor does a copy that was over before it was first
  seen): it settles once it has not changed for `settle_max_seconds`, the time after which any writer counts as dead.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from enum import Enum
from math import inf

from bshm_watchd.config import HotFolderSettings
from bshm_watchd.disk.probe import Writer
from bshm_watchd.intake.kinds import natural_key
from bshm_watchd.intake.track import Phase, Track, last_change, shows_a_rename, written_in_place
from bshm_watchd.jobs import Stamp

# A file that does not get ready (empty, half, linked twice) is looked at ever more rarely, but at least this often.
_RARELY_SECONDS = 10.0
_SHORTEST_PAUSE_SECONDS = 0.05
# But thousands that do not get ready may not keep a core busy with looking: so many seconds for each that is watched.
_PAUSE_A_FILE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.002, 60.0
# A long stillness is looked at in between: a change is noticed soon enough to settle within one rescan more.
_OFTEN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Quiet:
    """How long a file must have kept still, by what is known of its writer; free <= unknown <= network."""

    free_seconds: float = 2.0
    unknown_seconds: float = 5.0
    network_seconds: float = 10.0

    @classmethod
    def of(cls, settings: HotFolderSettings, network: bool) -> Quiet:
        if settings.settle_seconds != "auto":
            return cls(settings.settle_seconds, settings.settle_seconds, settings.settle_seconds)
        return cls(10.0, 10.0, 10.0) if network else cls()


class Step(Enum):
    """What an observation leads to."""

    WAIT = "wait"  # nothing yet; the tracker has planned the next look
    QUIET = "quiet"  # still for long enough: probe for a writer, then say `probed` or `set_aside`
    EMPTY = "empty"  # still, and empty: it can't settle before it grows
    IN_PLACE = "in_place"  # still, but written under its own name where only renamed files are taken


class SettleTracker:
    """Everything known of the paths below one drop/.

    All of its state changes in the methods below, called by the folder's own thread. Times are monotonic seconds,
    but `wall` (seconds since the epoch), which is only compared with a file's own change time at its first look.
    """

    def __init__(self, quiet: Quiet, settle_max_seconds: float, *, renamed_only: bool = False) -> None:
        self._quiet = quiet
        self._settle_max = settle_max_seconds
        self._renamed_only = renamed_only
        self._tracks: dict[str, Track] = {}  # oldest first
        self._orders = 0
        self._soon: deque[str] = deque()
        self._planned: list[tuple[float, str]] = []
        self._settled: list[tuple[int, str]] = []
        self._count = dict.fromkeys(Phase, 0)

    def __repr__(self) -> str:
        counts = ", ".join(f"{phase.value} {count}" for phase, count in self._count.items())
        return f"<SettleTracker {counts}>"

    def __contains__(self, path: object) -> bool:
        return path in self._tracks

    def __len__(self) -> int:
        return len(self._tracks)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tracks)

    @property
    def settled_count(self) -> int:
        return self._count[Phase.SETTLED]

    @property
    def waiting_count(self) -> int:
        """Paths nobody is claiming yet: watched and settled ones."""
        return len(self._tracks) - self._count[Phase.OFFERED]

    def oldest_first_seen(self) -> float | None:
        """When the longest waiting path was first seen."""
        return next((t.first_seen for t in self._tracks.values() if t.phase is not Phase.OFFERED), None)

    @property
    def paths(self) -> Set[str]:
        return self._tracks.keys()

    def stamp(self, path: str) -> Stamp | None:
        return self._tracks[path].stamp

    def first_seen(self, path: str) -> float:
        return self._tracks[path].first_seen

    # -- what was heard ------------------------------------------------------------------------------------

    def add(self, paths: Iterable[str], now: float) -> None:
        """Names seen together: the unknown ones line up in natural order behind those that came before."""
        for path in sorted(set(paths).difference(self._tracks), key=natural_key):
            self._orders += 1
            self._tracks[path] = Track(self._orders, now)
            self._count[Phase.WATCHED] += 1
            self.look_soon(path)

    def hint(self, path: str, now: float) -> None:
        """Something may have happened to this path: its clock starts again, and no other's."""
        self.add([path], now)
        track = self._tracks[path]
        track.hinted = True
        if track.phase is not Phase.OFFERED:  # the claim finds out for itself
            self._move(track, Phase.WATCHED)
            self.look_soon(path)

    def look_soon(self, path: str) -> None:
        """Have it observed next time, its clock untouched (a scan did not find it)."""
        track = self._tracks[path]
        if not track.soon:
            track.soon = True
            self._soon.append(path)

    # -- what to look at -----------------------------------------------------------------------------------

    def due(self, now: float, limit: int) -> list[str]:
        """Up to twice `limit` paths to observe now, planned ones and new ones alike so that neither starve.

        Each is planned again at once: an observation that comes to nothing is made up for later.
        """
        found = [*self._pop_planned(now, limit), *self._pop_soon(limit)]
        for path in found:
            self._plan(path, self._tracks[path], now + self._quiet.free_seconds)
        return found

    def next_due(self, now: float) -> float | None:
        """When `due` has something next; None: not before a hint or a new name."""
        if self._soon:
            return now
        while self._planned:
            due, path = self._planned[0]
            track = self._tracks.get(path)
            if track is not None and track.queued == due and track.phase is Phase.WATCHED:
                return due
            self._drop_planned()
        return None

    # -- what was found ------------------------------------------------------------------------------------

    def observed(self, path: str, stamp: Stamp, now: float, wall: float) -> Step:
        """The path is a regular file and looks like this at `now`."""
        track = self._tracks[path]
        if track.phase is Phase.OFFERED:
            return Step.WAIT
        if track.hinted or stamp != track.stamp:
            self._begin(path, track, stamp, now, wall)
            return Step.WAIT
        if track.phase is Phase.SETTLED:
            return Step.WAIT
        return self._still(path, track, now)

    def probed(self, path: str, writer: Writer, now: float) -> None:
        """What the probe said of a QUIET path: a writer starts its clock again, doubt asks for more time."""
        track = self._tracks[path]
        if writer is Writer.BUSY:
            track.since = now
        if writer is Writer.UNKNOWN:
            track.needed = max(track.needed, self._quiet.unknown_seconds)
        if now < track.since + track.needed:
            self._plan(path, track, track.since + track.needed)
        else:
            self._settle(path, track)

    def set_aside(self, path: str, now: float) -> None:
        """It can't be offered as it is (linked twice, unreadable): looked at again now and then."""
        track = self._tracks[path]
        self._move(track, Phase.WATCHED)
        self._plan_rarely(path, track, now)

    def take_settled(self) -> str | None:
        """The next settled path, first seen first; it is offered from now until `restart`, `taken` or the like."""
        while self._settled:
            order, path = heapq.heappop(self._settled)
            track = self._tracks.get(path)
            if track is None or track.order != order:
                continue
            track.listed = False
            if track.phase is Phase.SETTLED:
                self._move(track, Phase.OFFERED)
                return path
        return None

    # -- what became of an offered path --------------------------------------------------------------------

    def incomplete(self, path: str, now: float) -> bool:
        """Inspected, and not all there. True: it has been so for too long; else it is watched again."""
        track = self._tracks[path]
        left = track.changed + self._settle_max - now
        if left <= 0:
            return True
        track.half = True
        self._move(track, Phase.WATCHED)
        self._plan_rarely(path, track, now, left)
        return False

    def extend(self, path: str, now: float) -> bool:
        """It ends in zeros: once, it must keep still for as long as on a network. True: so it is watched again."""
        track = self._tracks[path]
        if track.extended or now >= track.since + self._quiet.network_seconds:
            return False
        track.extended = True
        track.needed = self._quiet.network_seconds
        self._move(track, Phase.WATCHED)
        self._plan(path, track, track.since + track.needed)
        return True

    def restart(self, path: str, now: float) -> None:
        """It was let go of, or found changed: it starts to settle again and keeps its place in the order."""
        self.add([path], now)
        track = self._tracks[path]
        self._move(track, Phase.WATCHED)
        track.hinted = True
        self.look_soon(path)

    def taken(self, path: str, now: float) -> None:
        """It was claimed. A hint that came meanwhile is about another file of that name."""
        track = self._tracks.get(path)
        self.forget(path)
        if track is not None and track.hinted:
            self.add([path], now)

    def forget(self, path: str) -> None:
        track = self._tracks.pop(path, None)
        if track is not None:
            self._count[track.phase] -= 1

    # -- within --------------------------------------------------------------------------------------------

    def _begin(self, path: str, track: Track, stamp: Stamp, now: float, wall: float) -> None:
        if stamp != track.stamp:
            track.in_place = written_in_place(track, stamp)
            track.changed = last_change(track, stamp, now, wall)
            track.half = track.extended = False
            track.needed = self._quiet.free_seconds
        track.stamp, track.since, track.hinted = stamp, now, False
        self._move(track, Phase.WATCHED)
        self._plan(path, track, now + min(track.needed, _OFTEN_SECONDS))

    def _still(self, path: str, track: Track, now: float) -> Step:
        assert track.stamp is not None
        if now < track.since + track.needed:
            self._plan(path, track, min(track.since + track.needed, now + _OFTEN_SECONDS))
            return Step.WAIT
        if track.stamp.size == 0:
            self._plan_rarely(path, track, now)
            return Step.EMPTY
        if self._renamed_only and track.in_place:
            self._plan_rarely(path, track, now)
            return Step.IN_PLACE
        left = track.changed + self._settle_max - now
        if left > 0 and (track.half or (self._renamed_only and not shows_a_rename(track.stamp))):
            self._plan_rarely(path, track, now, left)
            return Step.WAIT
        return Step.QUIET

    def _settle(self, path: str, track: Track) -> None:
        self._move(track, Phase.SETTLED)
        if not track.listed:
            track.listed = True
            heapq.heappush(self._settled, (track.order, path))

    def _move(self, track: Track, phase: Phase) -> None:
        self._count[track.phase] -= 1
        self._count[phase] += 1
        track.phase = phase

    def _plan(self, path: str, track: Track, due: float) -> None:
        """One live entry a path: a later time only moves `due`, and the entry is pushed on when its turn comes."""
        track.due = due
        if due < track.queued:
            track.queued = due
            heapq.heappush(self._planned, (due, path))

    def _plan_rarely(self, path: str, track: Track, now: float, at_most_seconds: float = inf) -> None:
        pause = min(max(track.needed, now - track.since), _RARELY_SECONDS)
        pause = max(pause, min(_PAUSE_A_FILE_SECONDS * self._count[Phase.WATCHED], _LONGEST_PAUSE_SECONDS))
        self._plan(path, track, now + max(min(pause, at_most_seconds), _SHORTEST_PAUSE_SECONDS))

    def _pop_planned(self, now: float, limit: int) -> Iterator[str]:
        found = 0
        while found < limit and self._planned and self._planned[0][0] <= now:
            path, track = self._drop_planned()
            if track is None or track.phase is not Phase.WATCHED or track.soon:
                continue
            if track.due > now:
                self._plan(path, track, track.due)
                continue
            found += 1
            yield path

    def _drop_planned(self) -> tuple[str, Track | None]:
        """Take the first entry off the heap; its track is None when the entry is stale."""
        due, path = heapq.heappop(self._planned)
        track = self._tracks.get(path)
        if track is None or track.queued != due:
            return path, None
        track.queued = inf
        return path, track

    def _pop_soon(self, limit: int) -> Iterator[str]:
        for _ in range(min(limit, len(self._soon))):
            path = self._soon.popleft()
            track = self._tracks.get(path)
            if track is not None and track.soon:
                track.soon = False
                if track.phase is not Phase.OFFERED:
                    yield path
