"""Which photos make the next batch: pure.

Full batches first, since a busy model gains nothing from a small one while others fill up; but nobody is passed over
for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# So many batches may begin before a photo that came earlier; then it is its turn, however few are like it.
PATIENCE_BATCHES = 16


@dataclass(frozen=True, slots=True)
class Alike:
    """The waiting photos of one shape. `passed_over`: batches begun since the oldest of them came."""

    waiting: int
    most: int  # that one batch may hold of them, 1 or more
    oldest_waited_seconds: float
    passed_over: int = 0

    @property
    def count(self) -> int:
        """How many a batch would take now."""
        return min(self.waiting, self.most)

    def due(self, max_wait_seconds: float) -> int:
        """How many to infer now; 0 means it is worth waiting for more."""
        is_due = self.count == self.most or self.oldest_waited_seconds >= max_wait_seconds
        return self.count if is_due else 0


def chosen(shapes: Sequence[Alike], max_wait_seconds: float) -> int | None:
    """The index of those that make the next batch; None while none is due.

    In this order: who was passed over too often, longest first; the fuller batch; the oldest photo.
    """
    due = [index for index, alike in enumerate(shapes) if alike.due(max_wait_seconds)]

    def urgency(index: int) -> tuple[int, float, float]:
        alike = shapes[index]
        overtaken = max(0, alike.passed_over - PATIENCE_BATCHES + 1)
        return overtaken, alike.count / alike.most, alike.oldest_waited_seconds

    return max(due, key=urgency, default=None)


def wait_seconds(shapes: Sequence[Alike], max_wait_seconds: float) -> float | None:
    """How long until the first of them is due if nobody comes; None: not before somebody comes."""
    return min((max_wait_seconds - alike.oldest_waited_seconds for alike in shapes), default=None)
