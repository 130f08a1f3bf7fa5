"""Pure: when a job or a held folder is tried again, or that it is given up."""

from __future__ import annotations

import math

_FIRST_RETRY_SECONDS = 5.0
_LAST_RETRY_SECONDS = 300.0
_FIRST_HOLD_SECONDS = 1.0
_LAST_HOLD_SECONDS = 60.0
_WITHHELD_SECONDS = 15.0
_MOST_WITHHELD = 40  # ten minutes: a server notices a client that is gone within minutes
_LAST_DOUBLING = 16  # far beyond both limits; a share may be gone for months, and a float ends at 2 ** 1024


def is_due(retry_wall: float, wall: float) -> bool:
    """Whether a job may be tried again; also when the clock was set back by more than it ever had to wait."""
    return retry_wall <= wall or retry_wall - wall > _LAST_RETRY_SECONDS


def given_up(attempts: int, max_attempts: int) -> bool:
    return attempts >= max_attempts


def retry_seconds(attempts: int) -> float:
    """How long after its `attempts`-th failed attempt a job waits: 5, 10, 20 ... at most 300 seconds."""
    return min(_FIRST_RETRY_SECONDS * _doubled(attempts - 1), _LAST_RETRY_SECONDS)


def withheld_retry_wall(times: int, wall: float) -> float | None:
    """When a photo that its share did not give, now for the `times`-th time, is tried again; None: not any more."""
    return wall + _WITHHELD_SECONDS if times <= _MOST_WITHHELD else None


def hold_seconds(failures: int) -> float:
    """How long a held folder waits after its `failures`-th failed probe: 1, 2, 4 ... at most 60 seconds."""
    return min(_FIRST_HOLD_SECONDS * _doubled(failures - 1), _LAST_HOLD_SECONDS)


def _doubled(times: int) -> float:
    return math.pow(2, min(times, _LAST_DOUBLING))
