"""From a name in drop/ to a settled, whole photo that is offered for claiming.

One `Intake` a hot folder, on that folder's own thread. It starts no thread, takes no lock and never sleeps: each call
does what is due, for about `timer.BUDGET_SECONDS` at most where the file system answers, and says when to come again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from stat import S_ISDIR

from bshm_watchd.clock import Clock
from bshm_watchd.config import HotFolderSettings, Limits
from bshm_watchd.disk.folder import DROP
from bshm_watchd.disk.ops import Disk, is_plain_file
from bshm_watchd.disk.probe import Writer, probe_writer
from bshm_watchd.disk.walk import open_named
from bshm_watchd.intake import rejections
from bshm_watchd.intake.below import Below, Trouble, plain_path, trouble
from bshm_watchd.intake.complete import Verdict, inspect
from bshm_watchd.intake.kinds import Sort, sort_path
from bshm_watchd.intake.left import Left, Untakeable, why_closed
from bshm_watchd.intake.scan import Scan, scan
from bshm_watchd.intake.settle import Quiet, SettleTracker, Step
from bshm_watchd.intake.timer import Timer
from bshm_watchd.jobs import Problem, Stamp

_CHUNK = 256
_SCANS_APART_SECONDS = 1.0
_REST_AFTER_SCAN = 10  # times the scan's own duration


@dataclass(frozen=True, slots=True)
class Offer:
    """A settled file, to be claimed as it is, then worked on or (with a `rejection`) filed as rejected.

    `stamp` was observed after the file was inspected. `kind`, `width` and `height` (stored pixels) are None and 0
    where a rejection came first. `first_seen` is monotonic.
    """

    relative: str  # below drop/
    stamp: Stamp
    first_seen: float
    kind: str | None = None
    width: int = 0
    height: int = 0
    rejection: Problem | None = None

    @property
    def size(self) -> int:
        return self.stamp.size


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look found. Times are monotonic; the news are told once, the rest is the state as it is now."""

    next_due: float | None  # look again then at the latest; None: not before a hint or a scan
    scanned: bool  # whether this look walked the whole of drop/
    waiting: int  # files not yet taken, settled ones included, and each directory that can't be looked into
    ready: int  # settled ones: `take` has something to judge
    oldest_first_seen: float | None  # of the waiting
    left: int  # waiting ones that can't be taken as they are, and each directory that can't be looked into
    other_files: int  # files in drop/ that are no photos, at the last scan
    unreadable: tuple[str, ...]  # directories of drop/ that can't be listed, at the last scan
    left_news: tuple[tuple[str, Left], ...] = ()
    other_news: tuple[tuple[str, int], ...] = ()  # directories where others were found, each told once
    unreadable_news: tuple[tuple[str, Left], ...] = ()


class Intake:
    # Belongs to the folder's own thread.

    def __init__(
        self, disk: Disk, settings: HotFolderSettings, limits: Limits, clock: Clock, *, network: bool,
        stable_inodes: bool = True, probe: Callable[[int], Writer] = probe_writer,
    ) -> None:  # fmt: skip
        self._disk = disk
        self._limits = limits
        self._clock = clock
        self._probe = probe
        self._stable_inodes = stable_inodes
        self._others_too = settings.other_files == "reject"
        quiet = Quiet.of(settings, network)
        self._tracker = SettleTracker(quiet, settings.settle_max_seconds, renamed_only=settings.ready == "rename")
        self._left: dict[str, Left] = {}
        self._left_news: list[tuple[str, Left]] = []
        self._untakeable = Untakeable()
        self._told_others: set[str] = set()
        self._told_unreadable: set[str] = set()
        self._scan = Scan()
        self._scan_wanted = False
        self._scan_allowed = float("-inf")

    def __repr__(self) -> str:
        return f"<Intake {self._tracker!r} left {len(self._left)}>"

    # -- looking -------------------------------------------------------------------------------------------

    def look(self, root_fd: int, hints: frozenset[str | None], now: float, *, scan: bool) -> Looked:
        """Apply hints, scan where asked or hinted (as often as is fair), observe what is due.

        `root_fd` is the open hot folder. A hint is a path below drop/, or None for *scan*. A scan that comes too
        early is made up for: `next_due` says when. Raises `OSError` when drop/ or the place fails; nothing is lost.
        """
        timer = Timer(self._clock, now)
        self._scan_wanted |= scan
        with self._below(root_fd) as (drop_fd, below):
            self._hear(below, hints, now)
            scanned = self._scan_wanted and now >= self._scan_allowed
            if scanned:
                self._reconcile(drop_fd, timer)
            self._observe_due(below, timer)
        return self._looked(timer.now(), scanned)

    def _hear(self, below: Below, hints: Iterable[str | None], now: float) -> None:
        photos = []
        for hint in hints:
            path = plain_path(hint)
            sort = sort_path(path)
            if not path:
                self._scan_wanted = True
            elif sort is Sort.CANDIDATE or (sort is Sort.OTHER and self._others_too):
                photos.append(path)
            elif sort is Sort.OTHER:
                self._scan_wanted |= self._is_directory(below, path)
        self._tracker.add(photos, now)
        for path in photos:
            self._tracker.hint(path, now)

    def _is_directory(self, below: Below, path: str) -> bool:
        try:
            return S_ISDIR(below.lstat(path).st_mode)
        except OSError as error:
            return trouble(error) is not Trouble.GONE

    def _reconcile(self, drop_fd: int, timer: Timer) -> None:
        """Scan; names that are new are tracked, those that are missing are looked at before they are forgotten."""
        begun = timer.now()
        self._scan = scan(self._disk, drop_fd, self._tracker.paths, others_too=self._others_too)
        now = timer.now()
        self._scan_wanted = False
        self._scan_allowed = max(begun + _SCANS_APART_SECONDS, now + _REST_AFTER_SCAN * (now - begun))
        with self._disk.computing():
            found = self._scan.photos
            new = found.difference(self._tracker.paths)
            if len(found) - len(new) < len(self._tracker):
                for path in sorted(self._tracker.paths - found):
                    self._tracker.look_soon(path)
            self._tracker.add(new, now)
            found.clear()

    def _observe_due(self, below: Below, timer: Timer) -> None:
        while not timer.is_over() and (due := self._tracker.due(timer.now(), _CHUNK)):
            for path in sorted(due):  # one directory after another
                self._observe(below, path, timer.now())

    def _observe(self, below: Below, path: str, now: float) -> None:
        try:
            status = below.lstat(path)
        except OSError as error:
            self._stumble(path, trouble(error), now)
            return
        if not is_plain_file(status):
            self._scan_wanted |= S_ISDIR(status.st_mode)
            self._forget(path)
            return
        step = self._tracker.observed(path, self._comparable(Stamp.of(status)), now, self._clock.wall())
        if step is not Step.QUIET:
            self._leave(path, _LEFT_AFTER.get(step))
        elif status.st_nlink > 1:
            self._set_aside(path, Left.HARD_LINKED, now)
        else:
            self._ask_writer(below, path, now)

    def _ask_writer(self, below: Below, path: str, now: float) -> None:
        try:
            if path in self._untakeable and self._is_untakeable(below, path, now):
                return
            with below.open(path) as fd:
                writer = self._probe(fd)
        except OSError as error:
            self._stumble(path, trouble(error), now)
            return
        self._leave(path, None)
        self._tracker.probed(path, writer, now)

    def _is_untakeable(self, below: Below, path: str, now: float) -> bool:
        why = self._untakeable.still(path, self._tracker.stamp(path), below.directory_status(path), now)
        if why is not None:
            self._left[path] = why
            self._tracker.set_aside(path, now)
        return why is not None

    def _looked(self, now: float, scanned: bool) -> Looked:
        tracker, others, unreadable = self._tracker, self._scan.others, self._scan.unreadable
        dues = [tracker.next_due(now), self._scan_allowed if self._scan_wanted else None]
        left_news, self._left_news = tuple(self._left_news), []
        other_news = tuple((where, count) for where, count in others.items() if where not in self._told_others)
        self._told_others = set(others)
        unreadable_news = tuple(
            (where, why_closed(where)) for where in unreadable if where not in self._told_unreadable
        )
        self._told_unreadable = set(unreadable)
        return Looked(
            next_due=min((due for due in dues if due is not None), default=None),
            scanned=scanned,
            waiting=tracker.waiting_count + len(unreadable),
            ready=tracker.settled_count,
            oldest_first_seen=tracker.oldest_first_seen(),
            left=len(self._left) + len(unreadable),
            other_files=sum(others.values()),
            unreadable=tuple(unreadable),
            left_news=left_news,
            other_news=other_news,
            unreadable_news=unreadable_news,
        )

    # -- offering ------------------------------------------------------------------------------------------

    def take(self, root_fd: int, count: int, now: float, rejected: int = 0) -> tuple[Offer, ...]:
        """Up to `count` settled files, first seen first, then in natural order; each is inspected only now.

        The first `rejected` of those that are rejected do not count. May return fewer although more are settled
        (`Looked.ready` tells): call again. An offer stays made until `taken` or `put_back`. Raises `OSError` when the
        place fails before the first offer.
        """
        timer = Timer(self._clock, now)
        offers: list[Offer] = []
        with self._below(root_fd) as (_, below):
            while len(offers) < count and not timer.is_over():
                path = self._tracker.take_settled()
                if path is None:
                    break
                try:
                    offers += (found := self._offers(below, path, timer.now()))
                    if rejected and any(offer.rejection for offer in found):
                        count, rejected = count + 1, rejected - 1
                except OSError:
                    self._tracker.restart(path, now)
                    if offers:  # these are good; the place will fail again with the next
                        break
                    raise
        return tuple(offers)

    def taken(self, relative: str, now: float) -> None:
        """The claim worked, or found the file gone."""
        self._left.pop(relative, None)
        self._untakeable.forget(relative)
        self._tracker.taken(relative, now)

    def put_back(self, relative: str, now: float) -> None:
        """The claim failed or was released to the same name: it starts to settle again."""
        self._tracker.restart(relative, now)

    def set_aside(self, root_fd: int, relative: str, why: Left, now: float) -> None:
        """The claim found that our rights don't take it out of its directory: told once, tried again now and then."""
        if relative not in self._tracker:  # lost sight of meanwhile: a scan finds it again
            return
        with self._below(root_fd) as (_, below):
            try:
                rights = below.directory_status(relative)
            except OSError as error:
                self._stumble(relative, trouble(error), now)
                return
        if self._untakeable.add(relative, why, self._tracker.stamp(relative), rights, now):
            self._left_news.append((relative, why))
        self._left[relative] = why
        self._tracker.set_aside(relative, now)

    def _offers(self, below: Below, path: str, now: float) -> list[Offer]:
        """The offer for one settled path, or none: then the tracker knows what comes next."""
        try:
            stamp = Stamp.of(below.lstat(path))
            offer = self._judge(below, path, stamp, now)
            after = below.lstat(path)
        except OSError as error:
            self._stumble(path, trouble(error), now)
            return []
        if offer is None:
            return []
        seen = {self._tracker.stamp(path), self._comparable(stamp), self._comparable(Stamp.of(after))}
        if len(seen) > 1:
            self._tracker.restart(path, now)
            return []
        return [offer]

    def _judge(self, below: Below, path: str, stamp: Stamp, now: float) -> Offer | None:
        offer = Offer(path, stamp, self._tracker.first_seen(path))
        if sort_path(path) is not Sort.CANDIDATE:
            return replace(offer, rejection=rejections.other_kind())
        if problem := rejections.too_many_bytes(stamp.size, self._limits):
            return replace(offer, rejection=problem)
        with below.open(path) as fd:
            if self._probe(fd) is Writer.BUSY:  # since it settled: it may have stood in a long line
                self._tracker.restart(path, now)
                return None
            found = inspect(lambda offset, length: self._disk.read_at(fd, length, offset), stamp.size)
        if found.verdict is Verdict.INCOMPLETE and not self._tracker.incomplete(path, now):
            return None
        if found.verdict is Verdict.COMPLETE and found.zero_tail and self._tracker.extend(path, now):
            return None
        problem = rejections.by_structure(found, self._limits)
        return replace(offer, kind=found.kind, width=found.width, height=found.height, rejection=problem)

    # -- within --------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _below(self, root_fd: int) -> Iterator[tuple[int, Below]]:
        with open_named(self._disk, root_fd, DROP) as drop_fd, contextlib.closing(Below(self._disk, drop_fd)) as below:
            yield drop_fd, below

    def _comparable(self, stamp: Stamp) -> Stamp:
        """Without what the file system makes up anew each time (CIFS without serverino)."""
        return stamp if self._stable_inodes else replace(stamp, device=0, inode=0)

    def _stumble(self, path: str, what: Trouble, now: float) -> None:
        if what is Trouble.GONE:
            self._forget(path)
        elif what is Trouble.BUSY:
            self._tracker.restart(path, now)
        else:
            self._set_aside(path, Left.UNREADABLE, now)

    def _set_aside(self, path: str, why: Left, now: float) -> None:
        self._leave(path, why)
        self._tracker.set_aside(path, now)

    def _leave(self, path: str, why: Left | None) -> None:
        if why is None:
            self._left.pop(path, None)
        elif self._left.get(path) is not why:
            self._left[path] = why
            self._left_news.append((path, why))

    def _forget(self, path: str) -> None:
        self._left.pop(path, None)
        self._untakeable.forget(path)
        self._tracker.forget(path)


_LEFT_AFTER = {Step.EMPTY: Left.EMPTY, Step.IN_PLACE: Left.WRITTEN_IN_PLACE}
