"""WebP, lossy, lossless, with alpha, animated (its first picture): its chunks, and its pixels by OpenCV."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bshm_watchd.matting.decode_header import Header, Refused, open_cv, sized
from bshm_watchd.matting.exif import read_exif
from bshm_watchd.matting.samples import opacity_plane, to_rgb
from bshm_watchd.metadata import MAX_ICC_BYTES

if TYPE_CHECKING:
    import numpy.typing as npt

    from bshm_watchd.matting.photo import Alpha, Pixels

MAGIC, FORM, FORM_OFFSET = b"RIFF", b"WEBP", 8

_CHUNKS_OFFSET = 12
_MAX_CHUNKS = 100_000
_SIDE_BITS = 0x3FFF
_KEY_FRAME = b"\x9d\x01\x2a"
_LOSSLESS = 0x2F


@dataclass(frozen=True, slots=True)
class WebpPicture:
    content: memoryview
    header: Header

    def decode(self, target: Pixels) -> Alpha | None:
        stored = self._stored()
        if stored is None or stored.shape[:2] != target.shape[:2] or stored.ndim != 3:
            raise self.header.broken("the WebP cannot be decoded")
        opacity = opacity_plane(stored)
        to_rgb(stored, target)
        return opacity

    def _stored(self) -> npt.NDArray[np.uint8] | None:
        cv2 = open_cv()
        try:
            return cv2.imdecode(np.frombuffer(self.content, np.uint8), cv2.IMREAD_UNCHANGED)  # type: ignore[no-any-return]
        except cv2.error as error:
            raise self.header.broken("the WebP cannot be decoded") from error


def read_webp(content: memoryview) -> WebpPicture:
    chunks: dict[bytes, memoryview] = {}
    frames = 0
    for name, body in _chunks(content):
        frames += name == b"ANMF"
        chunks.setdefault(name, body)
    height, width = sized(*_size(chunks))
    exif = read_exif(bytes(chunks.get(b"EXIF", b"")))
    icc = chunks.get(b"ICCP", b"")
    kept_icc = bytes(icc) if len(icc) <= MAX_ICC_BYTES else b""
    return WebpPicture(content, Header(height, width, "RGB", exif, kept_icc, exif.dpi, pages=max(1, frames)))


def _chunks(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """All that the file says it holds; it is broken where one is not all there."""
    end = 8 + struct.unpack_from("<I", content, 4)[0]
    position = _CHUNKS_OFFSET
    for _ in range(_MAX_CHUNKS):
        if position >= end:
            return
        size = content[position + 4 : position + 8]
        begin = position + 8
        next_position = begin + int.from_bytes(size, "little")
        if len(size) < 4 or next_position > min(end, len(content)):
            break
        yield bytes(content[position : position + 4]), content[begin:next_position]
        position = next_position + next_position % 2
    raise Refused("broken", "the WebP ends before its end")


_Chunks = Mapping[bytes, memoryview]


def _size(chunks: _Chunks) -> tuple[int, int]:
    """Height and width; a still picture must have the size that the file says of it."""
    still = _still_size(chunks)
    canvas = chunks.get(b"VP8X", b"")
    if len(canvas) < 10:
        if still is None:
            raise Refused("broken", "the WebP holds no picture")
        return still
    width, height = (1 + int.from_bytes(canvas[at : at + 3], "little") for at in (4, 7))
    if still not in (None, (height, width)) or (still is None and b"ANMF" not in chunks):
        raise Refused("broken", "the WebP holds another picture than it says")
    return height, width


def _still_size(chunks: _Chunks) -> tuple[int, int] | None:
    lossy, lossless = chunks.get(b"VP8 ", b""), chunks.get(b"VP8L", b"")
    if len(lossy) >= 10 and lossy[3:6] == _KEY_FRAME:
        width, height = struct.unpack_from("<HH", lossy, 6)
        return height & _SIDE_BITS, width & _SIDE_BITS
    if len(lossless) >= 5 and lossless[0] == _LOSSLESS:
        bits = int.from_bytes(lossless[1:5], "little")
        return 1 + (bits >> 14 & _SIDE_BITS), 1 + (bits & _SIDE_BITS)
    return None
