"""How far one matte is from another at the edge, where people look first and a mean over the picture tells little."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    Floats = npt.NDArray[np.floating[Any]]

BEST_PSNR = 60.0  # for equal edges, where the formula has no end
_EDGE_PIXELS = 3


def edge_psnr(found: Floats, truth: Floats) -> float:
    """Decibels, 60 at most, for alphas of one shape, 0 to 1.

    Peak signal to noise where the truth changes, and three pixels to either side of that. Where the truth has no edge,
    the whole picture counts.
    """
    edge = edge_band(truth)
    if not edge.any():
        edge[:] = True
    mean = float(((found - truth)[edge] ** 2).mean())
    return min(BEST_PSNR, -10 * float(np.log10(mean))) if mean > 0 else BEST_PSNR


def edge_band(truth: Floats) -> npt.NDArray[np.bool_]:
    """Where alpha changes, and `_EDGE_PIXELS` to either side of that."""
    size = np.ones((3, 3), np.uint8)
    changing = cv2.dilate(truth, size) > cv2.erode(truth, size)
    wide = np.ones((2 * _EDGE_PIXELS - 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(changing.astype(np.uint8), wide) > 0)
