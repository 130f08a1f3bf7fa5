"""Writing directories of tags, as TIFF files and EXIF blocks hold them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from bshm_watchd.tiff import Directory, Tiff

Order = Literal["<", ">"]
"""struct's sign for a byte order."""

HEAD_BYTES = 8
EXIF_DIRECTORY, GPS_DIRECTORY = 34665, 34853
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296

_SHORT, _LONG, _RATIONAL, _UNDEFINED = 3, 4, 5, 7
_INCH = 2
_MAX_DENOMINATOR = 10_000


@dataclass(frozen=True, slots=True)
class Value:
    """Of one tag; `raw` in the byte order of the whole."""

    type: int
    count: int
    raw: bytes


Values = Mapping[int, Value]


def head(order: Order, first_offset: int) -> bytes:
    return struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, first_offset)


def directory(order: Order, values: Values, start: int) -> bytes:
    """One directory that stands at `start`, an even offset, its longer values behind it; the last of its chain."""
    beyond = start + 2 + 12 * len(values) + 4
    table, longer = bytearray(struct.pack(f"{order}H", len(values))), bytearray()
    for tag, value in sorted(values.items()):
        table += struct.pack(f"{order}HHI", tag, value.type, value.count)
        if len(value.raw) <= 4:
            table += value.raw.ljust(4, b"\0")
        else:
            table += struct.pack(f"{order}I", beyond + len(longer))
            longer += value.raw + bytes(len(value.raw) % 2)
    return bytes(table + bytes(4) + longer)


def shorts(order: Order, *numbers: int) -> Value:
    return Value(_SHORT, len(numbers), struct.pack(f"{order}{len(numbers)}H", *numbers))


def longs(order: Order, numbers: Sequence[int]) -> Value:
    return Value(_LONG, len(numbers), struct.pack(f"{order}{len(numbers)}I", *numbers))


def undefined(content: bytes) -> Value:
    return Value(_UNDEFINED, len(content), content)


def resolution(order: Order, dpi: tuple[float, float]) -> dict[int, Value]:
    horizontal, vertical = (Fraction(side).limit_denominator(_MAX_DENOMINATOR) for side in dpi)
    return {
        X_RESOLUTION: Value(_RATIONAL, 1, struct.pack(f"{order}2I", *horizontal.as_integer_ratio())),
        Y_RESOLUTION: Value(_RATIONAL, 1, struct.pack(f"{order}2I", *vertical.as_integer_ratio())),
        RESOLUTION_UNIT: shorts(order, _INCH),
    }


def copied(tiff: Tiff, found: Directory) -> dict[int, Value]:
    """Every value of a directory, as it is; what is not all there is left out."""
    raw = {tag: tiff.raw(entry, entry.size_bytes) for tag, entry in found.entries.items()}
    return {tag: Value(found.entries[tag].type, found.entries[tag].count, raw[tag]) for tag in raw if raw[tag]}
