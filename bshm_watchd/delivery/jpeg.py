"""Writing JPEG: libjpeg-turbo's stream, with the segments that say more put in front."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from bshm_watchd.metadata import Metadata

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]

_FULL_COLOUR_FROM = 90  # from this quality on, colours are as sharp as brightness
_DENSITY = slice(13, 18)  # in the JFIF segment, which begins the file behind the marker of its start
_INCH = 1
_SEGMENT_BYTES = 65_533  # what one segment holds
_EXIF_HEAD = b"Exif\0\0"
_ICC_HEAD = b"ICC_PROFILE\0"
_EXIF, _ICC = 0xE1, 0xE2


def encode_jpeg(array: Bytes, metadata: Metadata, quality: int) -> bytes:
    """A whole baseline JPEG file of uint8 RGB, height x width x 3. `quality`: 1..100, libjpeg's scale."""
    import numpy as np
    import simplejpeg

    sampling = "444" if quality >= _FULL_COLOUR_FROM else "420"
    pixels = np.ascontiguousarray(array)
    stream = simplejpeg.encode_jpeg(pixels, quality=quality, colorspace="RGB", colorsubsampling=sampling)
    jfif_end = 4 + struct.unpack_from(">H", stream, 4)[0]
    jfif = bytearray(stream[:jfif_end])
    if metadata.dpi:
        jfif[_DENSITY] = struct.pack(">BHH", _INCH, *(min(65_535, max(1, round(side))) for side in metadata.dpi))
    return b"".join((jfif, _segments(metadata), memoryview(stream)[jfif_end:]))


def _segments(metadata: Metadata) -> bytes:
    exif = _segment(_EXIF, _EXIF_HEAD + metadata.exif) if metadata.exif else b""
    return exif + _profile(metadata.icc)


def _profile(icc: bytes) -> bytes:
    """In as many numbered parts as it takes."""
    part_bytes = _SEGMENT_BYTES - len(_ICC_HEAD) - 2
    parts = [icc[start : start + part_bytes] for start in range(0, len(icc), part_bytes)]
    return b"".join(
        _segment(_ICC, _ICC_HEAD + bytes([number, len(parts)]) + part) for number, part in enumerate(parts, start=1)
    )


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
