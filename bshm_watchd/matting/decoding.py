"""From a file's bytes to upright 8-bit RGB pixels. Runs in the decode child; nothing here trusts its input.

The magic bytes decide what a file is, never its name. Limits are checked on the header, before anything of the
picture's size is allocated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bshm_watchd.matting import decode_jpeg, decode_png, decode_tiff, decode_webp
from bshm_watchd.matting.adobe_rgb import adobe_rgb
from bshm_watchd.matting.decode_header import Header, Picture, Read, Refused, open_cv
from bshm_watchd.matting.profile import rgb_profile
from bshm_watchd.matting.turning import turn
from bshm_watchd.metadata import Metadata

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels

__all__ = ["Allocate", "Decoded", "Refused", "decode_picture", "open_cv"]

Allocate = Callable[[int, int], "Pixels"]


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """What a picture has besides its pixels, as in `Photo`."""

    opacity: Alpha | None
    metadata: Metadata


def decode_picture(content: memoryview, max_pixels: int, allocate: Allocate) -> Decoded:
    """Decode `content` into the array that `allocate(height, width)` gives (uint8, height x width x 3, contiguous).

    `allocate` is called once, with the upright size, and only when that is within `max_pixels`. Every pixel of what it
    gives is written, whatever was there before. Raises `Refused`.
    """
    picture = _reader_of(content)(content)
    header = picture.header
    if header.height * header.width > max_pixels:
        raise Refused("too_large", "more pixels than allowed", *header.upright_size())
    opacity = _decode_upright(picture, allocate(*header.upright_size()))
    return Decoded(None if opacity is None or opacity.min() == 255 else opacity, _metadata(header))


def _reader_of(content: memoryview) -> Read:
    head = bytes(content[:16])
    for magics, read in _KINDS:
        if head.startswith(magics):
            return read
    form = decode_webp.FORM_OFFSET
    if head.startswith(decode_webp.MAGIC) and head[form : form + 4] == decode_webp.FORM:
        return decode_webp.read_webp
    raise Refused("not_a_photo", "neither JPEG, PNG, WebP nor TIFF")


_KINDS: tuple[tuple[tuple[bytes, ...], Read], ...] = (
    ((decode_jpeg.MAGIC,), decode_jpeg.read_jpeg),
    ((decode_png.MAGIC,), decode_png.read_png),
    (decode_tiff.MAGICS, decode_tiff.read_tiff),
)


def _decode_upright(picture: Picture, target: Pixels) -> Alpha | None:
    header = picture.header
    if header.orientation == 1 or header.codec_turns:
        return picture.decode(target)
    stored = np.empty((*header.decoded_size(), 3), np.uint8)
    opacity = picture.decode(stored)
    turn(stored, header.orientation, target)
    if opacity is None:
        return None
    upright = np.empty(target.shape[:2], np.uint8)
    turn(opacity, header.orientation, upright)
    return upright


def _metadata(header: Header) -> Metadata:
    dpi = header.dpi[::-1] if header.dpi and header.lies_on_its_side else header.dpi
    said = header.exif if header.colours == "RGB" else header.exif.of_srgb()
    exif, exif_without_gps = said.of_upright(*header.upright_size(), dpi)
    return Metadata(_profile(header), exif, exif_without_gps, dpi, header.pages)


def _profile(header: Header) -> bytes:
    if header.colours != "RGB":
        return b""
    return rgb_profile(header.icc) or (adobe_rgb() if header.exif.adobe_rgb else b"")
