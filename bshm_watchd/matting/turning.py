"""Pictures turned upright, as EXIF 2.32 defines the orientations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from bshm_watchd.matting.decode_header import open_cv

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def turn(stored: npt.NDArray[np.uint8], orientation: int, target: npt.NDArray[np.uint8]) -> None:
    """Write `stored`, of orientation 2 to 8, upright into `target`. Both of 1 or 3 channels."""
    cv2 = open_cv()
    turns: dict[int, Callable[[], object]] = {
        2: lambda: cv2.flip(stored, 1, dst=target),
        3: lambda: cv2.rotate(stored, cv2.ROTATE_180, dst=target),
        4: lambda: cv2.flip(stored, 0, dst=target),
        5: lambda: cv2.transpose(stored, dst=target),
        6: lambda: cv2.rotate(stored, cv2.ROTATE_90_CLOCKWISE, dst=target),
        7: lambda: cv2.transpose(cv2.rotate(stored, cv2.ROTATE_180), dst=target),
        8: lambda: cv2.rotate(stored, cv2.ROTATE_90_COUNTERCLOCKWISE, dst=target),
    }
    turns[orientation]()
