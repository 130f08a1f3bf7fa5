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
    def width(self) -> int:
        return int(self.array.shape[1])

    @property
    def row_bytes(self) -> int:
        """Of a filtered row, the filter's number in front."""
        return 1 + int(self.array[0].size)

    @property
    def _step(self) -> int:
        return int(self.array[0, 0].size)

    def strips(self, top: int, bottom: int) -> Iterator[Bytes]:
        """The rows from `top` to `bottom`, some at a time, in one buffer that is used again for the next.

        A row longer than the buffer comes in parts, one after the other.
        """
        buffer = np.empty(_CACHED_BYTES + 1, np.uint8)
        for rows, columns in self._blocks(top, bottom):
            yield self._into(self._shaped(buffer, rows, columns), rows, columns)

    def rows(self, top: int, bottom: int) -> Bytes:
        """The rows from `top` to `bottom` in a new array."""
        whole = np.empty((bottom - top, self.row_bytes), np.uint8)
        for rows, columns in self._blocks(top, bottom):
            left = 1 + columns.start * self._step if columns.start else 0
            self._into(whole[rows.start - top : rows.stop - top, left : 1 + columns.stop * self._step], rows, columns)
        return whole

    def part(self, rows: slice, columns: slice) -> Bytes:
        """A new flat array of these pixels' filtered bytes; from column 0 on with the filters' numbers."""
        buffer = np.empty((rows.stop - rows.start) * (1 + (columns.stop - columns.start) * self._step), np.uint8)
        return self._into(self._shaped(buffer, rows, columns), rows, columns).reshape(-1)

    def _blocks(self, top: int, bottom: int) -> Iterator[tuple[slice, slice]]:
        """Rows and columns of what is filtered at a time: whole rows, or parts of a single one."""
        height, width = max(1, _CACHED_BYTES // self.row_bytes), max(1, _CACHED_BYTES // self._step)
        for start in range(top, bottom, height):
            for left in range(0, self.width, width):
                yield slice(start, min(start + height, bottom)), slice(left, min(left + width, self.width))

    def _shaped(self, buffer: Bytes, rows: slice, columns: slice) -> Bytes:
        height = rows.stop - rows.start
        row_bytes = (columns.stop - columns.start) * self._step + (columns.start == 0)
        return buffer[: height * row_bytes].reshape(height, row_bytes)

    def _into(self, out: Bytes, rows: slice, columns: slice) -> Bytes:
        """`out` filled; it has room for the filters' numbers where `columns` begin with the first."""
        if columns.start == 0:
            out[:, 0] = self.filter.number
            if rows.start == 0:
                out[0, 0] = SUB.number
            self._differences(out[:, 1:], rows, columns)
        else:
            wider = np.empty((len(out), self._step + out.shape[1]), np.uint8)
            self._differences(wider, rows, slice(columns.start - 1, columns.stop))
            out[:] = wider[:, self._step :]
        return out

    def _differences(self, out: Bytes, rows: slice, columns: slice) -> None:
        """As if there were nothing to the left of `columns`."""
        source = np.ascontiguousarray(self.array[max(0, rows.start - 1) : rows.stop, columns]).reshape(-1, out.shape[1])
        if rows.start == 0:
            SUB.differences(source[:1], source[:1], self._step, out[:1])
            out = out[1:]
        self.filter.differences(source[1:], source[:-1], self._step, out)


@dataclass(frozen=True, slots=True)
class Filter:
    """`number`: as in the file. `differences(rows, above, step, out)`: `step` bytes to the left is the same channel."""

    number: int
    differences: Callable[[Bytes, Bytes, int, Bytes], None]


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
