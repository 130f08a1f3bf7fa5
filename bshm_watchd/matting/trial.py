"""A bundle computing one picture in a process of its own: how long, how much memory, and what it answers.

TensorFlow's precision and device are its process's, and what a library holds it keeps; so whoever compares runtimes or
precisions runs each of them here.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bshm_watchd import config
from bshm_watchd.clock import SystemClock
from bshm_watchd.errors import ConfigError, WatchdError
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.bshm.tensorflow_runtime import TensorFlowRuntime
from bshm_watchd.matting.bundle import Bundle, read_bundle
from bshm_watchd.matting.manifest import FixedSize
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.runtimes import make_runtime
from bshm_watchd.matting.throughput import pictures_per_second

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.photo import Alpha, Pixels
    from bshm_watchd.matting.runtime import Runtime

_SECONDS = 600.0
_ROUNDS = 3
_KIB = 1024
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Trial:
    """`start_seconds`: until it is warm; `steady_seconds`: median of a picture then; `peak_mib`: see `memory_mib`.

    `pictures_per_second`: see `throughput.py`.
    """

    runtime: str
    start_seconds: float
    steady_seconds: float
    peak_mib: float
    pictures_per_second: float
    alpha: Alpha


def tried(bundle: Bundle, settings: ModelSettings, pixels: Pixels) -> Trial:
    """Raises `ConfigError` with what the process said where it cannot compute the picture."""
    with tempfile.TemporaryDirectory(prefix="bshm-watchd-trial-") as directory:
        picture, answer = Path(directory) / "picture.npy", Path(directory) / "alpha.npy"
        np.save(picture, pixels)
        told = _run(bundle, settings, picture, answer)
        return Trial(**json.loads(told), alpha=np.load(answer))


def _run(bundle: Bundle, settings: ModelSettings, picture: Path, answer: Path) -> str:
    command = [sys.executable, "-m", "bshm_watchd.matting.trial", str(bundle.directory), str(picture), str(answer)]
    try:
        done = subprocess.run(
            command, input=settings.model_dump_json(), capture_output=True, text=True, errors="replace",
            timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ConfigError([f"{bundle.manifest.name}: no answer in {_SECONDS:g} seconds"]) from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
        raise ConfigError([f"{bundle.manifest.name}: {said[0]}"])
    return done.stdout


def main(arguments: list[str]) -> int:
    directory, picture, answer = map(Path, arguments)
    settings = config.ModelSettings.model_validate_json(sys.stdin.read())
    try:
        told = _compute(read_bundle(directory), settings, np.load(picture), answer)
    except WatchdError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    print(json.dumps(told))  # noqa: T201
    return 0


def _compute(bundle: Bundle, settings: ModelSettings, pixels: Pixels, answer: Path) -> dict[str, str | float]:
    """As the daemon does it, but only the one size that the picture needs is warmed up."""
    size = bundle.manifest.working_size.padded_to(*pixels.shape[:2])
    alone = {"working_size": FixedSize(rule="fixed", height=size[0], width=size[1])}
    runtime = make_runtime(Bundle(bundle.directory, bundle.manifest.model_copy(update=alone)), settings)
    clock, times = SystemClock(), []
    began = clock.monotonic()
    with Batcher(runtime, bundle, 1, 0) as batcher:
        start_seconds = clock.monotonic() - began
        for _ in range(_ROUNDS):
            began = clock.monotonic()
            alpha = batcher.matte(Photo(pixels))
            times.append(clock.monotonic() - began)
        peak_mib = memory_mib(runtime)
        speed = pictures_per_second(batcher, runtime.streams, pixels, clock)
    np.save(answer, alpha)
    return {
        "runtime": repr(runtime), "start_seconds": start_seconds, "steady_seconds": sorted(times)[_ROUNDS // 2],
        "peak_mib": peak_mib, "pictures_per_second": speed,
    }  # fmt: skip


def memory_mib(runtime: Runtime) -> float:
    """The most that was held so far: of the GPU's memory where the runtime computes there, else by this process."""
    if isinstance(runtime, TensorFlowRuntime) and (on_gpu := runtime.device_peak_bytes) is not None:
        return on_gpu / _MIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
