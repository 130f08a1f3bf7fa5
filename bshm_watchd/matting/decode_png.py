"""PNG: its chunks, all of them checked, and its pixels by OpenCV. gAMA, cHRM and cICP are passed over; iCCP is kept.

Of an animated one the still picture is taken, which every program shows, whether it is a frame or none.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bshm_watchd.matting.decode_header import Header, Refused, open_cv, sized
from bshm_watchd.matting.exif import plausible_dpi, read_exif
from bshm_watchd.matting.profile import grey_to_srgb
from bshm_watchd.matting.samples import opacity_plane, to_rgb
from bshm_watchd.metadata import MAX_ICC_BYTES

if TYPE_CHECKING:
    import numpy.typing as npt

    from bshm_watchd.matting.photo import Alpha, Pixels

MAGIC = b"\x89PNG\r\n\x1a\n"

_GREY = (0, 4)
_METRE = 1
_INCHES_A_METRE = 1 / 0.0254
_MAX_CHUNKS = 500_000
_MAX_SIDE = 1_000_000  # of libpng, whatever OpenCV allows
_OF_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
# libpng unpacks each, 8 MB of it at most, whoever asks for it: a thousand are half a minute.
_PACKED_WORDS = frozenset({b"zTXt", b"iTXt", b"iCCP"})
_MAX_PACKED_WORDS = 16


@dataclass(frozen=True, slots=True)
class PngPicture:
    """`transparent`: the one grey value, as stored, that is wholly transparent; OpenCV knows that of colours only."""

    content: memoryview
    header: Header
    bits: int
    transparent: int | None

    def decode(self, target: Pixels) -> Alpha | None:
        if max(self.header.height, self.header.width) > _MAX_SIDE:
            raise Refused("unsupported", f"a PNG of more than {_MAX_SIDE} pixels a side", *self.header.upright_size())
        stored = self._stored()
        if stored is None or stored.shape[:2] != target.shape[:2]:
            raise self.header.broken("the PNG cannot be decoded")
        opacity = self._keyed(stored) if stored.ndim == 2 else opacity_plane(stored)
        to_rgb(stored, target)
        if self.header.colours == "GRAY":
            grey_to_srgb(target, self.header.icc)
        return opacity

    def _stored(self) -> npt.NDArray[np.uint8 | np.uint16] | None:
        cv2 = open_cv()
        try:
            return cv2.imdecode(np.frombuffer(self.content, np.uint8), cv2.IMREAD_UNCHANGED)  # type: ignore[no-any-return]
        except cv2.error as error:
            raise self.header.broken("the PNG cannot be decoded") from error

    def _keyed(self, grey: npt.NDArray[np.uint8 | np.uint16]) -> Alpha | None:
        """Fewer bits than 8 come stretched to 8."""
        if self.transparent is None:
            return None
        stretched = self.transparent * (255 // ((1 << self.bits) - 1)) if self.bits < 8 else self.transparent
        return np.where(grey == stretched, np.uint8(0), np.uint8(255))


def read_png(content: memoryview) -> PngPicture:
    """Walks all chunks: a wrong check sum or a missing IEND is a damaged file, whatever the codec would make of it."""
    chunks: dict[bytes, memoryview] = {}
    packed_words = 0
    for kind, chunk in _chunks(content):
        chunks.setdefault(kind, chunk[8:-4])
        packed_words += kind in _PACKED_WORDS
    if b"IHDR" not in chunks or b"IEND" not in chunks or len(chunks[b"IHDR"]) != 13:
        raise Refused("broken", "the PNG ends before its end")
    width, height, bits, colour = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    height, width = sized(height, width)
    exif = read_exif(bytes(chunks.get(b"eXIf", b"")))
    header = Header(
        height,
        width,
        "GRAY" if colour in _GREY else "RGB",
        exif,
        _icc(chunks),
        _dpi(chunks) or exif.dpi,
        pages=_frames(chunks),
    )
    plain = _OF_ANIMATION.isdisjoint(chunks) and packed_words <= _MAX_PACKED_WORDS
    return PngPicture(
        content if plain else _still(content), header, bits, _transparent(chunks) if colour == 0 else None
    )


def _still(content: memoryview) -> memoryview:
    """Without its animation, which OpenCV would play: a damaged one costs the picture, any a multiple of the memory.

    And without the words that a decoder would unpack for nobody.
    """
    kept = (chunk for kind, chunk in _chunks(content) if kind not in _OF_ANIMATION | _PACKED_WORDS)
    return memoryview(b"".join((MAGIC, *kept)))


def _chunks(content: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Name and whole of each: its length and name, its body, its check sum."""
    position = len(MAGIC)
    for _ in range(_MAX_CHUNKS):
        if position + 12 > len(content):
            return
        (length,) = struct.unpack_from(">I", content, position)
        end = position + 8 + length
        if end + 4 > len(content):
            return
        if struct.unpack_from(">I", content, end)[0] != zlib.crc32(content[position + 4 : end]):
            raise Refused("broken", "a PNG check sum is wrong")
        kind = bytes(content[position + 4 : position + 8])
        yield kind, content[position : end + 4]
        if kind == b"IEND":
            return
        position = end + 4


_Chunks = Mapping[bytes, memoryview]


def _icc(chunks: _Chunks) -> bytes:
    """Behind a name and a method: compressed, and unpacked no further than a profile may be long."""
    _, _, rest = bytes(chunks.get(b"iCCP", b"")).partition(b"\0")
    unpacking = zlib.decompressobj()
    try:
        icc = unpacking.decompress(rest[1:], MAX_ICC_BYTES)
    except zlib.error:
        return b""
    return icc if unpacking.eof else b""


def _dpi(chunks: _Chunks) -> tuple[float, float] | None:
    body = chunks.get(b"pHYs", b"")
    if len(body) != 9 or body[8] != _METRE:
        return None
    across, down = struct.unpack_from(">II", body)
    return plausible_dpi(across / _INCHES_A_METRE, down / _INCHES_A_METRE)


def _frames(chunks: _Chunks) -> int:
    """As many as it says of itself."""
    body = chunks.get(b"acTL", b"")
    return max(1, struct.unpack_from(">I", body)[0]) if len(body) == 8 else 1


def _transparent(chunks: _Chunks) -> int | None:
    body = chunks.get(b"tRNS", b"")
    return int.from_bytes(body, "big") if len(body) == 2 else None
