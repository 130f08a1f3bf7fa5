"""Is a TIFF all there? The strips or tiles of its pages lie where its directories say, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from bshm_watchd.intake.inspection import MAX_STEPS, Inspection, Verdict, Window
from bshm_watchd.tiff import Directory, Tiff, TiffDamaged, is_camera_raw, open_tiff

_WIDTH, _HEIGHT = 256, 257
# Offsets and lengths of strips, of tiles, and of the one stream of old JPEGs.
_PARTS = ((273, 279), (324, 325), (513, 514))
# The first is what we take. A share answers each look in a millisecond: a catalogue of pages must not cost seconds.
_MAX_PAGES = 100


def walk_tiff(window: Window) -> Inspection:
    """All values of the first page must lie inside the file, and so must the strips or tiles of the first pages.

    A camera's raw file begins as a TIFF does, and is none for us.
    """
    try:
        tiff = open_tiff(window.jump)
        first = tiff.directory(tiff.first_offset)
        if is_camera_raw(tiff, first):
            return Inspection(Verdict.NOT_A_PHOTO)
        width, height = tiff.number(first, _WIDTH), tiff.number(first, _HEIGHT)
        values_end = max((entry.end for entry in first.entries.values()), default=0)
        whole = max(values_end, *_picture_ends(tiff)) <= window.size_bytes and width > 0 and height > 0
    except TiffDamaged:
        return Inspection(Verdict.INCOMPLETE)
    return Inspection(Verdict.COMPLETE if whole else Verdict.INCOMPLETE, width=width, height=height)


def _picture_ends(tiff: Tiff) -> Iterator[int]:
    """Where the picture of each page ends, as far as there are steps left to look."""
    steps = MAX_STEPS
    for page in tiff.directories(_MAX_PAGES):
        ends = _part_ends(tiff, page, steps)
        if not ends:
            raise TiffDamaged("a page without a picture")
        yield max(ends)
        steps -= len(ends)
        if steps <= 0:
            return


def _part_ends(tiff: Tiff, page: Directory, limit: int) -> list[int]:
    """Where its strips or tiles end; of those whose length is not said, where they begin."""
    ends: list[int] = []
    for offsets, lengths in _PARTS:
        begins = tiff.numbers(page.entries.get(offsets), limit)
        sizes = tiff.numbers(page.entries.get(lengths), len(begins) or 1)
        ends += [begin + size for begin, size in zip_longest(begins, sizes[: len(begins)], fillvalue=0)]
    return ends
