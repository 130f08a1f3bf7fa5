"""The baseline library: a folder of pictures to measure with, built reproducibly, to which a studio adds its own.

    speed_test_set/1080p/*.jpg  speed_test_set/24mp/*.jpg
    quality_test_set/<scene>/photos/*.jpg + mattes/*.png
    library.yaml

Only what library.yaml lists is ever replaced or removed; whatever else lies there is somebody's own.
"""

from __future__ import annotations

import importlib.metadata
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from bshm_watchd import __version__
from bshm_watchd.bench.canvas import grained
from bshm_watchd.bench.casts import DrawnCast, PackCast
from bshm_watchd.bench.drawn import save
from bshm_watchd.bench.drawn_people import SOURCE as DRAWN
from bshm_watchd.bench.figures import Random
from bshm_watchd.bench.pack import Pack, Pixels
from bshm_watchd.bench.scene_kinds import KINDS, Cast, Composition, SceneKind
from bshm_watchd.bench.writing import writing
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bundle import sha256_of

SPEED, QUALITY, RECORD = "speed_test_set", "quality_test_set", "library.yaml"
_LIBRARIES = ("numpy", "opencv-python-headless")  # what decides which bytes come of a seed
_SPEED_SETS = {"1080p": (1920, 1080), "24mp": (6000, 4000)}
_LARGEST_COMPOSED = 3000  # sides above are composed at half their size and enlarged: else it takes gigabytes
_GRAIN, _BAND_ROWS = 10.0, 256
_OF_SPEED = 1 << 20  # added to the numbers of its pictures, so that none is one of the quality set
_DRAWN_LICENCE = "drawn by bshm-watchd itself; free to use"
_UNKNOWN_LICENCE = "of the pack that it was built from; its licence is not told there"

Told = Callable[[str, int, int], None]
"""What is built, pictures done, pictures in all."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many pictures: `each` of every scene; sides in pixels are those of the quality set."""

    seed: int = 1
    each: int = 8
    photos_1080p: int = 12
    photos_24mp: int = 4
    longer: int = 1080
    shorter: int = 720


class LibraryFile(BaseModel):
    """`sources`: keys of the record's own `sources`; None of a matte: its photo's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    scene: str
    sources: tuple[str, ...] = ()


class Record(BaseModel):
    """`libraries`: with these the same seed gives the same bytes. `sources`: their licences. `files`: by path."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["bshm-watchd baseline library"] = "bshm-watchd baseline library"
    format: Literal[1] = 1
    version: str
    seed: int
    libraries: dict[str, str]
    sources: dict[str, str]
    files: dict[str, LibraryFile]


@dataclass(frozen=True, slots=True)
class _Planned:
    """One picture: `matte`: where its true matte goes, None in a speed set."""

    what: str
    photo: str
    matte: str | None
    compose: Callable[[Cast], Composition]


def build(directory: Path, wanted: Wanted, pack: Pack | None, told: Told, *, force: bool = False) -> Record:
    """Builds all, then gives it its names; `force`: in place of an earlier library's own files.

    Raises `ConfigError` where a library or somebody's own files are in the way, and for what the disk refuses.
    """
    with writing(directory):
        return _build(directory, wanted, pack, told, force=force)


def _build(directory: Path, wanted: Wanted, pack: Pack | None, told: Told, *, force: bool) -> Record:
    earlier = _earlier(directory, force=force)
    planned = list(_plan(wanted))
    names = [name for one in planned for name in (one.photo, one.matte) if name is not None]
    _refuse_taken(directory, set(names) - earlier.keys())
    directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=directory) as scratch:
        files = _composed(Path(scratch), planned, DrawnCast() if pack is None else PackCast(pack), told)
        for name in earlier:
            (directory / name).unlink()
        for name in files:
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (Path(scratch) / name).rename(directory / name)
    record = _record(wanted.seed, files, pack)
    _write(directory / RECORD, record)
    return record


def read_record(path: Path) -> Record:
    """Raises `ConfigError`."""
    try:
        return Record.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    except (yaml.YAMLError, UnicodeDecodeError, ValidationError) as error:
        raise ConfigError([f"{path}: not the record of a library of this version; build into another place"]) from error


# -- what is planned -------------------------------------------------------------------------------------------


def _plan(wanted: Wanted) -> Iterator[_Planned]:
    counts = {"1080p": wanted.photos_1080p, "24mp": wanted.photos_24mp}
    for kind in KINDS:
        for number in range(wanted.each):
            name = f"{kind.name}-{number + 1:02}"
            place = f"{QUALITY}/{kind.name}"
            yield _Planned(
                kind.name, f"{place}/photos/{name}.jpg", f"{place}/mattes/{name}.png",
                partial(kind.compose, seed=wanted.seed, number=number, longer=wanted.longer, shorter=wanted.shorter),
            )  # fmt: skip
    for (set_name, (longer, shorter)), offset in zip(_SPEED_SETS.items(), (1, 2), strict=True):
        for number in range(counts[set_name]):
            kind = KINDS[number % len(KINDS)]
            compose = _for_speed(kind, wanted.seed, offset * _OF_SPEED + number, longer, shorter)
            yield _Planned(set_name, f"{SPEED}/{set_name}/{number + 1:02}-{kind.name}.jpg", None, compose)


def _for_speed(kind: SceneKind, seed: int, number: int, longer: int, shorter: int) -> Callable[[Cast], Composition]:
    """Its alpha is not for use: a picture that was composed at half its size has another size than its alpha."""
    times = 1 if longer <= _LARGEST_COMPOSED else 2

    def compose(cast: Cast) -> Composition:
        made = kind.compose(cast, seed, number, longer // times, shorter // times)
        return replace(made, pixels=_as_of_a_camera(made.pixels, times, np.random.default_rng([seed, number])))

    return compose


def _as_of_a_camera(pixels: Pixels, times: int, random: Random) -> Pixels:
    """So many times as large, with a sensor's noise: a JPEG's size, and the time it takes, hang on that."""
    height, width = pixels.shape[:2]
    size = width * times, height * times
    enlarged = np.array(cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC), np.uint8)
    for top in range(0, len(enlarged), _BAND_ROWS):
        rows = slice(top, top + _BAND_ROWS)
        enlarged[rows] = grained(random, enlarged[rows].astype(np.float32), _GRAIN)
    return enlarged


# -- what is done ----------------------------------------------------------------------------------------------


def _earlier(directory: Path, *, force: bool) -> dict[str, LibraryFile]:
    path = directory / RECORD
    if not path.exists():
        return {}
    if not force:
        raise ConfigError([f"{directory}: a library is here already; --force builds its own pictures anew"])
    return {name: file for name, file in read_record(path).files.items() if _is_unchanged(directory / name, file)}


def _is_unchanged(path: Path, file: LibraryFile) -> bool:
    return path.is_file() and sha256_of(path) == file.sha256


def _refuse_taken(directory: Path, names: set[str]) -> None:
    taken = sorted(name for name in names if (directory / name).exists())
    if taken:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise ConfigError([f"{directory / taken[0]}{more}: would be written over; move it, or build elsewhere"])


def _composed(scratch: Path, planned: Sequence[_Planned], cast: Cast, told: Told) -> dict[str, LibraryFile]:
    files: dict[str, LibraryFile] = {}
    done: dict[str, int] = {}
    in_all = {what: sum(one.what == what for one in planned) for what in {one.what for one in planned}}
    for one in planned:
        told(one.what, done.get(one.what, 0), in_all[one.what])
        made = one.compose(cast)
        save(scratch / one.photo, made.pixels)
        files[one.photo] = LibraryFile(
            sha256=sha256_of(scratch / one.photo), scene=made.scene, sources=tuple(sorted(made.sources))
        )
        if one.matte is not None:
            save(scratch / one.matte, made.alpha)
            files[one.matte] = LibraryFile(sha256=sha256_of(scratch / one.matte), scene=made.scene)
        done[one.what] = done.get(one.what, 0) + 1
        told(one.what, done[one.what], in_all[one.what])
    return files


def _record(seed: int, files: dict[str, LibraryFile], pack: Pack | None) -> Record:
    used = sorted({source for file in files.values() for source in file.sources})
    licences = {} if pack is None else pack.licences
    sources = {one: _DRAWN_LICENCE if one == DRAWN else licences.get(one, _UNKNOWN_LICENCE) for one in used}
    libraries = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    return Record(version=__version__, seed=seed, libraries=libraries, sources=sources, files=files)


def _write(path: Path, record: Record) -> None:
    temporary = path.with_name(f".{path.name}.part")
    text = yaml.safe_dump(record.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
