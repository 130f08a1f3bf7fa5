"""The one place where photos are batched: callers bring a photo and get its matte, lanes feed the resident model.

Block for the first photo, collect until the batch is full or its oldest photo has waited long enough.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from bshm_watchd.clock import Clock, SystemClock
from bshm_watchd.errors import ProgramEnding, RuntimeBroken, WatchdError
from bshm_watchd.matting.buckets import cropped, padded
from bshm_watchd.matting.edges import refined
from bshm_watchd.matting.scaling import enlarged, shrunk

if TYPE_CHECKING:
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.photo import Alpha, Photo, Pixels
    from bshm_watchd.matting.runtime import Runtime


_CLOSE_SECONDS = 10.0


class BatcherClosed(ProgramEnding):
    """The batcher is closing: the photo was not matted and is not to blame."""


def due(waiting: int, oldest_waited_seconds: float, max_size: int, max_wait_seconds: float) -> int:
    """How many of the waiting photos to infer now; 0 means it is worth waiting for more."""
    if waiting >= max_size:
        return max_size
    return waiting if oldest_waited_seconds >= max_wait_seconds else 0


@dataclass(frozen=True, slots=True, eq=False)
class _Ticket:
    """A picture of working size on its way through the model."""

    pixels: Pixels
    since: float
    answer: Future[Alpha] = field(default_factory=Future)


class Batcher:
    """Owns the runtime: started on entry, closed on exit. `matte` may be called from any thread."""

    def __init__(
        self, runtime: Runtime, bundle: Bundle, max_size: int, max_wait_seconds: float, clock: Clock | None = None
    ) -> None:
        self._runtime = runtime
        self._bundle = bundle
        self._max_size = min(max_size, runtime.max_batch)
        self._max_wait_seconds = max_wait_seconds
        self._clock = clock or SystemClock()
        self._lanes = [
            threading.Thread(target=self._lane, name=f"lane-{n}", daemon=True) for n in range(runtime.streams)
        ]
        self._changed = threading.Condition()
        # Guarded by _changed. Once there is an end, nothing is queued and no lane takes any more.
        self._waiting: deque[_Ticket] = deque()
        self._end: WatchdError | None = None

    def __repr__(self) -> str:
        return f"<Batcher {len(self._waiting)} waiting, {len(self._lanes)} lanes, end={self._end!r}>"

    def __enter__(self) -> Self:
        try:
            self._runtime.start()
        except BaseException:
            self._runtime.close()
            raise
        for lane in self._lanes:
            lane.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Waiting callers get `BatcherClosed`; batches in the model are finished first."""
        self._stop(BatcherClosed("the matting is closing"))
        deadline = self._clock.monotonic() + _CLOSE_SECONDS
        for lane in self._lanes:
            lane.join(max(0.0, deadline - self._clock.monotonic()))
        if not any(lane.is_alive() for lane in self._lanes):  # a batch that hangs keeps its runtime
            self._runtime.close()

    def matte(self, photo: Photo) -> Alpha:
        """The photo's alpha at its own size, nowhere more opaque than the photo itself. Blocks until it is there.

        Raises what this photo's inference raised, `BatcherClosed`, or `RuntimeBroken` (then for every call from now
        on). A caller that gives up leaves its picture behind; that costs one inference and nobody's wait.
        """
        rule = self._bundle.manifest.working_size
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
        ticket = _Ticket(working, self._clock.monotonic())
        with self._changed:
            if self._end is not None:
                raise type(self._end)(*self._end.args) from self._end
            self._waiting.append(ticket)
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
                batch, wait_seconds = self._due_now()
                if batch:
                    return self._take(batch)
                self._changed.wait(wait_seconds)
            return []

    def _due_now(self) -> tuple[list[_Ticket], float | None]:
        """The batch that is due with the oldest photo, or how long to wait for it (None: for the next photo)."""
        if not self._waiting:
            return [], None
        oldest = self._waiting[0]
        alike = [ticket for ticket in self._waiting if ticket.pixels.shape == oldest.pixels.shape]
        waited = self._clock.monotonic() - oldest.since
        count = due(len(alike), waited, self._max_size, self._max_wait_seconds)
        return alike[:count], self._max_wait_seconds - waited

    def _take(self, batch: list[_Ticket]) -> list[_Ticket]:
        for ticket in batch:
            self._waiting.remove(ticket)
        if self._waiting:
            self._changed.notify()  # what is left may be due for another lane
        return batch

    def _answer(self, batch: list[_Ticket]) -> None:
        """Every ticket gets an answer, whatever the runtime does; a batch that fails as a whole is tried one by one."""
        try:
            answers = self._runtime.infer([ticket.pixels for ticket in batch])
            if len(answers) != len(batch):
                raise RuntimeBroken(f"the runtime gave {len(answers)} answers for {len(batch)} pictures")
        except RuntimeBroken as error:
            self._stop(error)
            answers = [error] * len(batch)
        except Exception as error:  # noqa: BLE001  (it goes to the photo's own caller; the lane serves the others)
            if len(batch) > 1:
                for ticket in batch:
                    self._answer([ticket])
                return
            answers = [error]
        for ticket, answer in zip(batch, answers, strict=True):
            _settle(ticket.answer, answer)

    def _stop(self, end: WatchdError) -> None:
        """The first end stays: no more photos, and those that wait fail with it."""
        with self._changed:
            self._end = self._end or end
            left = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        for ticket in left:
            _settle(ticket.answer, self._end)


def _settle(future: Future[Alpha], answer: Alpha | Exception) -> None:
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
