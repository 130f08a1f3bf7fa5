"""The only place that knows the time. Everything else is given a `Clock`."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Protocol

_PROCESS_CLOCK = 2  # CPUCLOCK_SCHED of all threads, in the kernel's posix-timers.h


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


def cpu_seconds(pid: int) -> float:
    """CPU time of all threads of a process, also those that have ended; never goes back. Of its children nothing.

    The clock that `clock_getcpuclockid(3)` names, in nanoseconds, where /proc counts in hundredths of a second. Raises
    `OSError` where there is no such process.
    """
    return time.clock_gettime(~pid << 3 | _PROCESS_CLOCK)


def timestamp(wall: float) -> str:
    """ISO 8601 local time with offset, for records and sidecars."""
    return datetime.fromtimestamp(wall).astimezone().isoformat(timespec="milliseconds")


def local_date(wall: float) -> str:
    """`YYYY-MM-DD` in local time, for `{date}`."""
    return datetime.fromtimestamp(wall).astimezone().date().isoformat()
