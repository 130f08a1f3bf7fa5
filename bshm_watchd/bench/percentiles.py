"""What is told of many samples: the times that so many of them keep to."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

TOLD = (50, 95, 99)


def percentile(samples: Sequence[float], percent: float) -> float:
    """The value that `percent` of the samples do not exceed, interpolated between neighbours.

    Hyndman and Fan's definition 7 (The American Statistician 50, 1996), as numpy and R do it. Raises `ValueError`
    where there are no samples, or for a percentage outside 0 to 100.
    """
    if not samples or not 0 <= percent <= 100:
        raise ValueError(f"no percentile {percent:g} of {len(samples)} samples")
    ordered = sorted(samples)
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def is_backed(samples: Sequence[float], percent: float) -> bool:
    """Whether at least one sample lies beyond that percentile; else it tells little more than the slowest one."""
    return len(samples) * (100 - percent) / 100 >= 1


def spread(samples: Sequence[float]) -> float:
    """Half the width of the middle half, relative to the median: how much rounds of one run differ."""
    middle = statistics.median(samples)
    return (percentile(samples, 75) - percentile(samples, 25)) / 2 / middle if middle else 0.0
