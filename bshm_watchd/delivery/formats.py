"""From pixels to the bytes of a file: one row a format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bshm_watchd.metadata import Metadata
from bshm_watchd.output_settings import FileFormat

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]

_FIXED_BYTES = 4 << 20
_COPIED_BYTES = 32 << 20  # up to this size malloc may have to copy what grows; what is larger the kernel moves
_UNLIMITED = 1 << 62

Content = bytes | bytearray | memoryview
"""A whole file. A memoryview is of single bytes, so that its `len` is the file's."""


class CannotEncode(ValueError):
    """This picture cannot be a file of that format. The message says why, and which format can."""


def encode(array: Bytes, file_format: FileFormat, metadata: Metadata, quality: int) -> Content:
    """The finished file of uint8 pixels: height x width (grey), or height x width x 3 (RGB) or x 4 (straight RGBA).

    `array` may have any strides, and is not changed. JPEG takes RGB only and loses what `quality` (1..100) says; the
    others keep every value, also colours under alpha 0. `metadata.exif` is embedded as it is: choose the block with or
    without the place before. The profile, one of RGB, is left out of grey files. Raises `CannotEncode`.
    """
    row = _FORMATS[file_format]
    _check(array, metadata, row)
    if array.ndim == 2:
        metadata = replace(metadata, icc=b"")
    return row.encode(array, metadata, quality)


def encoding_bytes(file_format: FileFormat, height: int, width: int, channels: int) -> int:
    """What `encode` takes at its peak beyond the array, the finished file included: seen at most, which is on noise."""
    grown = round(height * width * channels * _FORMATS[file_format].value_bytes[channels])
    return _FIXED_BYTES + grown + min(grown, _COPIED_BYTES)


def _check(array: Bytes, metadata: Metadata, row: _Format) -> None:
    height, width = array.shape[:2]
    if max(height, width) > row.max_side:
        raise CannotEncode(
            f"{row.name} pictures have at most {row.max_side} pixels a side, this one {width} x {height}; write PNG"
        )
    if array.nbytes > row.max_bytes:
        raise CannotEncode(f"{row.name} files cannot hold {width} x {height} pixels; write PNG")
    if len(metadata.exif) > row.max_exif_bytes:
        raise CannotEncode(
            f"{row.name} files hold at most {row.max_exif_bytes} bytes of EXIF, this photo has {len(metadata.exif)}; "
            "write PNG"
        )


def _png(array: Bytes, metadata: Metadata, quality: int) -> Content:
    from bshm_watchd.delivery.png import encode_png

    return encode_png(array, metadata)


def _webp(array: Bytes, metadata: Metadata, quality: int) -> Content:
    from bshm_watchd.delivery.webp import encode_webp

    return encode_webp(array, metadata)


def _tiff(array: Bytes, metadata: Metadata, quality: int) -> Content:
    from bshm_watchd.delivery.tiff import encode_tiff

    return encode_tiff(array, metadata)


def _jpeg(array: Bytes, metadata: Metadata, quality: int) -> Content:
    from bshm_watchd.delivery.jpeg import encode_jpeg

    return encode_jpeg(array, metadata, quality)


@dataclass(frozen=True, slots=True)
class _Format:
    """`value_bytes`: by channels, what encoding takes at its peak for each value of a pixel."""

    name: str
    encode: Callable[[Bytes, Metadata, int], Content]
    value_bytes: dict[int, float]
    max_side: int
    max_bytes: int = _UNLIMITED
    max_exif_bytes: int = _UNLIMITED


_FORMATS: dict[FileFormat, _Format] = {
    "png": _Format("PNG", _png, {1: 1.2, 3: 1.2, 4: 1.2}, (1 << 31) - 1),
    "webp": _Format("WebP", _webp, {1: 34, 3: 9.5, 4: 6.5}, 16_383),  # libwebp's own working copies
    "tiff": _Format("TIFF", _tiff, {1: 1.2, 3: 1.1, 4: 1.1}, (1 << 31) - 1, max_bytes=4_000_000_000),
    "jpeg": _Format("JPEG", _jpeg, {3: 2.8}, 65_500, max_exif_bytes=65_527),  # at quality 100
}
