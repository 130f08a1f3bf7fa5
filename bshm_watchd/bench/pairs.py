"""Photos and their true mattes, as a user lays them out: which belong together, and what is wrong with them.

    DIR/photos/anna.jpg + DIR/mattes/anna.png      (also image, images; matte, alpha)
    DIR/anna.jpg + DIR/anna.matte.png

A directory below DIR that is laid out so is a scene of its own, named as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bshm_watchd.errors import ConfigError
from bshm_watchd.intake import rejections
from bshm_watchd.intake.complete import Inspection, inspect
from bshm_watchd.intake.kinds import Sort, is_walked, natural_key, sort_name

if TYPE_CHECKING:
    from bshm_watchd.config import Limits

_PHOTOS = ("photos", "photo", "images", "image")
_MATTES = ("mattes", "matte", "alpha")
_BESIDE = ".matte"  # what a matte's stem ends with beside its photo
_LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif")
_TOLD_AT_MOST = 20
_LAYOUT = "put photos into photos/ and mattes of the same names into mattes/, or anna.matte.png beside anna.jpg"


@dataclass(frozen=True, slots=True)
class Pair:
    """`name`: the photo's, without its extension; one of its kind in a scene."""

    name: str
    photo: Path
    matte: Path


@dataclass(frozen=True, slots=True)
class Scene:
    name: str
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """`left_out`: what does not count and why, a sentence each."""

    scenes: tuple[Scene, ...]
    left_out: tuple[str, ...]


def find_pairs(directory: Path) -> Found:
    """Raises `ConfigError` that says what to do where there is not a single pair."""
    if not directory.is_dir():
        raise ConfigError([f"{directory}: there is no such directory"])
    left_out: list[str] = []
    scenes = [
        Scene(name, tuple(pairs))
        for name, place in _places(directory)
        if (pairs := sorted(_pairs_in(place, left_out), key=lambda pair: natural_key(pair.name)))
    ]
    if not scenes:
        told = f"{directory}: no photo with its matte is here; {_LAYOUT}"
        raise ConfigError([told, *_shortened(left_out)])
    return Found(tuple(scenes), tuple(left_out))


def refuse_unusable(found: Found, limits: Limits) -> None:
    """Raises `ConfigError` with every file that can't be used, by its structure alone: nothing is decoded."""
    problems = [problem for scene in found.scenes for pair in scene.pairs for problem in _problems(pair, limits)]
    if problems:
        raise ConfigError(_shortened(problems))


def different_sizes(pair: Pair, photo: tuple[int, int], matte: tuple[int, int]) -> str:
    """Both height x width."""
    sizes = f"{photo[1]} x {photo[0]} pixels, its matte {pair.matte.name} {matte[1]} x {matte[0]}"
    return f"{pair.photo}: the photo has {sizes}: save the matte in the photo's own size"


# -- finding -------------------------------------------------------------------------------------------------


def _places(directory: Path) -> Iterator[tuple[str, Path]]:
    """The directory itself, and those below it that may be scenes."""
    listed = {entry.name for entry in os.scandir(directory) if entry.is_dir() and is_walked(entry.name)}
    below = sorted(listed.difference(_PHOTOS, _MATTES), key=natural_key)
    own = directory.resolve().name
    yield own if own not in below else f"{own} itself", directory
    for name in below:
        yield name, directory / name


def _pairs_in(place: Path, left_out: list[str]) -> Iterator[Pair]:
    beside = {path for path in _pictures(place) if path.stem.endswith(_BESIDE)}
    photos = [path for path in _pictures(place) if path not in beside]
    yield from _matched(photos, {path.stem.removesuffix(_BESIDE): path for path in beside}, left_out)
    apart = [path for name in _PHOTOS for path in _pictures(place / name)]
    mattes = [path for name in _MATTES for path in _pictures(place / name)]
    if apart or mattes:
        yield from _matched(apart, {path.stem.removesuffix(_BESIDE): path for path in mattes}, left_out)


def _matched(photos: list[Path], mattes: dict[str, Path], left_out: list[str]) -> Iterator[Pair]:
    used: dict[str, Path] = {}
    for photo in photos:
        matte = mattes.get(photo.stem)
        if matte is None:
            left_out.append(f"{photo}: it has no matte, so it does not count")
        elif photo.stem in used:
            left_out.append(f"{photo}: {matte.name} is the matte of {used[photo.stem].name} already")
        elif matte.suffix.lower() in _LOSSY:
            left_out.append(f"{matte}: a JPEG is no exact matte, so {photo.name} does not count; save it as PNG")
        else:
            yield Pair(photo.stem, photo, matte)
        used.setdefault(photo.stem, photo)
    left_out.extend(f"{mattes[stem]}: it has no photo" for stem in sorted(mattes.keys() - used.keys()))


def _pictures(place: Path) -> list[Path]:
    """In natural order; none where there is no such directory."""
    if not place.is_dir():
        return []
    names = [entry.name for entry in os.scandir(place) if sort_name(entry.name) is Sort.CANDIDATE and entry.is_file()]
    return [place / name for name in sorted(names, key=natural_key)]


# -- what can't be used --------------------------------------------------------------------------------------


def _problems(pair: Pair, limits: Limits) -> Iterator[str]:
    sizes = []
    for path in (pair.photo, pair.matte):
        try:
            found = _inspected(path)
        except OSError as error:
            yield f"{path}: {error.strerror}"
            continue
        if problem := rejections.by_structure(found, limits):
            yield f"{path}: {problem.message}; {problem.what_to_do}"
        else:
            sizes.append((found.height, found.width))
    # Stored as the camera was held, they may be turned; what is decoded is compared again.
    if len(sizes) == 2 and sorted(sizes[0]) != sorted(sizes[1]):
        yield different_sizes(pair, sizes[0], sizes[1])


def _inspected(path: Path) -> Inspection:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return inspect(lambda offset, length: os.pread(fd, length, offset), os.fstat(fd).st_size)
    finally:
        os.close(fd)


def _shortened(told: list[str]) -> list[str]:
    more = len(told) - _TOLD_AT_MOST
    return [*told[:_TOLD_AT_MOST], *([f"... and {more} more"] if more > 0 else [])]
