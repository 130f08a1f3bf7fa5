"""Is a PNG all there? Its chunks are walked up to its end."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

from bshm_watchd.intake.inspection import MAX_STEPS, Inspection, Verdict, Window

_MAX_CHUNK_BYTES = 0x7FFFFFFF
_IEND = b"\0\0\0\0IEND\xaeB`\x82"  # with its checksum: the last bytes to be written


def walk_png(window: Window) -> Inspection:
    """From chunk to chunk by their lengths. IHDR's checksum is checked, since limits rest on it."""
    found, pictures, offset = _read_ihdr(window), 0, 8
    for _ in range(MAX_STEPS):
        header = window.at(offset, 8)
        if len(header) < 8 or not found.width:
            break
        if window.at(offset, len(_IEND)) == _IEND:
            return replace(found, verdict=Verdict.COMPLETE) if pictures else found
        length, name = struct.unpack(">I4s", header)
        offset += 12 + length
        if length > _MAX_CHUNK_BYTES or not name.isalpha() or offset > window.size_bytes:
            break
        pictures += name == b"IDAT"
    return found


def _read_ihdr(window: Window) -> Inspection:
    chunk = window.at(8, 25)  # length, name, 13 bytes, checksum
    found = Inspection(Verdict.INCOMPLETE)
    if len(chunk) < 25 or chunk[:8] != b"\0\0\0\rIHDR":
        return found
    if zlib.crc32(chunk[4:21]) != int.from_bytes(chunk[21:], "big"):
        return found
    width, height = struct.unpack_from(">II", chunk, 8)
    return replace(found, width=width, height=height)
