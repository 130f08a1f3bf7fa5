"""How fast the daemon is here: cold, with a lone photo, with many at once, and what each stage costs.

What begins something never counts: the first start, the first lone photo, the first burst.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from bshm_watchd.bench.alone import Alone, measured_alone
from bshm_watchd.bench.course import Finished, finished
from bshm_watchd.bench.gpu_use import sampler
from bshm_watchd.bench.measured_settings import HOT, STATE, measured_settings, outputs_of
from bshm_watchd.bench.resident import Resident
from bshm_watchd.bench.results import GpuUse, SpeedOfSet
from bshm_watchd.bench.same_photos import photos_sha256
from bshm_watchd.bench.speed_figures import Burst
from bshm_watchd.bench.staging import Staging
from bshm_watchd.bench.stamping import stamp_of
from bshm_watchd.clock import Clock, SystemClock
from bshm_watchd.intake.file_systems import file_system
from bshm_watchd.intake.settle import Quiet
from bshm_watchd.matting.measured_runtime import settled_runtime
from bshm_watchd.matting.remembered import DIRECTORY

if TYPE_CHECKING:
    from bshm_watchd.bench.effort import Effort
    from bshm_watchd.bench.photo_set import PhotoSet, Told
    from bshm_watchd.bench.results import Stamp
    from bshm_watchd.config import HotFolderSettings, Settings
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.devices.choice import Device

_A_MOMENT_SECONDS = 0.2  # past the time that a file must keep still


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured: `settings` as the user's, `folder` one of their hot folders, or as one by default."""

    settings: Settings
    folder: HotFolderSettings
    bundle: Bundle
    device: Device


@dataclass(frozen=True, slots=True)
class SpeedBench:
    """Measures below `directory`, an empty one of its own. Tests put others in the places of the seams."""

    subject: Subject
    directory: Path
    effort: Effort
    told: Told
    clock: Clock = field(default_factory=SystemClock)
    pause: Callable[[float], object] = field(default_factory=lambda: Event().wait)
    resident: Callable[[Settings, Path, Clock], Resident] = Resident
    alone: Callable[[Settings, list[Path], Path], Alone] = measured_alone

    def measured(self, photos: PhotoSet) -> SpeedOfSet:
        """Raises `ConfigError` for photos that get no results, `MeasuringFailed` where the daemon fails."""
        sha256 = photos_sha256([photo] for photo in photos.photos)  # first: later one may be gone, and all in vain
        settings = self._settings()
        measuring = _Measuring(self, settings, photos, Staging(self.directory / "staging", self.directory / HOT))
        cold = measuring.cold()
        with self.resident(settings, self.directory, self.clock) as daemon:
            daemon.wait_until_ready()
            dropped, lone = measuring.lone(daemon)
            bursts, gpu = measuring.bursts(daemon)
        self.told(f"{photos.name}: stages, one photo at a time", 0, None)
        alone = self.alone(settings, photos.sample(self.effort.alone, self.effort.photos), self.directory)
        self.told(f"{photos.name}: stages, one photo at a time", 1, 1)
        return SpeedOfSet(
            name=photos.name,
            photos=self.effort.photos,
            megapixels=photos.megapixels,
            outputs=outputs_of(settings.hot_folders[0]),
            first_result_seconds=cold,
            settle_seconds=settle_seconds(settings.hot_folders[0]),
            drop_to_result_seconds=dropped,
            matte_seconds=[photo.matte_seconds for photo in lone],
            in_burst_seconds=[seconds for burst in bursts for seconds in burst.in_burst_seconds()],
            rounds=[burst.round() for burst in bursts],
            stages=alone.stages,
            batches=alone.batches,
            timeline=bursts[-1].timeline(),
            gpu=gpu,
            photos_sha256=sha256,
        )

    def _settings(self) -> Settings:
        """Its places are made; what the user's daemon has found out about the model is taken over, not found again."""
        subject = self.subject
        settings = measured_settings(subject.settings, subject.folder, self.directory, subject.bundle.directory)
        settings.hot_folders[0].path.mkdir(exist_ok=True)
        remembered, taken_over = subject.settings.state_dir / DIRECTORY, settings.state_dir / DIRECTORY
        if not taken_over.exists() and remembered.is_dir():
            with contextlib.suppress(OSError):  # another user's; then it is found out once more
                shutil.copytree(remembered, taken_over)
        return settings


@dataclass(frozen=True, slots=True)
class _Measuring:
    """One set of photos, being measured."""

    bench: SpeedBench
    settings: Settings
    photos: PhotoSet
    staging: Staging

    def cold(self) -> list[float]:
        """Seconds from a process's start to its first result: the photo lies there, whole and still, before that."""
        names, found = self.staging.bring(self.photos.burst(1)), list[float]()
        still = settle_seconds(self.settings.hot_folders[0]) + _A_MOMENT_SECONDS
        (self.settings.hot_folders[0].path / "drop").mkdir(exist_ok=True)
        for _ in self._counted("cold starts", self.bench.effort.cold):
            self.staging.drop(names)
            self.bench.pause(still)
            with self.bench.resident(self.settings, self.bench.directory, self.bench.clock) as daemon:
                daemon.wait_until_over(names)
                found.append(finished(daemon.courses.of(names))[0].published - daemon.started)
            self.staging.take_back(names)
        return found[1:]

    def lone(self, daemon: Resident) -> tuple[list[float], list[Finished]]:
        """Seconds from the drop to the result of one photo after the other, and what was told of each."""
        effort = self.bench.effort
        names = self.staging.bring(self.photos.burst(min(effort.lone + 1, len(self.photos.photos))))
        found = []
        for number in self._counted("lone photos", effort.lone):
            one = [names[number % len(names)]]
            dropped = self.bench.clock.monotonic()
            photo = self._dropped(daemon, one)[0]
            found.append((photo.published - dropped, photo))
            self.staging.take_back(one)
        return [seconds for seconds, _ in found[1:]], [photo for _, photo in found[1:]]

    def bursts(self, daemon: Resident) -> tuple[list[Burst], GpuUse | None]:
        names, found = self.staging.bring(self.photos.burst(self.bench.effort.photos)), list[Burst]()
        with sampler(self.bench.subject.device) as gpu:
            for number in self._counted("bursts", self.bench.effort.rounds):
                with gpu.sampling() if gpu is not None and number else contextlib.nullcontext():
                    found.append(self._burst(daemon, names))
                self.staging.take_back(names)
            return found[1:], gpu.use() if gpu is not None else None

    def _burst(self, daemon: Resident, names: list[str]) -> Burst:
        daemon.reset_peak()
        before = daemon.cpu_seconds()
        photos = self._dropped(daemon, names)
        return Burst(tuple(photos), daemon.cpu_seconds() - before, daemon.peak_mib())

    def _dropped(self, daemon: Resident, names: list[str]) -> list[Finished]:
        daemon.courses.forget()
        self.staging.drop(names)
        daemon.wait_until_over(names)
        return finished(daemon.courses.of(names))

    def _counted(self, what: str, count: int) -> Iterator[int]:
        """0 for what is not counted, then so many more; each is told."""
        label = f"{self.photos.name}: {what}"
        for number in range(count + 1):
            self.bench.told(label, number, count + 1)
            yield number
        self.bench.told(label, count + 1, count + 1)


def stamp_now(subject: Subject, directory: Path) -> Stamp:
    """Of what was measured below `directory`: the runtime that was chosen there is remembered there."""
    settings = subject.device.settled(subject.settings.model)
    settled = settled_runtime(subject.bundle, settings, directory / STATE)
    return stamp_of(subject.bundle, settled, subject.device)


def settle_seconds(folder: HotFolderSettings) -> float:
    """How long a photo that nobody has open must keep still in this folder."""
    return Quiet.of(folder, file_system(str(folder.path)).network).free_seconds


def with_model(settings: Settings, **model: str | None) -> Settings:
    """With these of its model's settings in place of those that it has; None: as they are."""
    changes = {name: value for name, value in model.items() if value is not None}
    return settings.model_copy(update={"model": settings.model.model_copy(update=changes)})
