"""Does the model still answer? Which calls are under way, and whether one takes longer than it may."""

from __future__ import annotations

import math
from collections.abc import Hashable

_LOOKS = 10  # within the limit: a process that is stopped for less than one of these is not noticed


class Calls:
    """Guarded by whoever owns it. `now` is monotonic seconds.

    Time in which this process itself stood still (a suspended machine, a stopped process) does not count: whoever
    looks was not called at the time that it asked for, so the calls could not go on either.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._since: dict[Hashable, float] = {}
        self._look_at = math.inf

    def began(self, call: Hashable, now: float) -> bool:
        """Whether somebody must look at a time now who up to now waited for a call."""
        self._since[call] = now
        return math.isinf(self._look_at)

    def ended(self, call: Hashable) -> None:
        self._since.pop(call, None)

    def is_overdue(self, now: float) -> bool:
        """To be asked when `wait_seconds` are over."""
        stood_still = max(0.0, now - self._look_at)
        self._since = {call: min(now, since + stood_still) for call, since in self._since.items()}
        self._look_at = now
        return any(now - since >= self._limit_seconds for since in self._since.values())

    def wait_seconds(self, now: float) -> float | None:
        """When to look again; None: once a call begins."""
        if not self._since:
            self._look_at = math.inf
            return None
        next_due = min(self._since.values()) + self._limit_seconds
        self._look_at = max(now, min(next_due, now + self._limit_seconds / _LOOKS))
        return self._look_at - now
