"""The photos that are measured with: somebody's own, or built ones that cost what a camera's cost."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bshm_watchd.errors import ConfigError
from bshm_watchd.intake.complete import Inspection, Verdict, inspect
from bshm_watchd.intake.kinds import Sort, natural_key, sort_name
from bshm_watchd.logs import shown
from bshm_watchd.matting.shipped_portrait import framed, shipped_portrait

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Pixels

    Told = Callable[[str, int, int | None], None]
    """What is being done, how much of it is done, and of how much; None: that is not known."""

MOST_DIFFERENT = 8  # of a built set; building one of 45 megapixels takes seconds
_QUALITY = 92
_GRAIN = 7.0  # standard deviation of a sensor's noise, in grey levels: JPEGs of 2.5 bits a pixel, as cameras'
_TILE = 1024


@dataclass(frozen=True, slots=True)
class Size:
    name: str
    width: int
    height: int


SIZES = (Size("1080p", 1920, 1080), Size("24 MP", 6000, 4000))
LARGE = Size("45 MP", 8192, 5464)


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """`megapixels`: the median photo's. `left_out`: what else was found with them, and why it is not measured."""

    name: str
    photos: tuple[Path, ...]
    megapixels: float
    left_out: tuple[str, ...] = ()

    def burst(self, count: int) -> list[Path]:
        """So many photos: all of them again, in the same order, where there are fewer."""
        return [self.photos[number % len(self.photos)] for number in range(count)]

    def sample(self, count: int, burst: int) -> list[Path]:
        """So many of those in a burst, evenly spread; all of them again, in the same order, where there are fewer."""
        theirs = self.photos[:burst]
        if len(theirs) <= count:
            return [theirs[number % len(theirs)] for number in range(count)]
        return [theirs[number * len(theirs) // count] for number in range(count)]


# -- somebody's own ------------------------------------------------------------------------------------------


def own_set(directory: Path) -> PhotoSet:
    """The photos that lie in it, not those below. Raises `ConfigError` where there are none, or it can't be read."""
    try:
        names = sorted((entry.name for entry in os.scandir(directory) if entry.is_file()), key=natural_key)
        found = {name: _inspected(directory / name) for name in names if sort_name(name) is Sort.CANDIDATE}
    except OSError as error:
        raise ConfigError([f"{error.filename or directory}: {error.strerror}; name a directory of photos"]) from error
    whole = {name: one for name, one in found.items() if one.verdict is Verdict.COMPLETE and one.pixels}
    left_out = tuple(f"{shown(name)}: {_why_not(one)}" for name, one in found.items() if name not in whole)
    if not whole:
        advice = "put JPEG, PNG, WebP or TIFF photos into it, or leave it out"
        raise ConfigError([*left_out, f"{directory}: no photos are in that directory; {advice}"])
    pixels = sorted(one.pixels for one in whole.values())
    name = shown(directory.resolve().name) or "photos"
    return PhotoSet(name, tuple(directory / one for one in whole), pixels[len(pixels) // 2] / 1e6, left_out)


def _inspected(path: Path) -> Inspection:
    with path.open("rb") as file:
        fd = file.fileno()
        return inspect(lambda offset, length: os.pread(fd, length, offset), os.fstat(fd).st_size)


def _why_not(found: Inspection) -> str:
    return "not a photo" if found.verdict is Verdict.NOT_A_PHOTO else "not whole"


# -- built ones ----------------------------------------------------------------------------------------------


def built_set(directory: Path, size: Size, count: int, told: Told = lambda what, done, total: None) -> PhotoSet:
    """At most `MOST_DIFFERENT` JPEGs, the same ones each time. Raises `ConfigError` where the place takes none."""
    different, portrait = min(count, MOST_DIFFERENT), shipped_portrait()
    photos: list[Path] = []
    for number in range(different):
        told(f"building {size.name} photos", number, different)
        photos.append(directory / f"{size.name.replace(' ', '')}-{number + 1}.jpg")
        try:
            photos[-1].write_bytes(encoded(varied(portrait, size, number)))
        except OSError as error:
            raise ConfigError([f"{photos[-1]}: {error.strerror}; name another place with --on DIR"]) from error
    told(f"building {size.name} photos", different, different)
    return PhotoSet(size.name, tuple(photos), size.width * size.height / 1e6)


def varied(portrait: Pixels, size: Size, number: int) -> Pixels:
    """The portrait as another photo: another crop, side, light and grain for each number."""
    chance = np.random.default_rng(number)
    picture = _lit(framed(_cropped(portrait, chance), size.height, size.width), chance)
    return _grained(picture[:, ::-1] if number % 2 else picture, chance)


def encoded(pixels: Pixels) -> bytes:
    """As cameras write it: JPEG with half the colours across."""
    import simplejpeg

    packed: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels), quality=_QUALITY, colorspace="RGB", colorsubsampling="422"
    )
    return packed


def _cropped(portrait: Pixels, chance: np.random.Generator) -> Pixels:
    height, width = portrait.shape[:2]
    kept = chance.uniform(0.85, 1.0)
    top, left = (int(chance.uniform(0, 1 - kept) * side) for side in (height, width))
    return portrait[top : top + round(kept * height), left : left + round(kept * width)]


def _lit(picture: Pixels, chance: np.random.Generator) -> Pixels:
    """Another exposure and white balance."""
    import cv2

    gain = chance.uniform(0.75, 1.15) * chance.uniform(0.94, 1.06, 3)
    levels = np.clip(np.arange(256)[:, None] * gain, 0, 255).astype(np.uint8)
    return cv2.LUT(picture, np.ascontiguousarray(levels[None])).astype(np.uint8, copy=False)


def _grained(picture: Pixels, chance: np.random.Generator) -> Pixels:
    """With noise, which is what most of a camera's JPEG is made of; tile by tile, since making it is slow."""
    tile = chance.normal(0, _GRAIN, (_TILE, _TILE, 3)).astype(np.int16)
    grained = np.empty_like(picture)
    for top in range(0, picture.shape[0], _TILE):
        for left in range(0, picture.shape[1], _TILE):
            part = picture[top : top + _TILE, left : left + _TILE]
            noise = tile[: part.shape[0], : part.shape[1]]
            grained[top : top + _TILE, left : left + _TILE] = np.clip(part + noise, 0, 255)
    return grained
