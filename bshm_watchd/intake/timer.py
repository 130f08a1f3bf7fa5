"""How long one call of the intake may take."""

from __future__ import annotations

from bshm_watchd.clock import Clock

BUDGET_SECONDS = 0.5


class Timer:
    """`now` as it was passed in, moving on with the clock."""

    def __init__(self, clock: Clock, now: float) -> None:
        self._clock = clock
        self._ahead = now - clock.monotonic()
        self._end = now + BUDGET_SECONDS

    def now(self) -> float:
        return self._clock.monotonic() + self._ahead

    def is_over(self) -> bool:
        return self.now() >= self._end
