"""The only place that knows the time. Everything else is given a `Clock`."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Two readings that must not be mixed: intervals are monotonic, names and records are wall time."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back, unaffected by clock changes."""
        ...

    def wall(self) -> float:
        """Seconds since the epoch, as the system believes now; may jump."""
        ...


class SystemClock:
    def monotonic(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()


def timestamp(wall: float) -> str:
    """ISO 8601 local time with offset, for records and sidecars."""
    return datetime.fromtimestamp(wall).astimezone().isoformat(timespec="milliseconds")


def local_date(wall: float) -> str:
    """`YYYY-MM-DD` in local time, for `{date}`."""
    return datetime.fromtimestamp(wall).astimezone().date().isoformat()
