"""Is a photo all there? Decided by its structure, before it is claimed, without decoding a pixel. Pure.

A file that is being copied looks like one that ends too early, one that was preallocated like one full of zeros:
both are INCOMPLETE, which means *not yet*. A damaged one looks the same and stays that way.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from bshm_watchd.intake.kinds import KINDS

ReadAt = Callable[[int, int], bytes]

BLOCK_BYTES = 256 << 10
TAIL_BYTES = 4096
_HEAD_BYTES = 16
# Every real photo needs far fewer; a file made of nothing but empty segments must not keep a folder waiting.
_MAX_STEPS = 500_000

# A marker inside the coded picture: not a stuffed FF00, not a restart, not one of several fill bytes.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01
_RESTARTS = range(0xD0, 0xD8)
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0..SOF15; the others define tables
_MAX_CHUNK_BYTES = 0x7FFFFFFF
_IEND = b"\0\0\0\0IEND\xaeB`\x82"  # with its checksum: the last bytes to be written


class Verdict(Enum):
    COMPLETE = "complete"  # every part of its structure is there, up to its end mark
    INCOMPLETE = "incomplete"  # the beginning of a photo (or zeros) that does not reach its end
    NOT_A_PHOTO = "not_a_photo"  # begins as no photo does


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file's structure says. Width and height in stored pixels, 0 until seen; `zero_tail`: it ends in zeros."""

    verdict: Verdict
    kind: str | None = None
    width: int = 0
    height: int = 0
    zero_tail: bool = False

    @property
    def pixels(self) -> int:
        return self.width * self.height


def inspect(read_at: ReadAt, size_bytes: int) -> Inspection:
    """Judge a file of `size_bytes` by `read_at(offset, length_bytes)`, which may return less at the end.

    Reads no byte twice but those of the last `TAIL_BYTES`, skips what its structure lets it skip, and comes to an
    end on any bytes. Raises only what `read_at` raises.
    """
    window = _Window(read_at, size_bytes)
    head = window.at(0, _HEAD_BYTES)
    for kind in KINDS:
        if head.startswith(kind.magic):
            found = _WALKS[kind.name](window)
            return replace(found, kind=kind.name, zero_tail=_ends_in_zeros(read_at, size_bytes))
    written = head.rstrip(b"\0")  # nothing at all, in a preallocated file that is still to be filled
    begun = any(kind.magic.startswith(written) for kind in KINDS)
    return Inspection(Verdict.INCOMPLETE if begun else Verdict.NOT_A_PHOTO)


class _Window:
    """One block of the file, moving forward only. What `at` returns ends where the file does."""

    def __init__(self, read_at: ReadAt, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._read_at = read_at
        self._start = 0
        self._block = b""

    def at(self, offset: int, length: int) -> bytes:
        if offset + length > self._start + len(self._block):
            self._move(offset)
        begin = offset - self._start
        return self._block[begin : begin + length]

    def find_marker(self, offset: int) -> int:
        """Where the next JPEG marker's FF is, at or after `offset`; -1 when there is none."""
        while self.at(offset, 2)[1:]:
            match = _MARKER.search(self._block, offset - self._start)
            if match:
                return self._start + match.start()
            offset = self._start + len(self._block) - 1  # an FF may be the block's last byte
        return -1

    def _move(self, offset: int) -> None:
        """Begin the block at `offset`, keeping what is already read of it."""
        kept = self._block[offset - self._start :]
        begin = offset + len(kept)
        wanted = max(min(BLOCK_BYTES, self.size_bytes - begin), 0)
        self._block = kept + (self._read_at(begin, wanted) if wanted else b"")
        self._start = offset


def _walk_jpeg(window: _Window) -> Inspection:
    """From marker to marker: segments are skipped by their length, coded pictures searched for what ends them.

    Thumbnails lie inside segments and are never looked into; what follows the end mark (a motion photo's film)
    is not ours. Stray bytes between segments are passed over, as decoders do.
    """
    found, scans, offset = Inspection(Verdict.INCOMPLETE), 0, 2
    for _ in range(_MAX_STEPS):
        offset = window.find_marker(offset)
        if offset < 0:
            break
        marker = window.at(offset, 2)[1]
        if marker == _EOI:
            whole = scans > 0 and found.width > 0
            return replace(found, verdict=Verdict.COMPLETE) if whole else found
        offset += 2
        if marker in (_SOI, _TEM):
            continue
        segment = window.at(offset, 7)
        length = int.from_bytes(segment[:2], "big")
        if len(segment) < 2 or length < 2:
            break
        if marker in _FRAMES and len(segment) == 7:
            height, width = struct.unpack_from(">HH", segment, 3)
            found = replace(found, width=width, height=height)
        scans += marker == _SOS
        offset += length
    return found


def _walk_png(window: _Window) -> Inspection:
    """From chunk to chunk by their lengths. IHDR's checksum is checked, since limits rest on it."""
    found, pictures, offset = _read_ihdr(window), 0, 8
    for _ in range(_MAX_STEPS):
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


def _read_ihdr(window: _Window) -> Inspection:
    chunk = window.at(8, 25)  # length, name, 13 bytes, checksum
    found = Inspection(Verdict.INCOMPLETE)
    if len(chunk) < 25 or chunk[:8] != b"\0\0\0\rIHDR":
        return found
    if zlib.crc32(chunk[4:21]) != int.from_bytes(chunk[21:], "big"):
        return found
    width, height = struct.unpack_from(">II", chunk, 8)
    return replace(found, width=width, height=height)


_WALKS: dict[str, Callable[[_Window], Inspection]] = {"jpeg": _walk_jpeg, "png": _walk_png}


def _ends_in_zeros(read_at: ReadAt, size_bytes: int) -> bool:
    if size_bytes < TAIL_BYTES:
        return False
    return not any(read_at(size_bytes - TAIL_BYTES, TAIL_BYTES))
