"""Writing PNG: filtered by numpy, deflated by ISA-L and libdeflate, the chunks put together here.

Both compressors write into one zlib stream: the upper part of the picture by ISA-L, which takes half the time, its
lower part by libdeflate, whose result is smaller. Pictures that compress well take little of ISA-L's time, and are
what it does worst, so the more of them is libdeflate's. That holds size and time together for smooth pictures and
noisy ones.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import deflate
import numpy as np
from isal import isal_zlib

from bshm_watchd.delivery.png_filters import AVERAGE, PAETH, UP, Filter, Filtered
from bshm_watchd.metadata import Metadata

if TYPE_CHECKING:
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]

_NONE = Metadata()
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # by channels: grey, RGB, RGB with straight alpha
_METRES_AN_INCH = 0.0254
_SOFTWARE = b"Software\0bshm-watchd"

_ZLIB_HEAD = b"\x78\x01"  # a window of 32 KiB, the fastest level
_CHUNK_BYTES = 1 << 20
_FASTEST, _MEMORY_LEVEL = 2, 2  # ISA-L's level 2 takes level 1's time; more memory, longer blocks, larger results

_BESIDE_BYTES = 32 << 20

_SAMPLES, _SAMPLE_BYTES = 8, 24 << 10
_LITTLE_MISSED, _MUCH_MISSED = 1.08, 1.18  # ISA-L's bytes for one of libdeflate's level 2
_SHARE_A_MISSED_BYTE = 4


def encode_png(array: Bytes, metadata: Metadata = _NONE) -> bytearray:
    """A whole PNG file of uint8 pixels: height x width (grey), or height x width x 3 (RGB) or x 4 (straight RGBA).

    Every value is kept, also colours under alpha 0. `metadata.pages` says nothing here. Takes as much
    memory as the filtered rows, as much again up to 32 MiB, and what malloc wastes.
    """
    height, width = array.shape[:2]
    channels = array.shape[2] if array.ndim == 3 else 1
    png = bytearray(_SIGNATURE)
    _add_chunk(png, b"IHDR", struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0))
    _add_metadata(png, metadata)
    for piece in _deflated(_route(array)):
        for start in range(0, len(piece), _CHUNK_BYTES):
            _add_chunk(png, b"IDAT", memoryview(piece)[start : start + _CHUNK_BYTES])
    _add_chunk(png, b"IEND", b"")
    return png


def _add_metadata(png: bytearray, metadata: Metadata) -> None:
    """In the order that the specification asks for: the profile first, and all before the pixels."""
    if metadata.icc:
        _add_chunk(png, b"iCCP", b"ICC Profile\0\0" + zlib.compress(metadata.icc))
    if metadata.dpi:
        horizontal, vertical = (max(1, round(side / _METRES_AN_INCH)) for side in metadata.dpi)
        _add_chunk(png, b"pHYs", struct.pack(">IIB", horizontal, vertical, 1))
    if metadata.exif:
        _add_chunk(png, b"eXIf", metadata.exif)
    _add_chunk(png, b"tEXt", _SOFTWARE)


def _add_chunk(png: bytearray, kind: bytes, content: bytes | memoryview) -> None:
    png += struct.pack(">I4s", len(content), kind)
    png += content
    png += struct.pack(">I", isal_zlib.crc32(content, isal_zlib.crc32(kind)))


# -- the zlib stream -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Way:
    """`window_bits`: how far back ISA-L looks (2 ** bits bytes). `price`: how much smaller the result must be to be
    worth the time of this filter. `dense`, `sparse`: see `_share`."""

    filter: Filter
    window_bits: int
    price: float
    dense: float
    sparse: float

    def density(self, sample: Bytes) -> float:
        """ISA-L's bytes a filtered byte."""
        return len(isal_zlib.compress(sample, _FASTEST, -self.window_bits)) / sample.size


# With Paeth's differences, bytes that are equal far back are so by chance, and cost more to point at than to repeat.
_WAYS = (_Way(UP, 15, 1.00, 0.32, 0.08), _Way(AVERAGE, 15, 1.01, 0.32, 0.08), _Way(PAETH, 9, 1.04, 0.24, 0.01))


@dataclass(frozen=True, slots=True, eq=False)
class _Route:
    """How a picture is deflated: its rows from `middle` on by libdeflate at `level`."""

    filtered: Filtered
    window_bits: int
    middle: int
    level: int


def _route(array: Bytes) -> _Route:
    """The way that makes a sample of the rows smallest, prices considered.

    The more bytes ISA-L wastes on the sample, the more of the rows are libdeflate's. Where three equal bytes stand side
    by side, as in grey pictures stored in colours, libdeflate's level 1 misses most of them too, as both look for four:
    there level 2 does it all, and is as fast.
    """
    samples = {way: _sample(Filtered(array, way.filter)) for way in _WAYS}
    densities = {way: way.density(sample) for way, sample in samples.items()}
    way = min(_WAYS, key=lambda way: densities[way] * way.price)
    missed = densities[way] * samples[way].size / len(deflate.deflate_compress(samples[way], 2))
    share, level = (1.0, 2) if missed > _MUCH_MISSED else (_share(densities[way], missed, way), 1)
    return _Route(Filtered(array, way.filter), way.window_bits, round(len(array) * (1 - share)), level)


def _sample(filtered: Filtered) -> Bytes:
    """Bands of filtered rows, evenly from top to bottom; parts of rows that are too long, evenly from left to right."""
    rows = min(filtered.height, max(1, _SAMPLE_BYTES // filtered.row_bytes))
    columns = min(filtered.width, _SAMPLE_BYTES * filtered.width // filtered.row_bytes)
    tops, lefts = (
        np.linspace(0, whole - taken, _SAMPLES).astype(int).tolist()
        for whole, taken in ((filtered.height, rows), (filtered.width, columns))
    )
    corners = dict.fromkeys(zip(tops, lefts, strict=True))
    return np.concatenate([filtered.part(slice(top, top + rows), slice(left, left + columns)) for top, left in corners])


def _share(density: float, missed: float, way: _Way) -> float:
    """libdeflate's share of the rows: none of a picture that is `dense`, all of one that is `sparse`; see `_route`."""
    by_density = (way.dense - density) / (way.dense - way.sparse)
    return min(1.0, max(0.0, by_density) + _SHARE_A_MISSED_BYTE * max(0.0, missed - _LITTLE_MISSED))


def _deflated(route: _Route) -> Iterator[bytes | bytearray]:
    """The zlib stream of the filtered rows, in pieces."""
    filtered, checksum, top, written = route.filtered, 1, 0, 0
    yield _ZLIB_HEAD
    compressor = isal_zlib.compressobj(_FASTEST, wbits=-route.window_bits, memLevel=_MEMORY_LEVEL)
    while top < (bottom := _upper_end(route, top, written)):
        for strip in filtered.strips(top, bottom):
            checksum = deflate.adler32(strip, checksum)
            piece = compressor.compress(strip)
            written += len(piece)
            yield piece
        top = bottom
    yield compressor.flush(isal_zlib.Z_SYNC_FLUSH)  # a whole number of bytes, and more blocks to come
    rest = filtered.rows(top, filtered.height)
    checksum = deflate.adler32(rest, checksum)
    deflated = deflate.deflate_compress(rest, route.level)
    del rest
    yield deflated
    yield struct.pack(">I", checksum)


def _upper_end(route: _Route, top: int, written: int) -> int:
    """How far ISA-L goes on, which has come to the row `top` with `written` bytes.

    libdeflate needs the lower part twice, filtered and deflated, and that may turn out to be noise. So ISA-L, which
    needs next to no memory, goes on below the middle until what is written and twice the rest are few enough.
    """
    if top < route.middle:
        return route.middle
    height, row_bytes = route.filtered.height, route.filtered.row_bytes
    too_many = written + 2 * (height - top) * row_bytes - (height * row_bytes + _BESIDE_BYTES)
    return min(height, top + max(0, -(-too_many // (2 * row_bytes))))
