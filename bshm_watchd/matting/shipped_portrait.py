"""The portrait that is shipped with this program, for measuring where there are no photos."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bshm_watchd.matting.bundle import catalogue
from bshm_watchd.matting.golden import read_picture

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Pixels


def shipped_portrait() -> Pixels:
    """As it is shipped, some hundred pixels a side."""
    shipped = catalogue()["portrait"]
    return read_picture(shipped.path(shipped.manifest.golden[0].picture)).pixels


def framed(portrait: Pixels, height: int, width: int) -> Pixels:
    """Enlarged to that height, its sides filled up with its own last columns."""
    import cv2

    enlarged_width = min(width, round(portrait.shape[1] * height / portrait.shape[0]))
    enlarged = cv2.resize(portrait, (enlarged_width, height), interpolation=cv2.INTER_LANCZOS4)
    left = (width - enlarged_width) // 2
    filled = cv2.copyMakeBorder(enlarged, 0, 0, left, width - enlarged_width - left, cv2.BORDER_REPLICATE)
    return filled.astype(np.uint8, copy=False)
