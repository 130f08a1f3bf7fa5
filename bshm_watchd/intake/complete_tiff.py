"""Is a TIFF all there? The strips or tiles of its pages lie where its directories say, in any order."""

from __future__ import annotations

from itertools import zip_longest

from bshm_watchd.intake.inspection import MAX_STEPS, Inspection, Verdict, Window
from bshm_watchd.tiff import Directory, Tiff, TiffCutOff, TiffDamaged, is_camera_raw, open_tiff

_WIDTH, _HEIGHT = 256, 257
# Offsets and lengths of strips, of tiles, and of the one stream of old JPEGs.
_PARTS = ((273, 279), (324, 325), (513, 514))
# What decoding reads: the specification's tags and copyright; EXIF, profile, place. Others may point anywhere.
_READ = frozenset(range(254, 533)) | {33432, 34665, 34675, 34853}
# The first is what we take. A share answers each look in a millisecond: a catalogue of pages must not cost seconds.
_MAX_PAGES = 100


def walk_tiff(window: Window) -> Inspection:
    """The first page must be all there: its values that are read, its strips or tiles. So must later pages, as far as
    links lead to them; a link to anything else, other than beyond the file's end, is damage that waiting won't mend.

    A camera's raw file begins as a TIFF does, and is none for us.
    """
    try:
        tiff = open_tiff(window.jump)
        first = tiff.directory(tiff.first_offset)
    except TiffDamaged:
        return Inspection(Verdict.INCOMPLETE)
    if is_camera_raw(tiff, first):
        return Inspection(Verdict.NOT_A_PHOTO)
    width, height = tiff.number(first, _WIDTH), tiff.number(first, _HEIGHT)
    values_end = max((entry.end for tag, entry in first.entries.items() if tag in _READ), default=0)
    whole = values_end <= window.size_bytes and width > 0 and height > 0 and _pages_are_there(tiff, window.size_bytes)
    return Inspection(Verdict.COMPLETE if whole else Verdict.INCOMPLETE, width=width, height=height)


def _pages_are_there(tiff: Tiff, size_bytes: int) -> bool:
    """Whether the picture of each page lies in the file, as far as there are steps left to look.

    What has no picture is not followed further: it need not be a directory at all.
    """
    steps, pages = MAX_STEPS, 0
    try:
        for page in tiff.directories(_MAX_PAGES):
            ends = _part_ends(tiff, page, steps)
            if not ends or steps <= 0:
                break
            if max(ends) > size_bytes:
                return False
            steps, pages = steps - len(ends), pages + 1
    except TiffDamaged as error:
        return pages > 0 and not isinstance(error, TiffCutOff)
    return pages > 0


def _part_ends(tiff: Tiff, page: Directory, limit: int) -> list[int]:
    """Where its strips or tiles end; of those whose length is not said, where they begin."""
    ends: list[int] = []
    for offsets, lengths in _PARTS:
        begins = tiff.numbers(page.entries.get(offsets), limit)
        sizes = tiff.numbers(page.entries.get(lengths), len(begins) or 1)
        ends += [begin + size for begin, size in zip_longest(begins, sizes[: len(begins)], fillvalue=0)]
    return ends
