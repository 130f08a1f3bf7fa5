"""Rendering where no background picture is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bshm_watchd.delivery.render import Renderer


class _NoPictures:
    def fitted(self, path: Path, height: int, width: int, icc: bytes) -> NDArray[np.uint8]:
        raise AssertionError(f"nobody configured the background {path}")


render = Renderer(_NoPictures())
