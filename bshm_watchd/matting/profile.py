"""Colour profiles: which one a result may carry on, and the way of grey, CMYK and Lab to sRGB.

Relative colorimetric with black point compensation, as picture programs convert by default: colours that sRGB has
stay what they are, and the darkest ink becomes black.
"""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms

from bshm_watchd.matting.decode_header import ROWS_AT_A_TIME, open_cv
from bshm_watchd.metadata import MAX_ICC_BYTES

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Pixels

_SPACES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
_HEAD_BYTES = 128
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
# The table that Little CMS makes of a transform by default is ten levels off in the shadows of a linear grey, and two
# dozen at the edge of what Lab can be shown; for inks it is two at most, and saves most of the time.
_PRECISION = {
    "RGB": ImageCms.Flags.NOOPTIMIZE,
    "L": ImageCms.Flags.NOOPTIMIZE,
    "CMYK": ImageCms.Flags.NONE,
    "LAB": ImageCms.Flags.HIGHRESPRECALC,
}
_BAD_PROFILE = (ImageCms.PyCMSError, OSError, ValueError, TypeError)


def rgb_profile(icc: bytes) -> bytes:
    """`icc`, or nothing where it is damaged or none for RGB."""
    return icc if _to_srgb(icc, "RGB") is not None else b""


def grey_to_srgb(picture: Pixels, icc: bytes) -> None:
    """Change grey RGB values, all three alike, in place, as their profile says; without a valid one they stay."""
    transform = _to_srgb(icc, "L")
    if transform is None:
        return
    cv2 = open_cv()
    levels = Image.frombuffer("L", (256, 1), np.arange(256, dtype=np.uint8), "raw", "L", 0, 1)
    table = np.asarray(transform.apply(levels)).reshape(256, 1, 3)
    for top in range(0, len(picture), ROWS_AT_A_TIME):
        rows = picture[top : top + ROWS_AT_A_TIME]
        cv2.LUT(rows, table, dst=rows)


def image_to_srgb(image: Image.Image, icc: bytes) -> Image.Image:
    """A CMYK or LAB image as RGB: by its profile, else as usual. Lab needs none, it means one thing only."""
    transform = _lab_to_srgb() if image.mode == "LAB" else _to_srgb(icc, image.mode)
    return image.convert("RGB") if transform is None else transform.apply(image)


@functools.lru_cache(maxsize=8)
def _to_srgb(icc: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """None where `icc` is not a valid profile for pictures of this mode. A studio's photos share a few."""
    if not _HEAD_BYTES < len(icc) <= MAX_ICC_BYTES:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if profile.profile.xcolor_space.strip() != _SPACES[mode]:
            return None
        return _transform(profile, mode)
    except _BAD_PROFILE:
        return None


@functools.cache
def _lab_to_srgb() -> ImageCms.ImageCmsTransform:
    return _transform(ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), "LAB")


def _transform(profile: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION | _PRECISION[mode]
    return ImageCms.ImageCmsTransform(profile, srgb, mode, "RGB", _INTENT, flags=flags)
