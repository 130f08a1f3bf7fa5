"""What the main thread knows of each folder, and what is due for it. Pure: no I/O, time is passed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from bshm_watchd import retry
from bshm_watchd.backlog import Backlog
from bshm_watchd.config import HotFolderSettings
from bshm_watchd.folder_calls import Attached, FolderCalls, Seen
from bshm_watchd.intake.intake import Offer
from bshm_watchd.jobs import Job, Problem
from bshm_watchd.rejecting import Rejected
from bshm_watchd.status import FolderMode
from bshm_watchd.threads import Hand

HUNG_SECONDS = 10.0  # a call that takes longer makes its folder unreachable
OFFERS_AHEAD = 8  # of those that may be claimed
LARGEST_LOT = 200  # photos that are rejected together
_SMALLEST_LOT = 8
_LOT_SECONDS = 1.0  # other calls of the folder, claims of good photos among them, wait for so long at most
_LOOK_INTERVAL_SECONDS = 0.1  # hints are gathered for that long, so that a burst costs few looks
_WELL_SECONDS = 60.0  # after that long without trouble the next trouble is a new one
_ROOT_CHECK_SECONDS = 2.0
_OWNER_CHECK_SECONDS = 2.0
_SCAN_INTERVAL_SECONDS = 1.0
_SCAN_PAUSE_FACTOR = 10  # a scan may take a tenth of the folder's time
_LOCAL_RESCAN_SECONDS = 30.0
_REMOTE_RESCAN_SECONDS = 5.0
_LONGEST_SETTLE_SECONDS = 10.0
_SETTLE_MARGIN_SECONDS = 2.0
_FOR_EVER = float("inf")

Due = Literal["attach", "scan", "look"]


@dataclass
class FolderState:
    """Belongs to the main thread."""

    settings: HotFolderSettings
    calls: FolderCalls
    hand: Hand
    ended_before: Mapping[str, int] = field(default_factory=dict)  # jobs by final state, from the journal
    network: bool = False
    mode: FolderMode = FolderMode.STARTING
    reason: str = ""
    retry_due: float = 0.0  # monotonic: when to attach (again)
    failures: int = 0
    watching_since: float = 0.0
    call: str | None = None  # the call its thread is busy with
    call_since: float = 0.0
    hints: set[str] = field(default_factory=set)
    scan_allowed: float = 0.0
    scan_due: float = 0.0
    look_allowed: float = 0.0
    root_check_due: float = 0.0  # an unmounted or replaced root gives no event: it is looked at now and then
    scan_asked: bool = False
    scans: int = 0  # complete ones
    seen: Seen | None = None
    events: bool = False
    offers: deque[Offer] = field(default_factory=deque)
    found: list[Job] = field(default_factory=list)  # recovered, not judged yet
    backlog: Backlog = field(default_factory=Backlog)  # claimed, waiting to be run (again)
    running: dict[str, Job] = field(default_factory=dict)  # by id; as they were when they were started
    claiming_bytes: int | None = None  # the cost of the photo that is being claimed
    lot_size: int = _SMALLEST_LOT  # photos that may be rejected together, as far as known from the last ones
    served: float = 0.0  # bytes served over weight: who has had least comes first
    oldest_call: Callable[[], float | None] = lambda: None  # its oldest disk call still under way, monotonic start
    leaving: bool = False  # a reload took it out or changed it: what runs is finished, nothing else is begun
    gone: bool = False  # it has left: nothing of it is under way any more
    waits_for: tuple[FolderState, ...] = ()  # those that work in its place until they have left

    # -- what is due -----------------------------------------------------------------------------------

    def due(self, now: float) -> Due | None:
        if self.call is not None or self.leaving or self.is_waiting:
            return None
        if self.mode is not FolderMode.WATCHING:
            return "attach" if now >= self.retry_due and not self.running else None
        if self.found:  # a look now would keep them from being judged together with those of other folders
            return None
        if now >= max(self.scan_due, self.scan_allowed) or (self.scan_asked and now >= self.scan_allowed):
            return "scan"
        return "look" if now >= self._look_due() else None

    def next_due(self) -> float:
        """The moment at which `due` may change without an event."""
        if self.call is not None:
            # Only an attachment is watched here: the disk calls of the others are watched one by one.
            attaching = self.call == "attach" and self.mode is not FolderMode.UNREACHABLE
            return self.call_since + HUNG_SECONDS if attaching else _FOR_EVER
        if self.leaving or self.is_waiting:
            return _FOR_EVER
        if self.mode is not FolderMode.WATCHING:
            return self.retry_due if not self.running else _FOR_EVER
        if self.found:
            return _FOR_EVER
        scan_due = self.scan_allowed if self.scan_asked else max(self.scan_due, self.scan_allowed)
        return min(scan_due, self._look_due())

    @property
    def works(self) -> bool:
        """Whether photos are taken and jobs are started here."""
        return self.mode is FolderMode.WATCHING and not self.leaving

    @property
    def is_waiting(self) -> bool:
        """For what is still under way in its place, begun before a reload."""
        return any(not folder.gone for folder in self.waits_for)

    def waits_in_vain(self, now: float) -> bool:
        return any(not folder.gone and folder.is_hung(now, folder.oldest_call()) for folder in self.waits_for)

    def is_hung(self, now: float, oldest_call: float | None) -> bool:
        """Whether a disk call there, its thread's or a worker's, or its attachment has not come back in time."""
        attaching = self.call_since if self.call == "attach" else None
        return any(now - since > HUNG_SECONDS for since in (attaching, oldest_call) if since is not None)

    def next_job(self, wall: float) -> Job | None:
        """The oldest job that may be (re)started now: suspects first, and never before an earlier one of its name."""
        return self.backlog.next(self.running, wall) if self.works else None

    def next_offer(self) -> Offer | None:
        """The best offer that may be claimed now."""
        if not self.works or self.call is not None:
            return None
        return next(iter(self.free_offers()), None)

    def free_offers(self) -> list[Offer]:
        """Those whose name no job under way has: the same name again waits for the earlier one, and keeps nobody up."""
        names = {job.relative for job in [*self.running.values(), *self.found]}
        return [
            offer for offer in self.offers if offer.relative not in names and not self.backlog.has_name(offer.relative)
        ]

    def lot_of(self, offer: Offer) -> list[Offer]:
        """Those that can be rejected together with this one, itself included; none where it is no rejection."""
        directory = offer.relative.rpartition("/")[0]
        rejected = [other for other in self.free_offers() if other.rejection] if offer.rejection else []
        return [other for other in rejected if other.relative.rpartition("/")[0] == directory][: self.lot_size]

    @property
    def is_idle(self) -> bool:
        """Nothing can be done here now: asked by a run that ends when all is done."""
        busy = self.in_flight or self.unfinished or self.offers or self.call or self.hints or self.scan_asked
        return not busy and self.waiting == self.left

    @property
    def settle_patience_seconds(self) -> float:
        """How long an undisturbed photo may take from its first look to its offer."""
        quiet = self.settings.settle_seconds
        return 2 * (_LONGEST_SETTLE_SECONDS if quiet == "auto" else quiet) + _SETTLE_MARGIN_SECONDS

    @property
    def left(self) -> int:
        """Waiting photos that can't be taken as they are: empty, hard-linked, unreadable."""
        return self.seen.looked.left if self.seen else 0

    @property
    def unfinished(self) -> int:
        """Claimed photos that nobody works on right now."""
        return len(self.backlog) + len(self.found)

    @property
    def waiting(self) -> int:
        return self.seen.looked.waiting if self.seen else 0

    @property
    def in_flight(self) -> int:
        return len(self.running) + (self.claiming_bytes is not None)

    @property
    def in_flight_bytes(self) -> int:
        return sum(job.cost_bytes for job in self.running.values()) + (self.claiming_bytes or 0)

    def _look_due(self) -> float:
        if self.seen is None:
            return self.look_allowed
        due = self.seen.looked.next_due if self.seen.looked.next_due is not None else _FOR_EVER
        due = min(due, self.root_check_due)
        if self.hints or (self.seen.looked.ready > 0 and len(self.free_offers()) < OFFERS_AHEAD // 2):
            due = 0.0
        return max(due, self.look_allowed)

    # -- what is asked of its thread -------------------------------------------------------------------

    def ask_attach(self, now: float, *, adopt: bool = False, take: bool = False) -> None:
        self._ask("attach", now, lambda: self.calls.attach(adopt=adopt, take=take))

    def ask_look(self, now: float, *, scan: bool) -> None:
        hints, wanted = frozenset(self.hints), max(0, OFFERS_AHEAD - len(self.free_offers()))
        self.hints.clear()
        self.scan_asked = self.scan_asked and not scan
        self._ask("look", now, lambda: self.calls.look(hints, wanted, scan=scan, rejected=self.lot_size))

    def ask_commit(self, judged: dict[str, Job], now: float) -> None:
        """Make the judgement about recovered jobs durable; the others may go on at once."""
        self.backlog.extend(job for job in self.found if job.id not in judged)
        changed = tuple(judged[job.id] for job in self.found if job.id in judged)
        self.found.clear()
        if changed:
            self._ask("commit", now, lambda: self.calls.commit(changed))

    def ask_claim(self, offer: Offer, cost_bytes: int, too_large: Problem | None, now: float) -> None:
        self.offers.remove(offer)
        self.claiming_bytes = cost_bytes
        self._ask("claim", now, lambda: self.calls.claim(offer, cost_bytes, too_large))

    def ask_reject(self, lot: list[Offer], now: float) -> None:
        gone = set(map(id, lot))
        self.offers = deque(offer for offer in self.offers if id(offer) not in gone)
        self.claiming_bytes = 0
        self._ask("reject", now, lambda: self.calls.reject(lot))

    def ask_detach(self, now: float, *, keep_owned: bool) -> None:
        """`keep_owned`: what comes after it goes on in the same place, and nobody else gets in between."""
        self._ask("detach", now, self.calls.stop_watching if keep_owned else self.calls.detach)

    def _ask(self, call: str, now: float, work: Callable[[], object]) -> None:
        self.call, self.call_since = call, now
        self.hand.ask(call, work)

    # -- what happened ---------------------------------------------------------------------------------

    def hinted(self, relative: str | None) -> None:
        if not self.works:
            return  # whatever happens now is seen by the scan that follows the next attachment
        if relative is None:
            self.scan_asked = True
        else:
            self.hints.add(relative)

    def attached(self, attached: Attached, now: float) -> None:
        self.mode, self.reason, self.watching_since = FolderMode.WATCHING, "", now
        self.events, self.network = attached.events, attached.network
        # The work directories are the truth: what was remembered of them, and offers made before, are void.
        self.backlog.clear()
        self.offers.clear()
        self.found = list(attached.jobs)
        self.scan_due = self.scan_allowed = now  # how long a share hung says nothing about how long a scan takes

    def saw(self, seen: Seen, now: float) -> None:
        self.seen, self.events = seen, seen.events
        self.offers.extend(seen.offers)
        self.look_allowed = now + _LOOK_INTERVAL_SECONDS
        self.root_check_due = now + _ROOT_CHECK_SECONDS
        if seen.looked.scanned:
            self.scans += 1
            self.scan_allowed = now + max(_SCAN_INTERVAL_SECONDS, _SCAN_PAUSE_FACTOR * seen.seconds)
            self.scan_due = now + self.rescan_seconds

    def rejected(self, rejected: Rejected, now: float) -> None:
        """What `ask_reject` asked for came back: the next lot has as many photos as fit into its time."""
        self.claiming_bytes = None
        self.backlog.extend(rejected.unfinished)
        self.lot_size = next_lot_size(len(rejected.ended), now - self.call_since, self.lot_size)

    def leave(self) -> None:
        """What is claimed and does not run is left to its records: whoever works there next finds it."""
        self.leaving = True
        self.backlog.clear()
        for waiting in (self.offers, self.hints, self.found):
            waiting.clear()

    def has_left(self) -> None:
        self.gone = True
        self.hand.end()

    def worked(self) -> None:
        """Something went well: the next trouble is a new one. Attaching alone proves too little of a full disk."""
        self.failures = 0

    def trouble(self, mode: FolderMode, reason: str, now: float, *, while_attaching: bool = False) -> bool:
        """The folder can't be worked in for now. True when that is news.

        It is tried again after a while, longer each time. Of several jobs that meet the same trouble one counts.
        """
        news = (mode, reason) != (self.mode, self.reason)
        if self.mode in (FolderMode.STARTING, FolderMode.WATCHING) or while_attaching:
            self.failures = 1 + (0 if self._was_well(now) else self.failures)
            owned = mode is FolderMode.OWNED_ELSEWHERE  # asking costs nothing, and a dead owner is replaced at once
            self.retry_due = now + (_OWNER_CHECK_SECONDS if owned else retry.hold_seconds(self.failures))
        self.mode, self.reason = mode, reason
        self.offers.clear()
        return news

    def _was_well(self, now: float) -> bool:
        return self.mode is FolderMode.WATCHING and now - self.watching_since > _WELL_SECONDS

    @property
    def rescan_seconds(self) -> float:
        if self.settings.rescan_seconds != "auto":
            return self.settings.rescan_seconds
        return _LOCAL_RESCAN_SECONDS if self.events and not self.network else _REMOTE_RESCAN_SECONDS


def next_lot_size(count: int, seconds: float, before: int) -> int:
    """How many photos are rejected together next, when so many took so long; at most twice as many as `before`."""
    if count < before // 2:  # a lot that was not full, or met obstacles, says little
        return before
    fitting = int(count * _LOT_SECONDS / seconds) if seconds > 0 else LARGEST_LOT
    return max(_SMALLEST_LOT, min(fitting, 2 * before, LARGEST_LOT))
