"""The profile that cameras mean, and leave out, when they call a photo's colours Adobe RGB: as small as one can be."""

from __future__ import annotations

import functools
import struct

_NAME, _COPYRIGHT = b"Compatible with Adobe RGB (1998)\0", b"Public domain\0"
# X, Y, Z in 65536ths. The primaries are adapted to D50 by Bradford's way, as profiles want them; the white is D65.
_WHITE = (62289, 65536, 71372)
_PRIMARIES = {b"rXYZ": (39960, 20389, 1276), b"gXYZ": (13453, 41004, 3989), b"bXYZ": (9777, 4143, 48796)}
_D50 = (63190, 65536, 54061)
_GAMMA = 563  # 256ths
_VERSION = 0x02400000
_HEAD_BYTES = 128


@functools.cache
def adobe_rgb() -> bytes:
    """An ICC profile of version 2: three primaries, and one curve for all of them."""
    tags = {b"desc": _description(), b"cprt": b"text" + bytes(4) + _COPYRIGHT, b"wtpt": _xyz(*_WHITE)}
    tags |= {name: _xyz(*primary) for name, primary in _PRIMARIES.items()}
    curve = b"curv" + struct.pack(">4xIH", 1, _GAMMA)
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    table = _table(tags)
    return _head(_HEAD_BYTES + len(table)) + table


def _head(size_bytes: int) -> bytes:
    device = struct.pack(">I4xI4s4s4s6H", size_bytes, _VERSION, b"mntr", b"RGB ", b"XYZ ", 2000, 1, 1, 0, 0, 0)
    return (device + b"acsp" + bytes(28) + struct.pack(">3i", *_D50)).ljust(_HEAD_BYTES, b"\0")


def _table(tags: dict[bytes, bytes]) -> bytes:
    """The tags' table and contents; those of the same content share it."""
    places: dict[bytes, int] = {}
    written = b""
    for content in tags.values():
        if content not in places:
            places[content] = _HEAD_BYTES + 4 + 12 * len(tags) + len(written)
            written += content + bytes(-len(content) % 4)
    entries = (name + struct.pack(">II", places[content], len(content)) for name, content in tags.items())
    return struct.pack(">I", len(tags)) + b"".join(entries) + written


def _description() -> bytes:
    """In ASCII alone: none in Unicode, and none for the Macintosh, whose 67 bytes must be there."""
    return b"desc" + struct.pack(">4xI", len(_NAME)) + _NAME + bytes(4 + 4 + 2 + 1 + 67)


def _xyz(x: int, y: int, z: int) -> bytes:
    return b"XYZ " + struct.pack(">4x3i", x, y, z)
