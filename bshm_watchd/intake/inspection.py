"""What a file's structure says, and how it is looked at: in blocks, without decoding a pixel. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from bshm_watchd.tiff import ReadAt

BLOCK_BYTES = 256 << 10
_LOOK_BYTES = 4096
# Every real photo needs far fewer; a file made of nothing but empty parts must not keep a folder waiting.
MAX_STEPS = 500_000


class Blank(Enum):
    EMPTY = "empty"
    ONLY_ZEROS = "only zeros"


class Verdict(Enum):
    COMPLETE = "complete"  # every part of its structure is there, up to its end mark
    INCOMPLETE = "incomplete"  # the beginning of a photo (or zeros) that does not reach its end
    NOT_A_PHOTO = "not_a_photo"  # begins as no photo does


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file's structure says. Width and height in stored pixels, 0 until seen; `zero_tail`: a photo's file that
    ends in zeros; `blank`: why there is nothing in the file to judge."""

    verdict: Verdict
    kind: str | None = None
    width: int = 0
    height: int = 0
    zero_tail: bool = False
    blank: Blank | None = None

    @property
    def pixels(self) -> int:
        return self.width * self.height


class Window:
    """One block of the file, moving forward only but for `jump`. What is returned ends where the file does."""

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

    def jump(self, offset: int, length: int) -> bytes:
        """As `at`, to anywhere and back; what has to be read is read with little around it."""
        if offset < self._start or offset + length > self._start + len(self._block):
            wanted = min(max(length, _LOOK_BYTES), self.size_bytes - offset)
            self._start, self._block = offset, self._read_at(offset, wanted) if wanted > 0 else b""
        begin = offset - self._start
        return self._block[begin : begin + length]

    def find(self, pattern: re.Pattern[bytes], offset: int) -> int:
        """Where the next match of a two-byte pattern begins, at or after `offset`; -1 when there is none."""
        while self.at(offset, 2)[1:]:
            match = pattern.search(self._block, offset - self._start)
            if match:
                return self._start + match.start()
            offset = self._start + len(self._block) - 1  # its first byte may be the block's last
        return -1

    def _move(self, offset: int) -> None:
        """Begin the block at `offset`, keeping what is already read of it."""
        kept = self._block[offset - self._start :]
        begin = offset + len(kept)
        wanted = max(min(BLOCK_BYTES, self.size_bytes - begin), 0)
        self._block = kept + (self._read_at(begin, wanted) if wanted else b"")
        self._start = offset
