"""Photos that clients bring and wait for: they share the memory with the jobs, first come, first served."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from bshm_watchd.errors import ProgramEnding

MOST_AT_ONCE = 8  # enough to keep a model busy; the rest of its lanes is the hot folders'

Granted = Future[dict[str, Any]]
"""Answered once the photo may be begun; it also stands for the photo until that is over."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    granted: Granted
    cost_bytes: int


class PhotoQueue:
    """Belongs to the main thread. The schedule serves it as if it were one more folder, of weight 1."""

    def __init__(self) -> None:
        self.served = 0.0
        self._waiting: deque[_Wanted] = deque()
        self._in_work: dict[Granted, int] = {}

    def __repr__(self) -> str:
        return f"<PhotoQueue {len(self._waiting)} waiting, {self.in_flight} in work>"

    def add(self, granted: Granted, cost_bytes: int) -> None:
        self._waiting.append(_Wanted(granted, cost_bytes))

    def over(self, granted: Granted) -> None:
        """The photo is made, or nobody waits for it any more. May be said twice."""
        self._in_work.pop(granted, None)
        self._waiting = deque(wanted for wanted in self._waiting if wanted.granted is not granted)

    def begin_next(self) -> None:
        wanted = self._waiting.popleft()
        self._in_work[wanted.granted] = wanted.cost_bytes
        wanted.granted.set_result({})

    def close(self) -> None:
        """Refuse those that wait; those in work go on."""
        while self._waiting:
            self._waiting.popleft().granted.set_exception(ProgramEnding("the daemon is stopping"))

    @property
    def waits(self) -> bool:
        return bool(self._waiting)

    @property
    def next_cost(self) -> int | None:
        """Of the photo that may be begun as soon as it fits; None when there is none."""
        return self._waiting[0].cost_bytes if self._waiting and self.in_flight < MOST_AT_ONCE else None

    @property
    def in_flight(self) -> int:
        return len(self._in_work)

    @property
    def in_flight_bytes(self) -> int:
        return sum(self._in_work.values())
