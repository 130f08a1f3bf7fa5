"""The decoded picture, as every part of the matting knows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bshm_watchd.metadata import Metadata

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]
    """uint8, height x width x 3, RGB."""

    Alpha = npt.NDArray[np.uint8]
    """uint8, height x width; 0 is background, 255 is person."""


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A decoded picture.

    `pixels`: uint8, height x width x 3, RGB, upright (EXIF orientation applied), read-only. `opacity`: the file's own
    alpha channel, upright and read-only, None where it has none or all of it is 255; no matte is more opaque than it.
    """

    pixels: Pixels
    opacity: Alpha | None = None
    metadata: Metadata = field(default_factory=Metadata)

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])
