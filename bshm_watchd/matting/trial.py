"""A bundle computing one picture in a process of its own: how long, how much memory, and what it answers.

TensorFlow's precision and device are its process's, and what a library holds it keeps; so whoever compares runtimes or
precisions runs each of them here.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bshm_watchd import config
from bshm_watchd.clock import Clock, SystemClock
from bshm_watchd.errors import ConfigError, WatchdError
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.bshm.tensorflow_runtime import TensorFlowRuntime
from bshm_watchd.matting.bundle import Bundle, configured_bundle
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.runtimes import make_runtime
from bshm_watchd.matting.sandbox import die_with_the_parent
from bshm_watchd.matting.throughput import pictures_per_second

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.buckets import Size
    from bshm_watchd.matting.photo import Alpha, Pixels
    from bshm_watchd.matting.runtime import Runtime

_KIB = 1024
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried: `photos` after the first one, fewer (one at least) where they take longer than `seconds`.

    `max_batch`: how many pictures the runtime is made, and warmed up, for. `patience_seconds`: for all of it.
    `throughput`: whether it is measured too; see `throughput.py`.
    """

    photos: int = 3
    seconds: float = 600.0
    max_batch: int = 1
    patience_seconds: float = 600.0
    throughput: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """`start_seconds`: until it is warm, at this picture's size alone; `first_seconds`: the first picture then;
    `steady_seconds`: median of those after it; `peak_mib`: see `memory_mib`; `resident_mib`: what is held at the end,
    of the GPU's memory (its peak) or by the process; `largest_batch`: that the device has memory for at this size.
    """

    runtime: str
    start_seconds: float
    first_seconds: float
    steady_seconds: float
    peak_mib: float
    resident_mib: float
    largest_batch: int
    pictures_per_second: float | None


@dataclass(frozen=True, slots=True)
class Trial:
    """What was measured, and the alpha of the picture."""

    figures: Figures
    alpha: Alpha

    @property
    def steady_seconds(self) -> float:
        return self.figures.steady_seconds

    @property
    def peak_mib(self) -> float:
        return self.figures.peak_mib


class TrialCutShort(ConfigError):
    """It did not come to an end: that says something of the machine just now, and nothing of the bundle."""


def tried(bundle: Bundle, settings: ModelSettings, pixels: Pixels, effort: Effort | None = None) -> Trial:
    """Raises `ConfigError` with what the process said where it cannot compute the picture.

    `TrialCutShort`, which is one, where it did not come to an end.
    """
    with tempfile.TemporaryDirectory(prefix="bshm-watchd-trial-") as directory:
        picture, answer = Path(directory) / "picture.npy", Path(directory) / "alpha.npy"
        try:
            np.save(picture, pixels)
        except OSError as error:
            raise TrialCutShort(
                [f"{picture}: {error.strerror}; {tempfile.gettempdir()} must take a picture"]
            ) from error
        told = _run(bundle, settings, picture, answer, effort or Effort())
        return Trial(Figures(**json.loads(told)), np.load(answer))


def _run(bundle: Bundle, settings: ModelSettings, picture: Path, answer: Path, effort: Effort) -> str:
    # -P: nothing is imported from the directory that somebody happens to stand in
    module = ["-P", "-m", "bshm_watchd.matting.trial"]
    command = [sys.executable, *module, str(bundle.directory), str(picture), str(answer)]
    wanted = json.dumps({"settings": settings.model_dump(mode="json"), "effort": asdict(effort)})
    try:
        done = subprocess.run(
            command, input=wanted, capture_output=True, text=True, errors="replace",
            timeout=effort.patience_seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise TrialCutShort([f"{bundle.manifest.name}: no answer in {effort.patience_seconds:g} seconds"]) from error
    except OSError as error:
        raise TrialCutShort([f"{bundle.manifest.name}: no process could be started: {error.strerror}"]) from error
    if done.returncode < 0:
        raise TrialCutShort([f"{bundle.manifest.name}: its process was killed by signal {-done.returncode}"])
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
        raise ConfigError([f"{bundle.manifest.name}: {said[0]}"])
    return done.stdout.splitlines()[-1]


def main(arguments: list[str]) -> int:
    die_with_the_parent()
    directory, picture, answer = map(Path, arguments)
    wanted = json.loads(sys.stdin.read())
    settings = config.ModelSettings.model_validate(wanted["settings"])
    try:
        bundle = configured_bundle(settings.model_copy(update={"bundle": str(directory)}), directory)
        figures = _compute(bundle, settings, np.load(picture), answer, Effort(**wanted["effort"]))
    except WatchdError as error:
        print("; ".join(str(error).splitlines()), file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps(asdict(figures)))  # noqa: T201
    return 0


def _compute(bundle: Bundle, settings: ModelSettings, pixels: Pixels, answer: Path, effort: Effort) -> Figures:
    """As the daemon does it, but only the one size that the picture needs is warmed up."""
    size = bundle.manifest.working_size.padded_to(*pixels.shape[:2])
    runtime = make_runtime(bundle.only(size), settings, effort.max_batch)
    clock = SystemClock()
    began = clock.monotonic()
    with Batcher(runtime, bundle, 1, 0) as batcher:
        start_seconds = clock.monotonic() - began
        times = _timed(batcher, pixels, effort, clock)
        np.save(answer, batcher.matte(Photo(pixels)))
        speed = pictures_per_second(batcher, runtime.streams, pixels, clock) if effort.throughput else None
        return Figures(
            repr(runtime), start_seconds, times[0], statistics.median(times[1:]), memory_mib(runtime),
            _resident_mib(runtime), _largest_batch(runtime, size, effort.max_batch), speed,
        )  # fmt: skip


def _timed(batcher: Batcher, pixels: Pixels, effort: Effort, clock: Clock) -> list[float]:
    """Seconds of each picture: the first one, then one or more."""
    times: list[float] = []
    while len(times) < 2 or (len(times) <= effort.photos and sum(times[1:]) < effort.seconds):
        began = clock.monotonic()
        batcher.matte(Photo(pixels))
        times.append(clock.monotonic() - began)
    return times


def _largest_batch(runtime: Runtime, size: Size, max_batch: int) -> int:
    if isinstance(runtime, TensorFlowRuntime):
        return runtime.largest_batch(size)
    return min(runtime.max_batch, max_batch)


def _resident_mib(runtime: Runtime) -> float:
    if isinstance(runtime, TensorFlowRuntime) and (on_gpu := runtime.device_peak_bytes) is not None:
        return on_gpu / _MIB
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB


def memory_mib(runtime: Runtime) -> float:
    """The most that was held so far: of the GPU's memory where the runtime computes there, else by this process."""
    if isinstance(runtime, TensorFlowRuntime) and (on_gpu := runtime.device_peak_bytes) is not None:
        return on_gpu / _MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
