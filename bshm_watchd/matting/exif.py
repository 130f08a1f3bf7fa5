"""What a photo tells about itself, cleaned: what results may carry on, without what no longer holds or is nobody's
business. Values are copied as they are, never interpreted and written anew. Damage drops what is damaged, no photo.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from bshm_watchd.metadata import MAX_EXIF_BYTES
from bshm_watchd.tiff import Directory, Tiff, TiffDamaged, open_tiff
from bshm_watchd.tiff_directories import (
    HEAD_BYTES,
    RESOLUTION_UNIT,
    X_RESOLUTION,
    Y_RESOLUTION,
    Order,
    Value,
    directory,
    head,
    longs,
    resolution,
    shorts,
)

_ORIENTATION, _WIDTH, _HEIGHT = 0x0112, 0x0100, 0x0101
_DETAILS, _PLACE = 0x8769, 0x8825
_PIXEL_WIDTH, _PIXEL_HEIGHT, _COLOUR_SPACE = 0xA002, 0xA003, 0xA001
_MAKER_NOTE, _INTEROPERABILITY, _INTEROPERABILITY_RULES = 0x927C, 0xA005, 0x0001
_SRGB, _UNCALIBRATED, _ADOBE_RGB_RULES = 1, 0xFFFF, b"R03\0"
# No maker note, and nothing that points into the old block. Above the last are Microsoft's padding and the like.
_OF_DETAILS = frozenset(range(0x829A, 0xA500)) - {_MAKER_NOTE, _INTEROPERABILITY, _DETAILS, _PLACE, 0x83BB, 0x8773}
_OF_PLACE = range(0x20)

# Description, make, model, resolution, software, date, artist, host, rating, copyright, Windows' XPTitle to XPSubject.
DESCRIPTIVE = frozenset(
    {0x010E, 0x010F, 0x0110, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, 0x0131, 0x0132, 0x013B, 0x013C, 0x4746}
    | {0x4749, 0x8298, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F}
)
_OF_A_BLOCK = DESCRIPTIVE | {_WIDTH, _HEIGHT}
_RESOLUTION, _SIZE = frozenset({X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT}), frozenset({_WIDTH, _HEIGHT})

_PREFIX = b"Exif\0\0"
_TYPES = range(1, 14)  # BigTIFF's own types do not exist in EXIF
_SHORT, _RATIONAL = 3, 5
_INCHES_A_UNIT = {2: 1.0, 3: 1 / 2.54}
_MAX_DPI = 100_000


@dataclass(frozen=True, slots=True)
class Exif:
    """`main`, and the directories of details and of the place, by tag; all empty where there is none.

    `orientation`: 1 to 8, 1 where it is absent or no such value; `dpi` as stored, None where it makes no sense;
    `adobe_rgb`: it says that an RGB photo without a profile has those colours.
    """

    order: Order = "<"
    orientation: int = 1
    dpi: tuple[float, float] | None = None
    adobe_rgb: bool = False
    main: dict[int, Value] = field(default_factory=dict)
    details: dict[int, Value] = field(default_factory=dict)
    place: dict[int, Value] = field(default_factory=dict)

    def of_upright(self, height: int, width: int, dpi: tuple[float, float] | None) -> tuple[bytes, bytes]:
        """A TIFF structure of the upright photo of this size, and the same without the place.

        It says the resolution `dpi` and no other, nothing but that where all the rest would be too long, and is empty
        where nothing is left to say.
        """
        resolved = resolution(self.order, dpi) if dpi else {}
        main = {tag: value for tag, value in self.main.items() if tag not in _RESOLUTION}
        main |= self._sides(main, {_WIDTH: width, _HEIGHT: height})
        details = self.details | self._sides(self.details, {_PIXEL_WIDTH: width, _PIXEL_HEIGHT: height})
        main = main | {_ORIENTATION: shorts(self.order, 1)} if details or main.keys() - _SIZE else {}
        whole, without_place = (self._written(main | resolved, details, place) for place in (self.place, {}))
        least = self._written(resolved, {}, {})
        return whole or least, without_place or least

    def of_srgb(self) -> Self:
        """Of the same photo made sRGB."""
        if _COLOUR_SPACE not in self.details:
            return self
        return replace(self, details=self.details | {_COLOUR_SPACE: shorts(self.order, _SRGB)})

    def _sides(self, among: Mapping[int, Value], sides: dict[int, int]) -> dict[int, Value]:
        """Those that are said already."""
        return {tag: longs(self.order, [side]) for tag, side in sides.items() if tag in among}

    def _written(self, main: dict[int, Value], details: dict[int, Value], place: dict[int, Value]) -> bytes:
        parts = {tag: values for tag, values in ((_DETAILS, details), (_PLACE, place)) if values}
        if not main and not parts:
            return b""
        pointers = dict.fromkeys(parts, longs(self.order, [0]))
        offset = HEAD_BYTES + len(directory(self.order, main | pointers, HEAD_BYTES))
        written = b""
        for tag, values in parts.items():
            pointers[tag] = longs(self.order, [offset + len(written)])
            written += directory(self.order, values, offset + len(written))
        block = head(self.order, HEAD_BYTES) + directory(self.order, main | pointers, HEAD_BYTES) + written
        return block if len(block) <= MAX_EXIF_BYTES else b""


def read_exif(block: bytes) -> Exif:
    """From an EXIF block, with or without its prefix. An unreadable one is an empty one."""
    block = block.removeprefix(_PREFIX)
    try:
        tiff = open_tiff(lambda offset, length: block[offset : offset + length])
        return exif_of(tiff, tiff.directory(tiff.first_offset), _OF_A_BLOCK)
    except TiffDamaged:
        return Exif()


def exif_of(tiff: Tiff, main: Directory, tags: Collection[int]) -> Exif:
    """Of a directory that stands for a photo; of its own tags only those in `tags`."""
    orientation = tiff.numbers(main.entries.get(_ORIENTATION), 1)
    own = _values(tiff, main, tags)
    details, place = _pointed(tiff, main, _DETAILS), _pointed(tiff, main, _PLACE)
    return Exif(
        order=tiff.order,
        orientation=orientation[0] if orientation and 1 <= orientation[0] <= 8 else 1,
        dpi=_resolution(tiff.order, own),
        adobe_rgb=_says_adobe_rgb(tiff, details),
        main=own,
        details=_values(tiff, details, _OF_DETAILS),
        place=_values(tiff, place, _OF_PLACE),
    )


def plausible_dpi(horizontal: float, vertical: float) -> tuple[float, float] | None:
    """None for what no device has: no number, 0, and the 1 x 1 that stands for *unknown*."""
    sides = horizontal, vertical
    return sides if all(math.isfinite(side) and 1 < side <= _MAX_DPI for side in sides) else None


def _values(tiff: Tiff, found: Directory, tags: Collection[int]) -> dict[int, Value]:
    """Those of `tags` that are whole, as many of them as a block may be long."""
    values: dict[int, Value] = {}
    left = MAX_EXIF_BYTES
    for tag, entry in found.entries.items():
        if tag in tags and entry.type in _TYPES and (raw := tiff.raw(entry, left)):
            values[tag] = Value(entry.type, entry.count, raw)
            left -= len(raw)
    return values


def _pointed(tiff: Tiff, main: Directory, tag: int) -> Directory:
    """The directory that a tag points to, an empty one where it cannot be read."""
    try:
        return tiff.directory(sum(tiff.numbers(main.entries.get(tag), 1)))
    except TiffDamaged:
        return Directory(0)


def _says_adobe_rgb(tiff: Tiff, details: Directory) -> bool:
    """As DCF 2.0 has it: no calibrated space, and the rules of its optional one."""
    if tiff.number(details, _COLOUR_SPACE) != _UNCALIBRATED:
        return False
    rules = _pointed(tiff, details, _INTEROPERABILITY).entries.get(_INTEROPERABILITY_RULES)
    return rules is not None and tiff.raw(rules, len(_ADOBE_RGB_RULES)) == _ADOBE_RGB_RULES


def _resolution(order: Order, values: dict[int, Value]) -> tuple[float, float] | None:
    """Horizontal and vertical pixels an inch; the unit is the inch where none is given."""
    unit = values.get(RESOLUTION_UNIT)
    given = unit is not None and (unit.type, unit.count) == (_SHORT, 1)
    inches = _INCHES_A_UNIT.get(struct.unpack(f"{order}H", unit.raw)[0] if unit and given else 2)
    sides = [_rational(order, values.get(tag)) for tag in (X_RESOLUTION, Y_RESOLUTION)]
    return None if inches is None else plausible_dpi(sides[0] / inches, sides[1] / inches)


def _rational(order: Order, value: Value | None) -> float:
    if value is None or (value.type, value.count) != (_RATIONAL, 1):
        return math.nan
    above, below = struct.unpack(f"{order}II", value.raw)
    return above / below if below else math.nan
