"""Where a child leaves a decoded photo: both ends of the memory that it shares with its parent.

Each child has a buffer for as long as it lives: pages that are mapped already take a fifth of the time of new ones.
What does not fit goes into a memory file of the photo's own. Both sides know which from the photo's size alone.
"""

from __future__ import annotations

import fcntl
import itertools
import math
import mmap
import os
import struct
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, ClassVar, Self

from bshm_watchd.errors import WatchdError
from bshm_watchd.matting.photo import Photo
from bshm_watchd.metadata import MAX_EXIF_BYTES, MAX_ICC_BYTES, Metadata

if TYPE_CHECKING:
    from bshm_watchd.matting.decoding import Decoded
    from bshm_watchd.matting.photo import Pixels

MAX_METADATA_BYTES = MAX_ICC_BYTES + 2 * MAX_EXIF_BYTES
BYTES_A_PIXEL = 4  # its colours, its opacity

_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
_MAX_DPI = 100_000


class DecoderDied(WatchdError):
    """The decoding process died or overran its time on this photo. Other photos are not touched."""


@dataclass(frozen=True, slots=True)
class Parts:
    """How long each part of the answer is, in their order: height x width x 3 bytes of upright RGB, then `opacity`
    (height x width bytes, or none), then the metadata's blocks. Both resolutions are 0 where there is none.
    """

    opacity: int = 0
    icc: int = 0
    exif: int = 0
    exif_without_gps: int = 0
    pages: int = 1
    across_dpi: float = 0
    down_dpi: float = 0

    LAYOUT: ClassVar = struct.Struct("<QIIIIdd")

    def pack(self) -> bytes:
        return self.LAYOUT.pack(*astuple(self))

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Raises `struct.error` on another length than `pack` gives."""
        return cls(*cls.LAYOUT.unpack(packed))

    def lengths(self) -> tuple[int, ...]:
        return self.opacity, self.icc, self.exif, self.exif_without_gps


def fits(height: int, width: int, buffer_bytes: int) -> bool:
    return height * width * BYTES_A_PIXEL + MAX_METADATA_BYTES <= buffer_bytes


def new_buffer(size_bytes: int) -> int:
    """A descriptor of memory that takes no page before it is written, and whose size nobody can change."""
    fd = os.memfd_create("bshm-watchd-buffer", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size_bytes)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except OSError:
        os.close(fd)
        raise
    return fd


class Room:
    """The child's end, for one photo."""

    def __init__(self, buffer: mmap.mmap, target_fd: int) -> None:
        self.size: tuple[int, int] = (0, 0)
        self._buffer = buffer
        self._target_fd = target_fd

    def pixels(self, height: int, width: int) -> Pixels:
        """What they hold is an earlier photo's, or 0: whoever decodes writes all of them."""
        import numpy as np

        self.size = (height, width)
        size_bytes = height * width * 3
        if self._in_buffer():
            pixels = np.frombuffer(self._buffer, np.uint8, size_bytes)
        else:
            os.ftruncate(self._target_fd, size_bytes)
            pixels = np.frombuffer(mmap.mmap(self._target_fd, size_bytes), np.uint8)
        return pixels.reshape(height, width, 3)

    def append(self, decoded: Decoded) -> Parts:
        """Put what there is besides the pixels behind them."""
        metadata = decoded.metadata
        opacity = b"" if decoded.opacity is None else decoded.opacity.data
        blocks = [
            memoryview(part).cast("B") for part in (opacity, metadata.icc, metadata.exif, metadata.exif_without_gps)
        ]
        offset = math.prod(self.size) * 3
        for block in blocks:
            offset = self._put(block, offset)
        across_dpi, down_dpi = metadata.dpi or (0, 0)
        opacity_bytes, icc, exif, exif_without_gps = map(len, blocks)
        return Parts(opacity_bytes, icc, exif, exif_without_gps, metadata.pages, across_dpi, down_dpi)

    def _put(self, block: memoryview, offset: int) -> int:
        """The offset behind it."""
        end = offset + len(block)
        if self._in_buffer():
            self._buffer[offset:end] = block
            return end
        while block:
            block = block[os.pwrite(self._target_fd, block, end - len(block)) :]
        return end

    def _in_buffer(self) -> bool:
        return fits(*self.size, len(self._buffer))


def photo_in(buffer: mmap.mmap, target_fd: int, height: int, width: int, max_pixels: int, packed_parts: bytes) -> Photo:
    """What a child says that it left there. Raises `DecoderDied` where that can't be."""
    parts = _believed(packed_parts, height, width, max_pixels)
    if fits(height, width, len(buffer)):
        return _photo(_copied(buffer, height * width * 3 + sum(parts.lengths())), height, width, parts)
    return map_photo(target_fd, height, width, max_pixels, packed_parts)


def _copied(buffer: mmap.mmap, size_bytes: int) -> memoryview:
    """By numpy, which takes large pages for it: the child writes its next photo over this one."""
    import numpy as np

    copy = np.frombuffer(buffer, np.uint8, size_bytes).copy()
    copy.flags.writeable = False
    return copy.data


def map_photo(target_fd: int, height: int, width: int, max_pixels: int, packed_parts: bytes) -> Photo:
    """Map what the child wrote, without a copy; it is unmapped when the last array on it dies.

    Sealed first and measured then: a child that lies about the size, or shrinks the file later, would otherwise
    end this process with SIGBUS at a pixel that does not exist.
    """
    parts = _believed(packed_parts, height, width, max_pixels)
    size_bytes = height * width * 3 + sum(parts.lengths())
    fcntl.fcntl(target_fd, fcntl.F_ADD_SEALS, _SEALS)
    if os.fstat(target_fd).st_size != size_bytes:
        raise DecoderDied("the decoding process gave another size than it said")
    flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
    return _photo(memoryview(mmap.mmap(target_fd, size_bytes, flags=flags, prot=mmap.PROT_READ)), height, width, parts)


def _photo(whole: memoryview, height: int, width: int, parts: Parts) -> Photo:
    import numpy as np

    lengths = (height * width * 3, *parts.lengths())
    ends = itertools.accumulate(lengths, initial=0)
    pixels, opacity, *blocks = (whole[begin:end] for begin, end in itertools.pairwise(ends))
    return Photo(
        np.frombuffer(pixels, np.uint8).reshape(height, width, 3),
        np.frombuffer(opacity, np.uint8).reshape(height, width) if opacity else None,
        _metadata(parts, *map(bytes, blocks)),
    )


def _believed(packed: bytes, height: int, width: int, max_pixels: int) -> Parts:
    """The parts as the child says they are, where that can be. Raises `DecoderDied`."""
    try:
        parts = Parts.unpack(packed)
    except struct.error as error:
        raise DecoderDied("the decoding process gave an answer that makes no sense") from error
    bounded = parts.icc <= MAX_ICC_BYTES and max(parts.exif, parts.exif_without_gps) <= MAX_EXIF_BYTES
    resolutions = parts.across_dpi, parts.down_dpi
    device = resolutions == (0, 0) or all(1 <= dpi <= _MAX_DPI for dpi in resolutions)  # no NaN passes this
    if not bounded or not device or not parts.pages or parts.opacity not in (0, height * width):
        raise DecoderDied("the decoding process gave an answer that makes no sense")
    if not 0 < height * width <= max_pixels:
        raise DecoderDied("the decoding process gave another size than it said")
    return parts


def _metadata(parts: Parts, icc: bytes, exif: bytes, exif_without_gps: bytes) -> Metadata:
    dpi = (parts.across_dpi, parts.down_dpi) if parts.across_dpi else None
    return Metadata(icc, exif, exif_without_gps, dpi, parts.pages)
