"""What a result takes over from its photo besides pixels."""

from __future__ import annotations

from dataclasses import dataclass

MAX_ICC_BYTES = 4 << 20
MAX_EXIF_BYTES = 65_527  # what a JPEG segment holds


@dataclass(frozen=True, slots=True)
class Metadata:
    """Of the upright, 8-bit RGB photo.

    `icc`: its RGB profile, empty for sRGB. `exif`: a TIFF structure as in a PNG's eXIf chunk (no `Exif` prefix), empty
    where there is none: orientation 1, dimensions and `dpi` those of the upright photo, no thumbnail, no MakerNote;
    `exif_without_gps`: the same without any place. `dpi`: horizontal and vertical pixels an inch of the upright photo.
    `pages`: how many pictures the file holds; only the first is used.
    """

    icc: bytes = b""
    exif: bytes = b""
    exif_without_gps: bytes = b""
    dpi: tuple[float, float] | None = None
    pages: int = 1
