"""Making the INT8 networks of a bundle with photos of its user, and judging them before anything is installed."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from bshm_watchd.clock import Clock, SystemClock, timestamp
from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError, RejectedPhoto
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.buckets import padded
from bshm_watchd.matting.bundle import Bundle, sha256_of
from bshm_watchd.matting.golden import apart, difference
from bshm_watchd.matting.int8 import DIRECTORY, RECORD, Int8, Int8Network, Judgement, quantisable
from bshm_watchd.matting.int8_gate import Verdict, judged
from bshm_watchd.matting.int8_install import install, written
from bshm_watchd.matting.int8_ways import Way, WayFailed, ways
from bshm_watchd.matting.manifest import ListedFile
from bshm_watchd.matting.openvino_network import network_of
from bshm_watchd.matting.quiet_openvino import openvino
from bshm_watchd.matting.room import DecoderDied
from bshm_watchd.matting.runtime import MattingFailed
from bshm_watchd.matting.runtimes import make_runtime
from bshm_watchd.matting.scaling import shrunk

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Photo, Pixels

Load = Callable[[str], "Photo"]
"""The photo of a path. Raises as a decoder, or `OSError`."""

FEWEST, MOST = 30, 300  # photos
_EVERY = 3  # of so many photos one judges, and is not calibrated with
_VERSIONS = ("nncf", "openvino")
_HASH_DIGITS = 12

Told = Callable[[str, int, int | None], None]
"""What is being done, how much of it is done, and of how much (None: nobody knows)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`lines`: what was found of each way that was tried, and of each photo that could not be used; `record`: what was
    installed, None where nothing passed."""

    lines: tuple[str, ...]
    record: Int8 | None


def split(photos: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those to calibrate with and those that judge, always the same of the same; at most `MOST`, evenly taken.

    Raises `ConfigError` where they are too few to tell anything.
    """
    if len(photos) < FEWEST:
        wanted = f"at least {FEWEST} are needed, {MOST} are best, of the kind that will be cut out"
        raise ConfigError([f"{len(photos)} photos are too few: {wanted}"])
    taken = [photos[number * len(photos) // MOST] for number in range(MOST)] if len(photos) > MOST else [*photos]
    judging = taken[_EVERY - 1 :: _EVERY]
    return [photo for number, photo in enumerate(taken, 1) if number % _EVERY], judging


def quantize(
    bundle: Bundle,
    photos: Sequence[str],
    load: Load,
    told: Told,
    tried: Mapping[str, Way] | None = None,
    clock: Clock | None = None,
) -> Outcome:
    """Try one way after the other; what first passes the gate is installed into the bundle, and replaces what was.

    `load` raises as a decoder, or `OSError`; such photos are left out. Raises `ConfigError` where the bundle, the
    photos or the machine do not allow it.
    """
    if not quantisable(bundle):
        raise ConfigError([f"the bundle {bundle.manifest.name} has no network that can be INT8"])
    calibrating, judging = split(photos)
    with tempfile.TemporaryDirectory(prefix="bshm-watchd-int8-") as directory:
        prepared = _prepare(bundle, calibrating, judging, load, Path(directory), told)
        attempt = partial(_attempt, bundle, prepared, load, Path(directory), told, clock or SystemClock())
        return _first_that_passes(attempt, ways() if tried is None else tried, prepared)


def _first_that_passes(
    attempt: Callable[[str, Way], tuple[Verdict, Int8]], tried: Mapping[str, Way], prepared: _Prepared
) -> Outcome:
    lines = [*prepared.left_out]
    for name, way in tried.items():
        try:
            verdict, record = attempt(name, way)
        except WayFailed as error:
            lines.append(f"{name}: {error}")
            continue
        lines.append(verdict.told())
        if verdict.passed:
            return Outcome(tuple(lines), record)
    return Outcome(tuple(lines), None)


# -- photos ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Prepared:
    """`pictures`: to calibrate with; `expected`: the f32 alpha of each photo that judges, in a file, by its path;
    `left_out`: why, one line each."""

    pictures: _Pictures
    expected: dict[str, Path]
    left_out: tuple[str, ...]


class _Pictures(Sequence["Pixels"]):
    """Of the bundle's working size, on disk: those of a large network would fill the memory."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, number: Any) -> Any:
        return np.load(self._paths[number])


def _prepare(
    bundle: Bundle,
    calibrating: list[str],
    judging: list[str],
    load: Load,
    directory: Path,
    told: Told,
) -> _Prepared:
    left_out: list[str] = []
    pictures: list[Path] = []
    expected: dict[str, Path] = {}
    count = len(calibrating) + len(judging)
    with Batcher(make_runtime(bundle.for_a_few, _precision("f32")), bundle, 1, 0) as batcher:
        for number, path in enumerate((*calibrating, *judging)):
            told("photos", number, count)
            try:
                photo = load(path)
                if number < len(calibrating):
                    pictures.append(_kept_picture(bundle, photo, directory / f"{number}.npy"))
                else:
                    expected[path] = _kept_alpha(batcher.matte(photo), directory / f"{number}.png")
            except (RejectedPhoto, DecoderDied, MattingFailed, OSError) as error:
                left_out.append(f"left out: {path}: {error}")
    told("photos", count, count)
    _refuse_too_few(len(pictures), len(expected), left_out)
    return _Prepared(_Pictures(pictures), expected, tuple(left_out))


def _kept_picture(bundle: Bundle, photo: Photo, path: Path) -> Path:
    rule = bundle.manifest.working_size
    working = shrunk(photo.pixels, *rule.of(photo.height, photo.width))
    np.save(path, padded(working, rule.padded_to(photo.height, photo.width)))
    return path


def _kept_alpha(alpha: Alpha, path: Path) -> Path:
    if not cv2.imwrite(str(path), alpha, [cv2.IMWRITE_PNG_COMPRESSION, 1]):
        raise OSError(f"{path}: can't be written")
    return path


def _refuse_too_few(pictures: int, judging: int, left_out: Sequence[str]) -> None:
    if pictures + judging >= FEWEST and judging >= FEWEST // _EVERY:
        return
    few = f"only {pictures + judging} of the photos can be used ({judging} to judge); at least {FEWEST} are needed"
    raise ConfigError([*left_out, few])


# -- one way ---------------------------------------------------------------------------------------------


def _attempt(
    bundle: Bundle,
    prepared: _Prepared,
    load: Load,
    directory: Path,
    told: Told,
    clock: Clock,
    name: str,
    way: Way,
) -> tuple[Verdict, Int8]:
    """What was found of one way; installed where it passed."""
    told(f"{name}: making", 0, None)
    staged = _staged(bundle, directory / name)
    draft = _made(staged, name, way, prepared.pictures, timestamp(clock.wall()))
    staged.path(RECORD).write_bytes(written(draft))
    with Batcher(make_runtime(staged.for_a_few, _precision("int8")), staged, 1, 0) as batcher:
        differences = _differences(batcher, prepared.expected, load, lambda *done: told(f"{name}: judging", *done))
        golden = {one.picture: apart(staged, one, batcher) for one in staged.manifest.golden}
    verdict = judged(name, differences)
    judgement = Judgement(
        mean=verdict.mean,
        worst=verdict.worst,
        photos=verdict.photos,
        calibrated_with=len(prepared.pictures),
        golden={picture: found.mean for picture, found in golden.items()},
        golden_edge_psnr_db={picture: found.edge_psnr_db for picture, found in golden.items()},
    )
    record = draft.model_copy(update={"judgement": judgement})
    if verdict.passed:
        install(bundle, record, staged.directory)
    return verdict, record


def _differences(
    batcher: Batcher, expected: Mapping[str, Path], load: Load, told: Callable[[int, int], None]
) -> dict[str, float]:
    """Of each photo that judges. One that has no alpha, or is gone, is as far from it as can be."""
    found = {}
    for number, (path, kept) in enumerate(expected.items()):
        told(number, len(expected))
        found[path] = 1.0
        with suppress(RejectedPhoto, DecoderDied, MattingFailed, OSError):
            found[path] = difference(batcher.matte(load(path)), _alpha_in(kept))
    return found


def _alpha_in(path: Path) -> Alpha:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), np.uint8)


def _staged(bundle: Bundle, directory: Path) -> Bundle:
    """The bundle once more, its own files by links, so that what is judged is run as it will be run later."""
    for file in bundle.manifest.files:
        (directory / file.path).parent.mkdir(parents=True, exist_ok=True)
        (directory / file.path).symlink_to(bundle.path(file.path).resolve())
    (directory / DIRECTORY).mkdir(parents=True)
    return Bundle(directory, bundle.manifest)


def _made(staged: Bundle, name: str, way: Way, pictures: Sequence[Pixels], made: str) -> Int8:
    """The networks' files in the staged bundle, and the record that names them, not judged yet."""
    networks, files = [], []
    for network in {part.manifest.networks: part for part in quantisable(staged)}.values():
        (own,) = network.manifest.networks
        saved = _saved(way(network_of(network), pictures), staged.path(DIRECTORY), Path(own.path).stem)
        networks.append(Int8Network(made_from=own, file=f"{DIRECTORY}/{saved[0].name}"))
        files += [ListedFile(path=f"{DIRECTORY}/{path.name}", sha256=sha256_of(path)) for path in saved]
    versions = {library: importlib.metadata.version(library) for library in _VERSIONS}
    return Int8(networks=tuple(networks), files=tuple(files), judgement=None, way=name, made=made, versions=versions)


def _saved(model: Any, directory: Path, stem: str) -> tuple[Path, Path]:
    """Both files, with their hash in their name: OpenVINO finds the second one by the name of the first."""
    draft = directory / f"{stem}.xml"
    openvino().save_model(model, str(draft), compress_to_fp16=False)
    both = sha256_of(draft) + sha256_of(draft.with_suffix(".bin"))
    named = directory / f"{stem}-{hashlib.sha256(both.encode()).hexdigest()[:_HASH_DIGITS]}.xml"
    os.rename(draft.with_suffix(".bin"), named.with_suffix(".bin"))
    return draft.rename(named), named.with_suffix(".bin")


def _precision(precision: str) -> ModelSettings:
    return ModelSettings.model_validate({"precision": precision})
