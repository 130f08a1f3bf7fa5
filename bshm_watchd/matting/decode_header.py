"""What a format's reader gives before any pixel is decoded, and how it refuses."""

from __future__ import annotations

import functools
import os
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from bshm_watchd.matting.exif import Exif

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels

Reason = Literal["broken", "too_large", "not_a_photo", "unsupported"]
Colours = Literal["RGB", "GRAY", "CMYK", "LAB"]

ROWS_AT_A_TIME = 256


class Refused(Exception):
    """The picture is at fault. `height` and `width` are 0 where the header could not be read."""

    def __init__(self, reason: Reason, detail: str, height: int = 0, width: int = 0) -> None:
        super().__init__(detail)
        self.reason: Reason = reason
        self.detail = detail
        self.height = height
        self.width = width


@dataclass(frozen=True, slots=True)
class Header:
    """Size as stored (before turning); `icc` and `dpi` as stored, too, and unchecked.

    `colours`: what the stored samples mean; `codec_turns`: the decoder gives the picture upright, `orientation` is
    already applied.
    """

    height: int
    width: int
    colours: Colours = "RGB"
    exif: Exif = field(default_factory=Exif)
    icc: bytes = b""
    dpi: tuple[float, float] | None = None
    pages: int = 1
    codec_turns: bool = False

    @property
    def orientation(self) -> int:
        return self.exif.orientation

    @property
    def lies_on_its_side(self) -> bool:
        return self.orientation >= 5

    def upright_size(self) -> tuple[int, int]:
        return (self.width, self.height) if self.lies_on_its_side else (self.height, self.width)

    def decoded_size(self) -> tuple[int, int]:
        """Height and width of what `Picture.decode` gives."""
        return self.upright_size() if self.codec_turns else (self.height, self.width)

    def broken(self, detail: str) -> Refused:
        return Refused("broken", detail, *self.upright_size())


class Picture(Protocol):
    """A file whose header was read. One class a format."""

    @property
    def header(self) -> Header: ...

    def decode(self, target: Pixels) -> Alpha | None:
        """Write 8-bit RGB into all of `target`, of `header.decoded_size()`; return the file's alpha of that size.

        Grey, CMYK and Lab are sRGB then; RGB is as stored, also under alpha 0. Raises `Refused`; whatever a codec
        only warns about (a missing tail that it would paint grey) is an error.
        """
        ...


Read = Callable[[memoryview], Picture]


def sized(height: int, width: int) -> tuple[int, int]:
    if height < 1 or width < 1:
        raise Refused("broken", "the picture has no pixels")
    return height, width


def open_cv(max_pixels: int | None = None) -> types.ModuleType:
    """OpenCV on one thread. Its own limits are read once, when it loads: give them with the first call."""
    if max_pixels is not None:
        for limit in ("PIXELS", "WIDTH", "HEIGHT"):
            os.environ[f"OPENCV_IO_MAX_IMAGE_{limit}"] = str(max_pixels)
    return _loaded_cv()


@functools.cache
def _loaded_cv() -> types.ModuleType:
    import cv2

    cv2.setNumThreads(1)
    return cv2
