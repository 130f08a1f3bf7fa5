"""Writing TIFF: deflated strips with the horizontal predictor, which every picture program reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import deflate
import numpy as np

from bshm_watchd.metadata import Metadata
from bshm_watchd.tiff import Tiff, TiffDamaged, open_tiff
from bshm_watchd.tiff_directories import (
    EXIF_DIRECTORY,
    GPS_DIRECTORY,
    HEAD_BYTES,
    Order,
    Value,
    copied,
    directory,
    head,
    longs,
    resolution,
    shorts,
    undefined,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]

_STRIP_BYTES = 512 << 10
_LEVEL = 1

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _MEANING, _STRIP_OFFSETS, _ORIENTATION = 256, 257, 258, 259, 262, 273, 274
_CHANNELS, _ROWS_A_STRIP, _STRIP_LENGTHS, _PLANES, _PREDICTOR, _EXTRA, _ICC = 277, 278, 279, 284, 317, 338, 34675
_DEFLATE, _GREY, _RGB, _HORIZONTAL, _STRAIGHT_ALPHA = 8, 1, 2, 2, 2


def encode_tiff(array: Bytes, metadata: Metadata) -> bytearray:
    """A whole TIFF file of uint8 pixels: height x width (grey), or height x width x 3 (RGB) or x 4 (straight RGBA).

    Every value is kept, also colours under alpha 0. It is in the byte order of the EXIF block, whose values are copied.
    """
    exif = _opened(metadata.exif)
    order: Order = exif.order if exif else "<"
    file = bytearray(HEAD_BYTES)
    values = _description(exif) | _structure(order, array) | _strips(order, array, file)
    values |= resolution(order, metadata.dpi) if metadata.dpi else {}
    values |= {_ICC: undefined(metadata.icc)} if metadata.icc else {}
    values |= _pointed(exif, file)
    start = _aligned(file)
    file[:HEAD_BYTES] = head(order, start)
    file += directory(order, values, start)
    return file


def _opened(exif: bytes) -> Tiff | None:
    try:
        return open_tiff(lambda offset, length: exif[offset : offset + length])
    except TiffDamaged:
        return None


def _description(exif: Tiff | None) -> dict[int, Value]:
    """What the block's first directory says of the photo; what it says of the pixels' layout is written over."""
    return copied(exif, exif.directory(exif.first_offset)) if exif else {}


def _structure(order: Order, array: Bytes) -> dict[int, Value]:
    height, width = array.shape[:2]
    channels = array.shape[2] if array.ndim == 3 else 1
    values = {
        _WIDTH: longs(order, [width]),
        _HEIGHT: longs(order, [height]),
        _BITS: shorts(order, *[8] * channels),
        _COMPRESSION: shorts(order, _DEFLATE),
        _MEANING: shorts(order, _GREY if channels == 1 else _RGB),
        _ORIENTATION: shorts(order, 1),
        _CHANNELS: shorts(order, channels),
        _PLANES: shorts(order, 1),
        _PREDICTOR: shorts(order, _HORIZONTAL),
    }
    return values | ({_EXTRA: shorts(order, _STRAIGHT_ALPHA)} if channels == 4 else {})


def _strips(order: Order, array: Bytes, file: bytearray) -> dict[int, Value]:
    """Appends the pixels to `file`, and says where they are."""
    height = max(1, min(len(array), _STRIP_BYTES // array[0].size))
    offsets, lengths = [], []
    for top in range(0, len(array), height):
        strip = deflate.zlib_compress(_differences(array[top : top + height]), _LEVEL)
        offsets.append(_aligned(file))
        lengths.append(len(strip))
        file += strip
    return {
        _STRIP_OFFSETS: longs(order, offsets),
        _STRIP_LENGTHS: longs(order, lengths),
        _ROWS_A_STRIP: longs(order, [height]),
    }


def _differences(strip: Bytes) -> Bytes:
    """Each value less the one of the same channel to its left."""
    differences = np.array(strip, order="C")
    differences[:, 1:] -= strip[:, :-1]
    return differences


def _pointed(exif: Tiff | None, file: bytearray) -> dict[int, Value]:
    """Appends the block's other directories to `file`, and says where they are."""
    pointers: dict[int, Value] = {}
    main = exif.directory(exif.first_offset).entries if exif else {}
    for tag in (EXIF_DIRECTORY, GPS_DIRECTORY):
        if exif and tag in main:
            found = exif.directory(sum(exif.numbers(main[tag], 1)))
            pointers[tag] = longs(exif.order, [_aligned(file)])
            file += directory(exif.order, copied(exif, found), len(file))
    return pointers


def _aligned(file: bytearray) -> int:
    """Where the next part of `file` starts: at an even offset, as the specification asks."""
    file += bytes(len(file) % 2)
    return len(file)
