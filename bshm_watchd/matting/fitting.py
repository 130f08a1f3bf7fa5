"""What the device's memory takes, learned from what it did not take; and having the device to oneself."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Fitting:
    """The largest batches that may still be tried, by the pictures' pixels. Guarded by whoever owns it.

    What did not fit is not tried again, neither with these pictures nor with larger ones. 0 says that even one picture
    did not fit while the device did other work: it gets the device to itself.
    """

    _most: dict[int, int] = field(default_factory=dict)  # by the pixels of one picture

    def __str__(self) -> str:
        """`at most 2 from 518,400 pixels on, 1 from 2,073,600 pixels on`; empty while everything fits."""
        sizes = (f"{most or 'alone'} from {pixels:,} pixels on" for pixels, most in sorted(self._most.items()))
        return "at most " + ", ".join(sizes) if self._most else ""

    def most(self, pixels: int, wanted: int) -> int:
        """How many pictures of so many pixels one batch may hold; at most `wanted`, 0: see above."""
        return min([wanted, *(most for learned, most in self._most.items() if learned <= pixels)])

    def did_not_fit(self, pixels: int, count: int) -> bool:
        """Half of it from now on, for these and larger pictures; 1 becomes 0. False: something smaller was known."""
        half = (count + 1) // 2 if count > 1 else 0
        if half >= self.most(pixels, count):
            return False
        self._most = {learned: most for learned, most in self._most.items() if learned < pixels or most < half}
        self._most[pixels] = half
        return True


class Turns:
    """Who uses the device, in the order of asking: many at once, or one that needs all of it. From any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        # Guarded by _changed.
        self._asking: deque[object] = deque()
        self._using = 0
        self._is_taken_alone = False

    def __repr__(self) -> str:
        return f"<Turns {self._using} using, {len(self._asking)} waiting>"

    @contextlib.contextmanager
    def turn(self, *, alone: bool) -> Iterator[None]:
        """Blocks until it is given: a lone one waits for those that use the device, and everybody after it for it."""
        self._begin(alone=alone)
        try:
            yield
        finally:
            self._end()

    def _begin(self, *, alone: bool) -> None:
        asking = object()
        with self._changed:
            self._asking.append(asking)
            self._changed.wait_for(lambda: self._asking[0] is asking and self._may_begin(alone=alone))
            self._asking.popleft()
            self._using += 1
            self._is_taken_alone = alone
            self._changed.notify_all()

    def _may_begin(self, *, alone: bool) -> bool:
        return not self._using if alone else not self._is_taken_alone

    def _end(self) -> None:
        with self._changed:
            self._using -= 1
            self._is_taken_alone = False
            self._changed.notify_all()
