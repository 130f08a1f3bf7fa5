"""The foreground: a person's own colours under soft edges, without what the old background mixed into them.

Two steps. The colours on either side of the edge are known where alpha says person or background; they are carried
into the band between by a pyramid (pull-push: averages of known colours only, from the finest level that has any).
Then each pixel of the band takes the foreground F and the background B nearest to those two, in the sense of least
squares, with which alpha F + (1 - alpha) B is the pixel that the photo shows. That keeps every strand's own texture,
which the carried colours do not have. Multilevel estimation (Germer et al. 2020) and blur fusion (Forte 2021) measured
no better, at several times the cost: `python -m tests.halo PACK_DIR`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Floats = npt.NDArray[np.float32]
    Indices = npt.NDArray[np.intp]

_KNOWN = 242  # alpha from here on, and up to 255 minus this, shows one side's colour alone: 95 %
# Longer side of what is carried. Coarse cells cost less and measured no worse; in large photos colours slip in them.
_COARSE_PIXELS, _FINE_PIXELS, _SAFE_CELL = 256, 512, 8
_HAZE = 2  # alpha this near to 0 or 255 is a network's haze: whatever colour it has shows by two levels at most
_AT_A_TIME = 1 << 18  # soft pixels in one round, so that a matte that is soft everywhere needs no gigabytes
_REMAP_COLUMNS = 1 << 10


def foreground(pixels: Bytes, alpha: Bytes, opacity: Bytes | None = None) -> Bytes:
    """The estimated foreground where 2 < alpha < 253, the photo's own pixels everywhere else, bit for bit.

    `pixels`: uint8, height x width x 3; `alpha` and `opacity`: uint8, height x width. None of them is changed. Where
    `opacity`, the photo's own, is below 255, its colours are unmixed already and stay as they are. The same array
    comes back where nothing is soft, or too little is known to estimate from.
    """
    if next(soft_rounds(alpha, _HAZE), None) is None:
        return pixels
    in_front = _carried(pixels, alpha >= min(_KNOWN, int(alpha.max())))
    background = alpha <= max(255 - _KNOWN, int(alpha.min()))
    behind = _carried(pixels, background if opacity is None else background & (opacity == 255))
    if in_front is None or behind is None:
        return pixels
    estimated = pixels.copy()
    flat, flat_alpha = estimated.reshape(-1, 3), alpha.reshape(-1)
    for soft in soft_rounds(alpha, _HAZE):
        mixed = soft if opacity is None else soft[opacity.reshape(-1).take(soft) == 255]
        if not len(mixed):
            continue
        own, other = in_front.at(mixed), behind.at(mixed)
        flat[mixed] = _unmixed(flat.take(mixed, axis=0), flat_alpha.take(mixed), own, other)
    return estimated


def soft_rounds(alpha: Bytes, haze: int = 0) -> Iterator[Indices]:
    """The flat indices of all pixels with haze < alpha < 255 - haze, in rounds of bounded size."""
    import numpy as np

    step = max(1, _AT_A_TIME // alpha.shape[1])
    for top in range(0, len(alpha), step):
        above = alpha[top : top + step] - np.uint8(haze + 1)  # what is not above it wraps around to 255 or less
        soft = np.flatnonzero(above < 254 - 2 * haze)
        if len(soft):
            yield soft + top * alpha.shape[1]


def _unmixed(mixed: Bytes, alpha: Bytes, own: Floats, other: Floats) -> Bytes:
    """The foreground of N pixels: `own`, moved by this side's part of what `own` over `other` leaves unexplained.

    F = F0 + a r / (a^2 + (1 - a)^2) with r = I - a F0 - (1 - a) B0: the nearest F to F0 and B to B0 with which
    a F + (1 - a) B = I. The factor never exceeds 1.21, so that noise is not blown up.
    """
    import numpy as np

    a = alpha.astype(np.float32)[:, None] / np.float32(255)
    left_over = mixed - other - a * (own - other)
    own += a / (a * a + (1 - a) * (1 - a)) * left_over
    return cast("Bytes", np.rint(own, out=own).clip(0, 255).astype(np.uint8))


# -- carrying known colours into the band -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Carried:
    """Colours of one side everywhere: float32, one for each `down` x `across` pixels of a photo of this width."""

    colours: Floats
    down: int
    across: int
    width: int

    def at(self, indices: Indices) -> Floats:
        """The colours at these flat indices of the photo, between cells interpolated; N x 3."""
        import cv2
        import numpy as np

        rows, columns = np.divmod(indices, self.width)
        x, y = _in_cells(columns, self.across), _in_cells(rows, self.down)
        found = cv2.remap(self.colours, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return cast("Floats", found.reshape(-1, 3)[: len(indices)])


def _in_cells(pixels: Indices, cell: int) -> Floats:
    """Where the middles of these pixels lie, counted in cells. In rows, filled up: OpenCV takes 32767 at most."""
    import numpy as np

    places = (pixels.astype(np.float32) + np.float32(0.5)) / np.float32(cell) - np.float32(0.5)
    missing = -len(places) % _REMAP_COLUMNS
    return cast("Floats", np.pad(places, (0, missing)).reshape(-1, _REMAP_COLUMNS))


def _carried(pixels: Bytes, known: npt.NDArray[np.bool_]) -> _Carried | None:
    """The colours where `known`, and those near them everywhere else. None where next to nothing is known.

    What does not fill a cell at the right and at the lower side is left out: whole cells are averaged eight times as
    fast.
    """
    import cv2
    import numpy as np

    cv2.setNumThreads(1)
    height, width = known.shape
    cell = _cell(max(height, width))
    down, across = min(cell, height), min(cell, width)
    size = (width // across, height // down)
    whole = slice(size[1] * down), slice(size[0] * across)
    marks = known.view(np.uint8) * np.uint8(255)
    colours = cv2.resize(cv2.copyTo(pixels, marks)[whole], size, interpolation=cv2.INTER_AREA)
    share = cv2.resize(marks[whole], size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], 1)
    if not share.any():
        return None
    weighted = np.concatenate([colours.reshape(size[1], size[0], 3), share], axis=2, dtype=np.float32)
    weighted[..., 3] /= 255
    return _Carried(_filled(weighted), down, across, width)


def _cell(longer_side: int) -> int:
    """Pixels of the photo, across and down, that share a colour."""
    coarse, fine = -(-longer_side // _COARSE_PIXELS), -(-longer_side // _FINE_PIXELS)
    return max(fine, min(coarse, _SAFE_CELL))


def _filled(weighted: Floats) -> Floats:
    """Colours without gaps, from colours times their weights (0 to 1) with the weights behind them as a fourth.

    Where the weight is below 1 the rest comes from the next coarser level, down to one pixel.
    """
    import cv2
    import numpy as np

    height, width = weighted.shape[:2]
    weights = weighted[..., 3:]
    if height == width == 1:
        return weighted[..., :3] / weights
    size = ((width + 1) // 2, (height + 1) // 2)
    averaged = cv2.resize(weighted, size, interpolation=cv2.INTER_AREA)
    coarser = np.asarray(averaged, np.float32).reshape(size[1], size[0], 4)
    # One known pixel of four is enough to know the colour of all four at that level.
    coarser = coarser * np.minimum(4, 1 / np.maximum(coarser[..., 3:], np.float32(1e-9)))
    rest = cv2.resize(_filled(coarser), (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width, 3)
    return weighted[..., :3] + rest * (1 - weights)
