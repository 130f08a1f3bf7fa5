"""Is a WebP all there? Its chunks are walked up to the length that its head says."""

from __future__ import annotations

import struct
from dataclasses import replace

from bshm_watchd.intake.inspection import MAX_STEPS, Inspection, Verdict, Window

_FIRST_CHUNK = 12
_SIDE_BITS = 0x3FFF
_KEY_FRAME = b"\x9d\x01\x2a"
_LOSSLESS = 0x2F


def walk_webp(window: Window) -> Inspection:
    """From chunk to chunk by their lengths. What follows the end of the whole is passed over."""
    end = 8 + int.from_bytes(window.at(4, 4), "little")
    found, pictures, offset = Inspection(Verdict.INCOMPLETE), 0, _FIRST_CHUNK
    if end > window.size_bytes:
        return found
    for _ in range(MAX_STEPS):
        if offset >= end:
            return replace(found, verdict=Verdict.COMPLETE) if pictures and found.width else found
        header = window.at(offset, 18)
        if len(header) < 8:
            break
        name, length = struct.unpack_from("<4sI", header)
        if not found.width:
            width, height = _size(name, header[8:])
            found = replace(found, width=width, height=height)
        pictures += name in (b"VP8 ", b"VP8L", b"ANMF")
        offset += 8 + length
        if offset > end:
            break
        offset += offset % 2
    return found


def _size(name: bytes, body: bytes) -> tuple[int, int]:
    """Width and height that a chunk says the whole has; 0 where it says none. The first that does is right."""
    if name == b"VP8X" and len(body) == 10:
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if name == b"VP8 " and len(body) == 10 and body[3:6] == _KEY_FRAME:
        width, height = struct.unpack_from("<HH", body, 6)
        return width & _SIDE_BITS, height & _SIDE_BITS
    if name == b"VP8L" and len(body) >= 5 and body[0] == _LOSSLESS:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & _SIDE_BITS), 1 + (bits >> 14 & _SIDE_BITS)
    return 0, 0
