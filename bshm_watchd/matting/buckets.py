"""Shape buckets: the few sizes that pictures are padded to, so that batches form and every size was warmed up.

A photo is made smaller to fit the working side, as always. What is missing to the next bucket is filled with its own
last row and column (nothing is squeezed), and cut off again from the alpha.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels

# Shorter to longer side of what cameras and retouchers make: square, 5:4, 4:3, 3:2, 16:9; longer ones are padded most.
_RATIOS = (1.0, 4 / 5, 3 / 4, 2 / 3, 9 / 16)
_NEARLY = 1.01
_SCALES = (1.0, 0.5, 0.25)  # photos smaller than half the working side go into smaller buckets

Size = tuple[int, int]
"""Height and width in pixels."""


def fitted(height: int, width: int, longest_side: int) -> Size:
    """The photo's own size, made smaller where its longer side is more than `longest_side`."""
    share = min(1.0, longest_side / max(height, width))
    return max(1, round(height * share)), max(1, round(width * share))


@lru_cache(maxsize=32)
def buckets(longest_side: int, stride: int) -> tuple[Size, ...]:
    """All sizes, smallest area first: both sides multiples of `stride`, upright and lying.

    `longest_side` must be a multiple of `stride`.
    """
    sizes = set()
    for scale in _SCALES:
        longer = _up(longest_side * scale, stride)
        for ratio in _RATIOS:
            shorter = _up(longest_side * scale * ratio, stride)
            sizes |= {(longer, shorter), (shorter, longer)}
    return tuple(sorted(sizes, key=lambda size: (size[0] * size[1], size)))


@lru_cache(maxsize=1024)
def placed(height: int, width: int, longest_side: int, stride: int) -> tuple[Size, Size]:
    """Working size of a photo of this height and width, and the bucket that holds it.

    A photo that is nearly of a bucket's shape is squeezed by a hundredth rather than put into a larger one: cameras
    round their sides, 7952 x 5304 is meant to be 3:2.
    """
    tall, wide = fitted(height, width, longest_side)
    for size in buckets(longest_side, stride):
        if tall <= size[0] * _NEARLY and wide <= size[1] * _NEARLY:
            return (min(tall, size[0]), min(wide, size[1])), size
    raise AssertionError("the largest bucket holds whatever fits the longest side")


def padded(pixels: Pixels, size: Size) -> Pixels:
    """Filled up at the right and at the bottom; the same array where nothing is missing."""
    down, right = size[0] - pixels.shape[0], size[1] - pixels.shape[1]
    if down == right == 0:
        return pixels
    return np.asarray(cv2.copyMakeBorder(pixels, 0, down, 0, right, cv2.BORDER_REPLICATE), np.uint8)


def cropped(alpha: Alpha, height: int, width: int) -> Alpha:
    """What is left of a padded picture's alpha."""
    return alpha[:height, :width]


def _up(value: float, stride: int) -> int:
    return -(-round(value) // stride) * stride
