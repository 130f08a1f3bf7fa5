"""PNG's filters: each row as differences from its neighbours, which are small where a picture is smooth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]

_CACHED_BYTES = 256 << 10  # what is filtered at a time: it is compressed while it lies in the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Filtered:
    """A picture (height x width, or height x width x channels, uint8, any strides) as filtered rows of bytes.

    The first row has none above it: it is filtered by `sub`, all others by `filter`.
    """

    array: Bytes
    filter: Filter

    @property
    def height(self) -> int:
        return int(self.array.shape[0])

    @property
    def row_bytes(self) -> int:
        """Of a filtered row, the filter's number in front."""
        return 1 + int(self.array[0].size)

    @property
    def _step(self) -> int:
        return int(self.array[0, 0].size)

    def strips(self, top: int, bottom: int) -> Iterator[Bytes]:
        """The rows from `top` to `bottom`, some at a time, in one buffer that is used again for the next."""
        height = max(1, _CACHED_BYTES // self.row_bytes)
        buffer = np.empty((min(height, bottom - top), self.row_bytes), np.uint8)
        for start in range(top, bottom, height):
            end = min(start + height, bottom)
            yield self._into(buffer[: end - start], start)

    def rows(self, top: int, bottom: int) -> Bytes:
        """The rows from `top` to `bottom` in a new array."""
        rows = np.empty((bottom - top, self.row_bytes), np.uint8)
        height = max(1, _CACHED_BYTES // self.row_bytes)
        for start in range(0, bottom - top, height):
            self._into(rows[start : start + height], top + start)
        return rows

    def _into(self, out: Bytes, top: int) -> Bytes:
        """As many rows as `out` has, from `top` on."""
        first = 1 if top == 0 else 0
        above = top + first - 1
        source = np.ascontiguousarray(self.array[above : top + len(out)]).reshape(top + len(out) - above, -1)
        if first:
            _filter(SUB, source[:1], source[:1], self._step, out[:1])
        _filter(self.filter, source[1:], source[:-1], self._step, out[first:])
        return out


@dataclass(frozen=True, slots=True)
class Filter:
    """`number`: as in the file. `differences(rows, above, step, out)`: `step` bytes to the left is the same channel."""

    number: int
    differences: Callable[[Bytes, Bytes, int, Bytes], None]


def _filter(chosen: Filter, rows: Bytes, above: Bytes, step: int, out: Bytes) -> None:
    out[:, 0] = chosen.number
    chosen.differences(rows, above, step, out[:, 1:])


def _sub(rows: Bytes, above: Bytes, step: int, out: Bytes) -> None:
    out[:, :step] = rows[:, :step]
    np.subtract(rows[:, step:], rows[:, :-step], out=out[:, step:])


def _up(rows: Bytes, above: Bytes, step: int, out: Bytes) -> None:
    np.subtract(rows, above, out=out)


def _average(rows: Bytes, above: Bytes, step: int, out: Bytes) -> None:
    """The mean of left and above, rounded down, without a sum that would not fit: (a & b) + ((a ^ b) >> 1)."""
    mean = above >> 1  # what holds where there is nothing to the left
    left, over = rows[:, :-step], above[:, step:]
    mean[:, step:] = (left & over) + ((left ^ over) >> 1)
    np.subtract(rows, mean, out=out)


def _paeth(rows: Bytes, above: Bytes, step: int, out: Bytes) -> None:
    """Whichever of left, above and the corner between them is nearest to left + above - corner.

    In unsigned bytes and without a branch. Say how far the corner lies inside the range of the other two: `over` its
    lower end, `under` its upper end, 0 where it is outside on that side. The upper end is nearest where
    under >= 2 over, the lower one where over >= 2 under, else the corner. (Where two are as near, they are the same.)
    """
    np.subtract(rows[:, :step], above[:, :step], out=out[:, :step])
    left, up, corner = rows[:, :-step], above[:, step:], above[:, :-step]
    lower, upper = np.minimum(left, up), np.maximum(left, up)
    over = np.maximum(corner, lower) - lower
    under = np.maximum(upper, corner) - corner
    nearest_is_upper, nearest_is_lower = under >> 1 >= over, over >> 1 >= under
    over *= nearest_is_lower
    under *= nearest_is_upper
    over -= under
    over -= corner  # what to add instead of the prediction to subtract: corner + under - over
    np.add(rows[:, step:], over, out=out[:, step:])


SUB = Filter(1, _sub)
UP = Filter(2, _up)
AVERAGE = Filter(3, _average)
PAETH = Filter(4, _paeth)
