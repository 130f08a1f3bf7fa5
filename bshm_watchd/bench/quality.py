"""How good the mattes are: each photo is decoded and matted as the daemon does it, and held against its true matte."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bshm_watchd.bench.pairs import Found, Pair, Scene, different_sizes, refuse_unusable
from bshm_watchd.bench.quality_errors import errors
from bshm_watchd.bench.results import PictureQuality, QualityResult, SceneQuality, Stamp, written
from bshm_watchd.bench.same_photos import photos_sha256
from bshm_watchd.bench.shown import Shown, shown_of, telling, write_shown
from bshm_watchd.bench.stamping import stamp_of
from bshm_watchd.bench.writing import writing
from bshm_watchd.clock import SystemClock
from bshm_watchd.config import BatchSettings
from bshm_watchd.errors import ConfigError, RejectedPhoto
from bshm_watchd.in_process import open_model
from bshm_watchd.matting.room import DecoderDied
from bshm_watchd.matting.runtime import MattingFailed, OutOfMemory

if TYPE_CHECKING:
    from bshm_watchd.clock import Clock
    from bshm_watchd.config import Limits, ModelSettings
    from bshm_watchd.matting.decoder import Decoder
    from bshm_watchd.matting.photo import Alpha, Photo
    from bshm_watchd.pipeline import Matter

Told = Callable[[str, int, int], None]
"""Scene, pictures done, pictures in all."""

ERRORS = ("sad", "mse", "mad", "gradient", "connectivity", "edge_psnr_db")
_NOBODY = "nobody was found in it"


@dataclass(frozen=True, slots=True)
class Judged:
    """`shown`: by scene, of the pictures that are to be seen in a report."""

    scenes: tuple[SceneQuality, ...]
    shown: dict[str, list[Shown]]


@dataclass(frozen=True, slots=True)
class Judge:
    """Works through one picture after the other, so that the time of each is its own.

    `working_size`: what the network gets for a photo of this height and width. The first run of each is not timed: a
    runtime gets ready for a size when it meets it.
    """

    decoder: Decoder
    matter: Matter
    clock: Clock
    working_size: Callable[[int, int], tuple[int, int]] = lambda height, width: (height, width)
    _met: set[tuple[int, int]] = field(default_factory=set, init=False)

    def judged(self, scenes: Sequence[Scene], told: Told) -> Judged:
        """Raises `ConfigError` where a picture can't be decoded or compared, and what ends the whole program."""
        qualities, shown = [], {}
        for scene in scenes:
            sha256 = photos_sha256((pair.photo, pair.matte) for pair in scene.pairs)
            pictures = list(self._scene(scene, told))
            told_of = [quality for quality, _ in pictures]
            qualities.append(SceneQuality(scene=scene.name, pictures=told_of, photos_sha256=sha256))
            shown[scene.name] = telling([picture for _, picture in pictures if picture is not None])
        return Judged(tuple(qualities), shown)

    def _scene(self, scene: Scene, told: Told) -> Iterator[tuple[PictureQuality, Shown | None]]:
        told(scene.name, 0, len(scene.pairs))
        for done, pair in enumerate(scene.pairs, start=1):
            yield self._picture(pair)
            told(scene.name, done, len(scene.pairs))

    def _picture(self, pair: Pair) -> tuple[PictureQuality, Shown | None]:
        truth = _truth(pair, self._decoded(pair.matte))
        try:
            photo = self._decoded(pair.photo)
            _refuse_different_sizes(pair, photo, truth)
            matte, seconds = self._timed(photo)
        except (MattingFailed, OutOfMemory, DecoderDied) as error:
            return _failed(pair, str(error) or type(error).__name__), None
        if truth.any() and not matte.any():
            return _failed(pair, _NOBODY, seconds), None
        found = asdict(errors(matte, truth))
        quality = PictureQuality(
            name=pair.name, edge_psnr_db=found.pop("edge_psnr"), matte_seconds=seconds, failed=None, **found
        )
        return quality, shown_of(pair.name, found["mad"], photo.pixels, truth, matte)

    def _timed(self, photo: Photo) -> tuple[Alpha, float]:
        size = self.working_size(photo.height, photo.width)
        if size not in self._met:
            self.matter.matte(photo)
            self._met.add(size)
        began = self.clock.monotonic()
        matte = self.matter.matte(photo)
        return matte, self.clock.monotonic() - began

    def _decoded(self, path: Path) -> Photo:
        try:
            with path.open("rb") as file:
                return self.decoder.decode(file.fileno(), os.fstat(file.fileno()).st_size)
        except RejectedPhoto as error:
            raise ConfigError([f"{path}: {error.message}; {error.what_to_do}, or take it away"]) from error
        except OSError as error:
            raise ConfigError([f"{path}: {error.strerror}"]) from error


def measured(found: Found, model: ModelSettings, limits: Limits, state_dir: Path, told: Told) -> tuple[Stamp, Judged]:
    """With the model loaded here. Raises as `refuse_unusable`, `open_model` and `Judge.judged`."""
    refuse_unusable(found, limits)
    with open_model(model, BatchSettings(max_size=1), limits, state_dir, children=1) as here:
        stamp = stamp_of(here.bundle, here.settings, here.device)
        working_size = here.bundle.manifest.working_size.padded_to
        return stamp, Judge(here.decoder, here.batcher, SystemClock(), working_size).judged(found.scenes, told)


def written_with_pictures(path: Path, stamp: Stamp, judged: Judged) -> QualityResult:
    """The result file, and beside it the pictures that it names. Raises `ConfigError` for what the disk refuses."""
    with writing(path):
        shown = write_shown(path, judged.shown)
        result = QualityResult(stamp=stamp, scenes=list(judged.scenes), shown=shown)
        written(path, result)
    return result


# -- what is told of a scene -----------------------------------------------------------------------------------


def mean_of(pictures: Sequence[PictureQuality], error: str) -> float | None:
    """Over those that have a matte; None where none has."""
    values = [value for picture in pictures if (value := getattr(picture, error)) is not None]
    return statistics.fmean(values) if values else None


def worst_of(pictures: Sequence[PictureQuality]) -> PictureQuality | None:
    """One that failed before any that did not; None of none."""
    return max(pictures, key=lambda picture: (picture.failed is not None, picture.mad or 0.0), default=None)


# -- one picture -----------------------------------------------------------------------------------------------


def _truth(pair: Pair, matte: Photo) -> Alpha:
    """The alpha of a file that has one (a cutout), else its grey. Raises `ConfigError` where it is in colours."""
    if matte.opacity is not None:
        return matte.opacity
    red, green, blue = (matte.pixels[:, :, channel] for channel in range(3))
    if (red != green).any() or (red != blue).any():
        told = "is in colours and has no alpha channel, so it is no matte: white is person, black is background"
        raise ConfigError([f"{pair.matte}: {told}"])
    return red


def _refuse_different_sizes(pair: Pair, photo: Photo, truth: Alpha) -> None:
    size = photo.height, photo.width
    if size != truth.shape:
        raise ConfigError([different_sizes(pair, size, (truth.shape[0], truth.shape[1]))])


def _failed(pair: Pair, why: str, seconds: float | None = None) -> PictureQuality:
    nothing = dict.fromkeys(ERRORS)
    return PictureQuality(name=pair.name, matte_seconds=seconds, failed=why, **nothing)
