"""The configured model, measured here and now, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bshm_watchd.cli.findings import Finding, note, ok
from bshm_watchd.clock import Clock, SystemClock
from bshm_watchd.matting.bundle import catalogue, configured_bundle
from bshm_watchd.matting.circumstances import networks
from bshm_watchd.matting.devices.looking import look as look_here
from bshm_watchd.matting.devices.opening import Can, Look, opened_device
from bshm_watchd.matting.golden import read_picture
from bshm_watchd.matting.measured_runtime import settled_runtime
from bshm_watchd.matting.runtimes import can_use_gpu, precision_of, runtime_names
from bshm_watchd.matting.trial import Effort, Figures, tried

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings, Settings
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.devices.choice import Device
    from bshm_watchd.matting.photo import Pixels

WIDTH, HEIGHT = 1920, 1080
_FIRST_AT_MOST = 1.2  # times a later photo: what warming up is there for
_SECONDS = 25.0  # a round more begins only where it would end within this
_PATIENCE_SECONDS = 180.0
_PHOTOS, _PHOTO_SECONDS = 7, 4.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What computes. `networks`: the files that are computed, with their sha256; `device`: cpu or gpu.

    `working_size`: width x height at which alpha is made of the measured photo. `batch`: the most photos a call.
    """

    bundle: str
    networks: dict[str, str]
    device: str
    device_name: str
    cores: int
    runtime: str
    precision: str
    batch: int
    working_size: str


@dataclass(frozen=True, slots=True)
class Measured:
    """`ready_seconds`: until it is warm for a photo of this size, the process's own start left out; `first_seconds`,
    `steady_seconds`: of a photo of WIDTH x HEIGHT then; `resident_mib`: of the GPU's memory or by the process. Each is
    the best of `rounds` processes: what else the machine does only ever makes it worse.
    """

    setup: Setup
    ready_seconds: float
    first_seconds: float
    steady_seconds: float
    resident_mib: float
    rounds: int

    def findings(self) -> Iterator[Finding]:
        setup, rounds = self.setup, "once" if self.rounds == 1 else f"best of {self.rounds} processes"
        yield ok("runtime", f"{setup.runtime}, {setup.precision}, {_counted(setup.batch)} a call at most")
        yield ok("photo", f"{WIDTH} x {HEIGHT}, alpha made at {setup.working_size}; {rounds}")
        yield ok("until it is ready", f"{told(self.ready_seconds)}, warmed up for this size alone")
        first = self.first_seconds / self.steady_seconds
        yield (ok if first <= 1.2 else note)(
            "first photo", f"{told(self.first_seconds)}, {first:.2f} times a later one"
        )
        yield ok("each later photo", f"{told(self.steady_seconds)}, alone")
        where = "of the GPU's memory" if setup.device == "gpu" else "by the process"
        yield ok("resident memory", f"{self.resident_mib:.0f} MiB {where}")


def told(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _counted(photos: int) -> str:
    return "1 photo" if photos == 1 else f"{photos} photos"


@dataclass(frozen=True, slots=True)
class Bench:
    """The model of these settings, to be measured. Tests put others in the places of `look`, `can` and `clock`."""

    settings: Settings
    processor: str
    cores: int
    look: Look = look_here
    can: Can = can_use_gpu
    clock: Clock = field(default_factory=SystemClock)

    def measured(self, rounds: int = 1) -> Measured:
        """In as many processes, one after the other; fewer where they take too long.

        Raises `ConfigError` where the model can't start, `InstanceRunning` where its GPU is taken.
        """
        bundle = configured_bundle(self.settings.model, self.settings.state_dir)
        with opened_device(bundle, self.settings.model, self.look, self.can) as device:
            settled = settled_runtime(bundle, device.settled(self.settings.model), self.settings.state_dir)
            batch, figures = self._figures(bundle, settled, rounds)
            setup = self._setup(bundle, settled, device, batch)
        return Measured(
            setup,
            min(one.start_seconds for one in figures),
            min(one.first_seconds for one in figures),
            min(one.steady_seconds for one in figures),
            min(one.resident_mib for one in figures),
            len(figures),
        )

    def _figures(self, bundle: Bundle, settled: ModelSettings, rounds: int) -> tuple[int, list[Figures]]:
        effort = Effort(_PHOTOS, _PHOTO_SECONDS, self.settings.batch.max_size, _PATIENCE_SECONDS)
        photo, found = _photo(), list[Figures]()
        began = self.clock.monotonic()
        while len(found) < rounds:
            found.append(tried(bundle, settled, photo, effort).figures)
            spent = self.clock.monotonic() - began
            if spent + spent / len(found) > _SECONDS:
                break
        return min(one.largest_batch for one in found), found

    def _setup(self, bundle: Bundle, settled: ModelSettings, device: Device, batch: int) -> Setup:
        height, width = bundle.working_size(HEIGHT, WIDTH)
        precision = precision_of(bundle, settled)
        return Setup(
            bundle.manifest.name, networks(bundle, precision), device.kind, device.name or self.processor, self.cores,
            runtime_names(bundle, settled), precision, batch, f"{width} x {height}",
        )  # fmt: skip


def better(one: Measured, other: Measured) -> Measured:
    """The best figures of two measurements of one setup; a setup that changed in between is the later one."""
    return replace(
        other,
        ready_seconds=min(one.ready_seconds, other.ready_seconds),
        first_seconds=min(one.first_seconds, other.first_seconds),
        steady_seconds=min(one.steady_seconds, other.steady_seconds),
        resident_mib=min(one.resident_mib, other.resident_mib),
        rounds=one.rounds + other.rounds,
    )


def _photo() -> Pixels:
    """The portrait that is shipped with this program, enlarged, its sides filled up with its own last columns."""
    import cv2
    import numpy as np

    shipped = catalogue()["portrait"]
    portrait = read_picture(shipped.path(shipped.manifest.golden[0].picture)).pixels
    width = min(WIDTH, round(portrait.shape[1] * HEIGHT / portrait.shape[0]))
    enlarged = cv2.resize(portrait, (width, HEIGHT), interpolation=cv2.INTER_LANCZOS4)
    left = (WIDTH - width) // 2
    filled = cv2.copyMakeBorder(enlarged, 0, 0, left, WIDTH - width - left, cv2.BORDER_REPLICATE)
    return filled.astype(np.uint8, copy=False)
