"""From a file's bytes to upright 8-bit RGB pixels. Runs in the decode child; nothing here trusts its input.

The magic bytes decide what a file is, never its name. Limits are checked on the header, before anything of the
picture's size is allocated. Whatever a codec only warns about (a missing tail that it would paint grey) is an error.
"""

from __future__ import annotations

import functools
import io
import os
import struct
import types
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import simplejpeg
from PIL import Image

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Pixels

Allocate = Callable[[int, int], "Pixels"]
Reason = Literal["broken", "too_large", "not_a_photo"]

_ORIENTATION_TAG = 0x0112
_TURNED_BY_90 = (5, 6, 7, 8)
_ROWS_AT_A_TIME = 256
# What Pillow and its EXIF reader raise on hostile headers.
_BAD_HEADER = (OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, AttributeError, struct.error)


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
    """Size as stored (before turning), EXIF orientation 1-8, and whether the fast JPEG route takes it."""

    height: int
    width: int
    orientation: int
    plain: bool = True

    def upright_size(self) -> tuple[int, int]:
        return (self.width, self.height) if self.orientation in _TURNED_BY_90 else (self.height, self.width)


def decode_picture(content: memoryview, max_pixels: int, allocate: Allocate) -> None:
    """Decode `content` into the array that `allocate(height, width)` gives (uint8, height x width x 3, contiguous).

    `allocate` is called once, with the upright size, and only when that is within `max_pixels`. Raises `Refused`.
    """
    kind = _kind_of(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about damaged metadata, which is no reason to refuse or to speak
        header = kind.read_header(content)
    if header.height * header.width > max_pixels:
        raise Refused("too_large", "more pixels than allowed", *header.upright_size())
    target = allocate(*header.upright_size())
    if header.orientation == 1:
        kind.decode(content, header, target)
        return
    stored = np.empty((header.height, header.width, 3), np.uint8)
    kind.decode(content, header, stored)
    _turn(stored, header.orientation, target)


@dataclass(frozen=True, slots=True)
class _Kind:
    magic: bytes
    read_header: Callable[[memoryview], Header]
    decode: Callable[[memoryview, Header, Pixels], None]


def _kind_of(content: memoryview) -> _Kind:
    for kind in _KINDS:
        if content[: len(kind.magic)] == kind.magic:
            return kind
    raise Refused("not_a_photo", "neither JPEG nor PNG")


def open_cv(max_pixels: int | None = None) -> types.ModuleType:
    """OpenCV on one thread. Its own pixel limit is read once, when it loads: give it with the first call."""
    if max_pixels is not None:
        os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(max_pixels)
    return _loaded_cv()


@functools.cache
def _loaded_cv() -> types.ModuleType:
    import cv2

    cv2.setNumThreads(1)
    return cv2


# -- JPEG ----------------------------------------------------------------------------------------------------


def _jpeg_header(content: memoryview) -> Header:
    with _opened_jpeg(content) as image:
        exif = image.info.get("exif", b"")
        return _header(image.height, image.width, _orientation(exif), plain=_is_plain_jpeg(content))


def _opened_jpeg(content: memoryview) -> Image.Image:
    """Pillow's reading of the markers up to the first scan; no pixel is decoded."""
    Image.MAX_IMAGE_PIXELS = None  # our own limit applies, on the header and before any allocation
    try:
        return Image.open(io.BytesIO(content), formats=("JPEG",))
    except _BAD_HEADER as error:
        raise Refused("broken", "damaged JPEG header") from error


def _is_plain_jpeg(content: memoryview) -> bool:
    """Grey or three components in a subsampling that libjpeg-turbo's own interface knows."""
    try:
        *_, colours, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return False
    return colours in ("Gray", "YCbCr", "RGB")


def _decode_jpeg(content: memoryview, header: Header, target: Pixels) -> None:
    if not header.plain:
        return _decode_odd_jpeg(content, target)
    try:
        simplejpeg.decode_jpeg(content, "RGB", buffer=target, strict=True)
    except ValueError as error:
        raise Refused("broken", str(error), header.height, header.width) from error
    return None


def _decode_odd_jpeg(content: memoryview, target: Pixels) -> None:
    """CMYK, YCCK and rare subsamplings: Pillow knows their conventions (Adobe's inverted inks)."""
    with _opened_jpeg(content) as image:
        try:
            target[:] = np.asarray(image.convert("RGB"))
        except _BAD_HEADER as error:
            raise Refused("broken", str(error), image.height, image.width) from error


# -- PNG -----------------------------------------------------------------------------------------------------


def _png_header(content: memoryview) -> Header:
    """Walks all chunks: a wrong check sum or a missing IEND is a damaged file, whatever the codec would make of it."""
    chunks: dict[bytes, memoryview] = {}
    for kind, body in _png_chunks(content):
        chunks.setdefault(kind, body)
    if b"IHDR" not in chunks or b"IEND" not in chunks or len(chunks[b"IHDR"]) != 13:
        raise Refused("broken", "the PNG ends before its end")
    width, height = struct.unpack_from(">II", chunks[b"IHDR"])
    return _header(height, width, _orientation(bytes(chunks.get(b"eXIf", b""))))


def _png_chunks(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    position = len(_PNG_MAGIC)
    while position + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, position)
        end = position + 8 + length
        if end + 4 > len(content):
            return
        if struct.unpack_from(">I", content, end)[0] != zlib.crc32(content[position + 4 : end]):
            raise Refused("broken", "a PNG check sum is wrong")
        kind = bytes(content[position + 4 : position + 8])
        yield kind, content[position + 8 : end]
        if kind == b"IEND":
            return
        position = end + 4


def _decode_png(content: memoryview, header: Header, target: Pixels) -> None:
    cv2 = open_cv()
    try:
        stored = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise Refused("broken", "the PNG cannot be decoded", header.height, header.width) from error
    if stored is None or stored.shape[:2] != target.shape[:2]:
        raise Refused("broken", "the PNG cannot be decoded", header.height, header.width)
    for top in range(0, header.height, _ROWS_AT_A_TIME):
        rows = slice(top, top + _ROWS_AT_A_TIME)
        _to_rgb(stored[rows], target[rows])


def _to_rgb(stored: np.ndarray, target: Pixels) -> None:
    """A strip of grey, BGR or BGRA of 8 or 16 bits to 8-bit RGB; alpha is dropped, colours stay as stored."""
    cv2 = open_cv()
    codes = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
    if stored.dtype == np.uint16:
        stored = (stored >> 8).astype(np.uint8)
    cv2.cvtColor(stored, codes[stored.shape[2] if stored.ndim == 3 else 1], dst=target)


_JPEG_MAGIC = b"\xff\xd8\xff"
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_KINDS = (_Kind(_JPEG_MAGIC, _jpeg_header, _decode_jpeg), _Kind(_PNG_MAGIC, _png_header, _decode_png))


# -- size and orientation ------------------------------------------------------------------------------------


def _header(height: int, width: int, orientation: int, plain: bool = True) -> Header:
    if height < 1 or width < 1:
        raise Refused("broken", "the picture has no pixels")
    return Header(height, width, orientation, plain)


def _orientation(exif_block: bytes) -> int:
    """EXIF orientation, 1 where it is absent, damaged or out of range: metadata never fails a photo."""
    exif = Image.Exif()
    try:
        exif.load(exif_block)
        value = exif.get(_ORIENTATION_TAG, 1)
    except _BAD_HEADER:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turn(stored: Pixels, orientation: int, target: Pixels) -> None:
    """Write `stored` upright into `target`, as EXIF 2.32 defines orientations 2 to 8."""
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
