"""Directories of tags, as TIFF and BigTIFF files and EXIF blocks hold them. Pure, and bounded on any bytes.

Says where each value lies and reads it when asked.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

ReadAt = Callable[[int, int], bytes]
"""`read_at(offset, length_bytes)`: the bytes there, fewer where the file ends."""

MAX_ENTRIES = 1000
HEAD_BYTES = 16

_HEADS: dict[bytes, tuple[Literal["<", ">"], bool]] = {
    b"II*\0": ("<", False),
    b"MM\0*": (">", False),
    b"II+\0": ("<", True),
    b"MM\0+": (">", True),
}
# Bytes a value of each type; the last three are BigTIFF's.
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_UNSIGNED = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}


_SUBFILE, _PHOTOMETRIC, _SUB_DIRECTORIES, _DNG_VERSION = 254, 262, 330, 50706
_PARTS = (273, 324, 513)  # where strips, tiles, and the one stream of old JPEGs are
_SENSOR = (32803, 34892)  # photometric interpretations: a colour filter's values, and the like made linear
_CANON_RAW, _CANON_RAW_OFFSET = b"CR\2\0", 8


class TiffDamaged(ValueError):
    """No directory can be read there."""


class TiffCutOff(TiffDamaged):
    """The file ends before the directory does: it may still grow."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One tag's value: its type, how many, and where its bytes are in the file."""

    type: int
    count: int
    offset: int

    @property
    def size_bytes(self) -> int:
        return self.count * _TYPE_BYTES[self.type]

    @property
    def end(self) -> int:
        return self.offset + self.size_bytes


@dataclass(frozen=True, slots=True)
class Directory:
    """The entries by tag (the first of each; entries of unknown types left out); `next_offset`: 0 for the last."""

    offset: int
    entries: dict[int, Entry] = field(default_factory=dict)
    next_offset: int = 0


@dataclass(frozen=True, slots=True)
class Tiff:
    """A file of directories. `order` is struct's sign for its byte order."""

    read_at: ReadAt
    order: Literal["<", ">"]
    big: bool
    first_offset: int

    def directory(self, offset: int) -> Directory:
        """Raises `TiffDamaged` where it has no entry, more than `MAX_ENTRIES`, or (`TiffCutOff`) is not all there."""
        counted, each, pointer = ("Q", 20, "Q") if self.big else ("H", 12, "I")
        counted_bytes, pointer_bytes = struct.calcsize(counted), struct.calcsize(pointer)
        beginning = self.read_at(offset, counted_bytes) if offset else bytes(counted_bytes)
        if len(beginning) < counted_bytes:
            raise TiffCutOff("a directory is cut off")
        count = self._number(counted, beginning)
        if not 0 < count <= MAX_ENTRIES:
            raise TiffDamaged(f"a directory of {count} entries")
        table = self.read_at(offset + counted_bytes, count * each + pointer_bytes)
        if len(table) < count * each:
            raise TiffCutOff("a directory is cut off")
        entries: dict[int, Entry] = {}
        for tag, entry in self._entries(table[: count * each], offset + counted_bytes):
            entries.setdefault(tag, entry)
        return Directory(offset, entries, self._number(pointer, table[count * each :]))

    def directories(self, limit: int) -> Iterator[Directory]:
        """The chain from the first on, `limit` at most, each once. Raises `TiffDamaged` where a link leads nowhere."""
        offset, seen = self.first_offset, set[int]()
        while len(seen) < limit and offset not in seen:
            seen.add(offset)
            directory = self.directory(offset)
            yield directory
            offset = directory.next_offset
            if not offset:
                return

    def raw(self, entry: Entry, limit_bytes: int) -> bytes:
        """The value's bytes in the file's own order; empty where it is longer than allowed or not all there."""
        if not 0 < entry.size_bytes <= limit_bytes:
            return b""
        found = self.read_at(entry.offset, entry.size_bytes)
        return found if len(found) == entry.size_bytes else b""

    def numbers(self, entry: Entry | None, limit: int) -> tuple[int, ...]:
        """Its unsigned whole numbers, `limit` at most; empty where it is none of those or not there."""
        if entry is None or entry.type not in _UNSIGNED or entry.count < 1:
            return ()
        count = min(entry.count, limit)
        found = self.read_at(entry.offset, count * _TYPE_BYTES[entry.type])
        if len(found) < count * _TYPE_BYTES[entry.type]:
            return ()
        return struct.unpack(f"{self.order}{count}{_UNSIGNED[entry.type]}", found)

    def number(self, directory: Directory, tag: int, absent: int = 0) -> int:
        """The first number of a tag, `absent` where there is none."""
        return next(iter(self.numbers(directory.entries.get(tag), 1)), absent)

    def _entries(self, table: bytes, start: int) -> Iterator[tuple[int, Entry]]:
        layout = struct.Struct(self.order + ("HHQQ" if self.big else "HHII"))
        inline_bytes = 8 if self.big else 4
        for position in range(0, len(table), layout.size):
            tag, kind, count, value = layout.unpack_from(table, position)
            if kind not in _TYPE_BYTES:
                continue
            inline = count * _TYPE_BYTES[kind] <= inline_bytes
            here = start + position + layout.size - inline_bytes
            yield tag, Entry(kind, count, here if inline else value)

    def _number(self, code: str, found: bytes) -> int:
        """0 where it is cut off."""
        size = struct.calcsize(code)
        return int(struct.unpack(self.order + code, found[:size])[0]) if len(found) >= size else 0


def open_tiff(read_at: ReadAt) -> Tiff:
    """Raises `TiffDamaged` where it does not begin as a TIFF."""
    head = read_at(0, HEAD_BYTES)
    if head[:4] not in _HEADS:
        raise TiffDamaged("it does not begin as a TIFF")
    order, big = _HEADS[head[:4]]
    layout = "HHQ" if big else "I"
    if len(head) < 4 + struct.calcsize(order + layout):
        raise TiffDamaged("its head is cut off")
    *sizes, first_offset = struct.unpack_from(order + layout, head, 4)
    if big and sizes != [8, 0]:
        raise TiffDamaged("a BigTIFF with other offsets than of 8 bytes")
    return Tiff(read_at, order, big, first_offset)


def is_camera_raw(tiff: Tiff, first: Directory) -> bool:
    """Whether it is a sensor's values in a TIFF's clothes, its first picture but a preview of them."""
    if _DNG_VERSION in first.entries or tiff.number(first, _PHOTOMETRIC) in _SENSOR:
        return True
    behind_mark = _CANON_RAW_OFFSET + 8
    if tiff.first_offset == behind_mark and tiff.read_at(_CANON_RAW_OFFSET, len(_CANON_RAW)) == _CANON_RAW:
        return True
    return is_preview(tiff, first) and _SUB_DIRECTORIES in first.entries


def holds_picture(page: Directory) -> bool:
    """Whether it is more than words about the others."""
    return any(tag in page.entries for tag in _PARTS)


def is_preview(tiff: Tiff, page: Directory) -> bool:
    """Whether it says that it is another picture made smaller."""
    return bool(tiff.number(page, _SUBFILE) & 1)
