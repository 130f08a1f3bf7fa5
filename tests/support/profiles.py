"""RGB profiles for tests, made from sRGB's."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from PIL import ImageCms


@functools.cache
def srgb() -> bytes:
    """The same bytes each time, though a profile says when it was made."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def red_green_exchanged() -> bytes:
    """sRGB with red and green exchanged: (r, g, b) there is (g, r, b) in sRGB. A target as good."""
    profile = bytearray(srgb())
    rows = dict(_rows(profile))
    places = (int.from_bytes(profile[rows[name] + 4 : rows[name] + 8], "big") + 8 for name in (b"rXYZ", b"gXYZ"))
    red, green = (slice(place, place + 12) for place in places)
    profile[red], profile[green] = profile[green], profile[red]
    return bytes(profile)


def without_colours() -> bytes:
    """A profile with nothing in it that says how to get into its colours."""
    profile = bytearray(srgb())
    for name, at in _rows(profile):
        if name.endswith((b"TRC", b"XYZ")):
            profile[at : at + 4] = b"none"
    return bytes(profile)


def _rows(profile: bytearray) -> Iterator[tuple[bytes, int]]:
    """The names in the table of tags, each with where its row begins."""
    for number in range(int.from_bytes(profile[128:132], "big")):
        at = 132 + 12 * number
        yield bytes(profile[at : at + 4]), at
