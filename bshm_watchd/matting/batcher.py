"""The one place where photos are batched: callers bring a photo and get its matte, lanes feed the resident model.

Block for the first photo, collect until the batch is full or its oldest photo has waited long enough.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from bshm_watchd import logs
from bshm_watchd.clock import Clock, SystemClock
from bshm_watchd.config import Limits
from bshm_watchd.errors import ProgramEnding, RuntimeBroken, WatchdError
from bshm_watchd.matting.buckets import cropped, padded
from bshm_watchd.matting.choosing import Alike, chosen, wait_seconds
from bshm_watchd.matting.edges import refined
from bshm_watchd.matting.fitting import Fitting, Turns
from bshm_watchd.matting.overdue import Calls
from bshm_watchd.matting.runtime import MattingFailed, OutOfMemory
from bshm_watchd.matting.scaling import enlarged, shrunk

if TYPE_CHECKING:
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.manifest import BucketedSize
    from bshm_watchd.matting.photo import Alpha, Photo, Pixels
    from bshm_watchd.matting.runtime import Runtime


_CLOSE_SECONDS = 10.0
_INFER_SECONDS = Limits().infer_seconds


class BatcherClosed(ProgramEnding):
    """The batcher is closing: the photo was not matted and is not to blame."""


class ModelHangs(RuntimeBroken):
    """The model did not answer in time. The call is still under way, and nothing can end it but the process's end."""


@dataclass(frozen=True, slots=True, eq=False)
class _Ticket:
    """A picture of working size on its way through the model."""

    pixels: Pixels
    since: float
    batches_before: int
    answer: Future[Alpha] = field(default_factory=Future)


class Batcher:
    """Owns the runtime: started on entry, closed on exit. `matte` may be called from any thread."""

    def __init__(
        self, runtime: Runtime, bundle: Bundle, max_size: int, max_wait_seconds: float, clock: Clock | None = None,
        *, infer_seconds: float = _INFER_SECONDS,
    ) -> None:  # fmt: skip
        self._runtime = runtime
        self._bundle = bundle
        self._max_size = max_size
        self._max_wait_seconds = max_wait_seconds
        self._infer_seconds = infer_seconds
        self._clock = clock or SystemClock()
        self._lanes: list[threading.Thread] = []  # until the runtime is started it may not know how many it feeds
        self._observer = threading.Thread(target=self._observe, name="lanes-observer", daemon=True)
        self._turns = Turns()
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        self._must_look = threading.Condition(lock)  # the observer's own: no lane is woken in its stead
        # Guarded by the lock of both. Once there is an end, nothing is queued and no lane takes any more.
        self._waiting: dict[tuple[int, ...], deque[_Ticket]] = {}
        self._taken: set[_Ticket] = set()
        self._batches = 0
        self._fitting = Fitting()
        self._calls = Calls(infer_seconds)
        self._end: WatchdError | None = None

    def __repr__(self) -> str:
        with self._changed:
            waiting = sum(map(len, self._waiting.values()))
            fitting = f", {self._fitting}" if str(self._fitting) else ""
        return f"<Batcher {waiting} waiting, {len(self._lanes)} lanes{fitting}, end={self._end!r}>"

    def __enter__(self) -> Self:
        try:
            self._runtime.start()
        except BaseException:
            self._runtime.close()
            raise
        self._max_size = min(self._max_size, self._runtime.max_batch)
        self._lanes = [
            threading.Thread(target=self._lane, name=f"lane-{n}", daemon=True) for n in range(self._runtime.streams)
        ]
        for lane in [*self._lanes, self._observer]:
            lane.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Waiting callers get `BatcherClosed`; batches in the model are finished first, but no model that hangs."""
        self._stop(BatcherClosed("the matting is closing"))
        patience_seconds = 0.0 if isinstance(self._end, ModelHangs) else _CLOSE_SECONDS
        deadline = self._clock.monotonic() + patience_seconds
        for lane in self._lanes:
            lane.join(max(0.0, deadline - self._clock.monotonic()))
        if not any(lane.is_alive() for lane in self._lanes):  # a batch that hangs keeps its runtime
            self._runtime.close()

    def matte(self, photo: Photo, size: BucketedSize | None = None) -> Alpha:
        """The photo's alpha at its own size, nowhere more opaque than the photo itself. Blocks until it is there.

        `size`: the working size for this photo, instead of the bundle's. Raises what this photo's inference raised,
        `BatcherClosed`, or `RuntimeBroken` (then for every call from now on). A caller that gives up leaves its
        picture behind; that costs one inference and nobody's wait.
        """
        rule = size or self._bundle.manifest.working_size
        working = shrunk(photo.pixels, *rule.of(photo.height, photo.width))
        coarse = self._queue(padded(working, rule.padded_to(photo.height, photo.width))).result()
        return self._at_full_size(photo, cropped(coarse, *working.shape[:2]))

    def _at_full_size(self, photo: Photo, coarse: Alpha) -> Alpha:
        """In the caller's thread: the lanes are for the model."""
        if (rule := self._bundle.manifest.edge_pass) is None:
            alpha = enlarged(coarse, photo.height, photo.width)
        else:
            alpha = refined(photo.pixels, coarse, rule)
        return alpha if photo.opacity is None else np.minimum(alpha, photo.opacity)

    def _queue(self, working: Pixels) -> Future[Alpha]:
        with self._changed:
            if self._end is not None:
                raise type(self._end)(*self._end.args) from self._end
            ticket = _Ticket(working, self._clock.monotonic(), self._batches)
            self._waiting.setdefault(working.shape, deque()).append(ticket)
            self._changed.notify()
        return ticket.answer

    # -- the lanes ---------------------------------------------------------------------------------------

    def _lane(self) -> None:
        while batch := self._next_batch():
            self._answer(batch)
            del batch  # else an idle lane would keep its last photos in memory

    def _next_batch(self) -> list[_Ticket]:
        """Blocks until a batch is due; empty at the end."""
        with self._changed:
            while self._end is None:
                shapes = list(self._waiting)
                alike = [self._alike(self._waiting[shape]) for shape in shapes]
                index = chosen(alike, self._max_wait_seconds)
                if index is not None:
                    return self._take(shapes[index], alike[index].count)
                self._changed.wait(wait_seconds(alike, self._max_wait_seconds))
            return []

    def _alike(self, tickets: deque[_Ticket]) -> Alike:
        oldest = tickets[0]
        most = max(1, self._fitting.most(_size(oldest), self._max_size))
        waited = self._clock.monotonic() - oldest.since
        return Alike(len(tickets), most, waited, self._batches - oldest.batches_before)

    def _take(self, shape: tuple[int, ...], count: int) -> list[_Ticket]:
        tickets = self._waiting[shape]
        batch = [tickets.popleft() for _ in range(count)]
        if not tickets:
            del self._waiting[shape]
        self._taken.update(batch)
        self._batches += 1
        if self._waiting:
            self._changed.notify()  # what is left may be due for another lane
        return batch

    def _answer(self, batch: Sequence[_Ticket]) -> None:
        """Every ticket gets an answer, whatever the runtime does; a batch that fails as a whole is tried one by one."""
        with self._changed:
            if isinstance(self._end, RuntimeBroken):
                return None  # all that was taken has its answer
            most = self._fitting.most(_size(batch[0]), len(batch))
        if len(batch) > max(1, most):
            return self._answer_in_parts(batch, max(1, most))
        alone = most == 0 or len(self._lanes) == 1
        try:
            answers = self._infer(batch, alone=alone)
        except RuntimeBroken as error:
            self._stop(error)
            answers = [error] * len(batch)
        except OutOfMemory as error:
            if len(batch) > 1 or not alone:
                self._learn(batch, error)
                return self._answer(batch)
            answers = [_too_large(batch[0], error)]
        except Exception as error:  # noqa: BLE001  (it goes to the photo's own caller; the lane serves the others)
            if len(batch) > 1:
                return self._answer_in_parts(batch, 1)
            answers = [error]
        return self._settle(batch, answers)

    def _answer_in_parts(self, batch: Sequence[_Ticket], size: int) -> None:
        for begin in range(0, len(batch), size):
            self._answer(batch[begin : begin + size])

    def _infer(self, batch: Sequence[_Ticket], *, alone: bool) -> Sequence[Alpha | Exception]:
        with self._turns.turn(alone=alone), self._observed():
            answers = self._runtime.infer([ticket.pixels for ticket in batch])
        if len(answers) != len(batch):
            raise RuntimeBroken(f"the runtime gave {len(answers)} answers for {len(batch)} pictures")
        return answers

    def _learn(self, batch: Sequence[_Ticket], error: OutOfMemory) -> None:
        height, width = batch[0].pixels.shape[:2]
        with self._changed:
            is_new = self._fitting.did_not_fit(_size(batch[0]), len(batch))
            most = self._fitting.most(_size(batch[0]), len(batch))
        if is_new:
            batches = f"at most {most}" if most else "one, with nothing beside it"
            logs.warning(
                "the device's memory is too small for such batches: smaller ones from now on",
                pictures=len(batch), size=f"{width}x{height}", from_now_on=batches, why=error,
            )  # fmt: skip

    def _settle(self, batch: Sequence[_Ticket], answers: Sequence[Alpha | Exception]) -> None:
        with self._changed:
            self._taken.difference_update(batch)
        for ticket, answer in zip(batch, answers, strict=True):
            _settle(ticket.answer, answer)

    # -- the end -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _observed(self) -> Iterator[None]:
        call = object()
        with self._changed:
            if self._calls.began(call, self._clock.monotonic()):
                self._must_look.notify()
        try:
            yield
        finally:
            with self._changed:
                self._calls.ended(call)

    def _observe(self) -> None:
        with self._must_look:
            while self._end is None:
                self._must_look.wait(self.look())

    def look(self) -> float | None:
        """End it all if the model hangs; returns when to call this again, in seconds (None: once a batch begins)."""
        with self._changed:
            now = self._clock.monotonic()
            if self._calls.is_overdue(now):
                self._stop(ModelHangs(_hangs(self._infer_seconds)))
            return self._calls.wait_seconds(now)

    def _stop(self, end: WatchdError) -> None:
        """The first end stays: no more photos, and those that wait fail with it, at a broken model all others, too."""
        with self._changed:
            self._end = self._end or end
            left = [ticket for tickets in self._waiting.values() for ticket in tickets]
            self._waiting.clear()
            if isinstance(self._end, RuntimeBroken):
                left += self._taken
            self._changed.notify_all()
            self._must_look.notify_all()
        for ticket in left:
            _settle(ticket.answer, self._end)


def _size(ticket: _Ticket) -> int:
    """In pixels."""
    height, width = ticket.pixels.shape[:2]
    return int(height * width)


def _settle(future: Future[Alpha], answer: Alpha | Exception) -> None:
    """The first answer stays: one that comes from a model after it was given up is nobody's."""
    with contextlib.suppress(InvalidStateError):
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def _too_large(ticket: _Ticket, error: OutOfMemory) -> MattingFailed:
    height, width = ticket.pixels.shape[:2]
    advice = "lower model.working_side, or give the device more memory (raise model.memory_limit_mib where it is set)"
    failed = MattingFailed(f"at {width} x {height} even one photo does not fit the device's memory ({error}); {advice}")
    failed.__cause__ = error
    return failed


def _hangs(infer_seconds: float) -> str:
    what = f"the model has not answered a batch within {infer_seconds:g} seconds (limits.infer_seconds)"
    return f"{what}: see the kernel's log for its device, or raise the limit if the model may take that long here"
