"""Bringing a photo to the model's size and its alpha back, on one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels

# Other photos use the other cores.
cv2.setNumThreads(1)


def shrunk(pixels: Pixels, height: int, width: int) -> Pixels:
    """To height x width, as Lanczos would: averaged down to twice the size first, which costs a third at 24 megapixels.

    Against Lanczos all the way the alpha of the networks used here differs by 0.0005 (averaging alone: 0.002, and up
    to 0.02 in single photos). The same array is returned where nothing is to do.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    nearly = _averaged(pixels, 2 * height, 2 * width)
    return np.asarray(Image.fromarray(nearly).resize((width, height), Image.Resampling.LANCZOS))


def _averaged(pixels: Pixels, least_height: int, least_width: int) -> Pixels:
    height, width = pixels.shape[:2]
    rows, columns = max(1, height // least_height), max(1, width // least_width)
    if rows == columns == 1:
        return pixels
    size = round(width / columns), round(height / rows)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def enlarged(alpha: Alpha, height: int, width: int) -> Alpha:
    """To the photo's height x width, by cubic interpolation: as cheap as linear, and half as far from Lanczos.

    A photo smaller than its alpha gets averages. The same array is returned where nothing is to do.
    """
    if alpha.shape == (height, width):
        return alpha
    smaller = height <= alpha.shape[0] and width <= alpha.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(alpha, (width, height), interpolation=how), np.uint8)
