"""What each stage of a photo costs when it is alone on the machine, and the model's throughput by its batches.

The same pipeline as the daemon's, its model and its disk, but one photo at a time and one decode child. Each photo goes
through twice: once by the clock, once by the CPU time of this process and of the decode child.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bshm_watchd.bench.course import MeasuringFailed
from bshm_watchd.bench.results import StageCost
from bshm_watchd.stages import STAGES, Stage, Took

if TYPE_CHECKING:
    from bshm_watchd.clock import Clock
    from bshm_watchd.config import Settings
    from bshm_watchd.matting.photo import Pixels
    from bshm_watchd.matting.runtime import Runtime

_PATIENCE_SECONDS = 1800.0
_ROUNDS = 3
_LAST_WORDS = 3


@dataclass(frozen=True, slots=True)
class Alone:
    """`batches`: pictures a second by pictures in a batch; empty where the runtime gains nothing from them."""

    stages: list[StageCost]
    batches: dict[int, float]


def measured_alone(settings: Settings, photos: Sequence[Path], directory: Path) -> Alone:
    """In a process of its own; the first photo is not counted. Raises `MeasuringFailed` with what that one said."""
    wanted = directory / "alone.json"
    wanted.write_text(json.dumps({"settings": settings.model_dump(mode="json"), "photos": [str(p) for p in photos]}))
    command = [sys.executable, "-P", "-m", "bshm_watchd.bench.alone_child", str(wanted)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=_PATIENCE_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise MeasuringFailed(f"measuring single photos took longer than {_PATIENCE_SECONDS:g} seconds") from error
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-_LAST_WORDS:]
        raise MeasuringFailed("\n".join([f"measuring single photos failed (exit code {done.returncode}):", *last]))
    content = json.loads(done.stdout.splitlines()[-1])
    stages = [StageCost.model_validate(stage) for stage in content["stages"]]
    return Alone(stages, {int(size): speed for size, speed in content["batches"].items()})


def costs(wall: Sequence[Sequence[Took]], cpu: Sequence[Sequence[Took]]) -> list[StageCost]:
    """Over photos: of the time by the clock the median, of CPU time the mean, since a burst costs the sum of it.

    A stage of several outputs is their sum.
    """
    return [
        StageCost(
            stage=stage,
            wall_seconds=statistics.median(_of_each(stage, wall)),
            cpu_seconds=statistics.fmean(_of_each(stage, cpu)),
        )
        for stage in STAGES
    ]


def _of_each(stage: Stage, photos: Sequence[Sequence[Took]]) -> list[float]:
    return [sum(took.seconds for took in photo if took.stage == stage) for photo in photos]


# -- batches -------------------------------------------------------------------------------------------------


def batch_sizes(most: int) -> list[int]:
    """1, 2, 4 ... up to the most, which is always among them; none where there is nothing to compare."""
    if most < 2:
        return []
    powers = [1 << power for power in range(most.bit_length()) if 1 << power < most]
    return [*powers, most]


def throughput_by_batch(runtime: Runtime, most: int, picture: Pixels, clock: Clock) -> dict[int, float]:
    """Pictures a second by batch, as many batches in work as it has streams; up to what its device has memory for.

    `runtime`: started. Of each size the fastest of some rounds, after one that is not counted.
    """
    from bshm_watchd.matting.runtime import OutOfMemory

    found: dict[int, float] = {}
    with ThreadPoolExecutor(runtime.streams) as pool, contextlib.suppress(OutOfMemory):
        for size in batch_sizes(min(most, runtime.max_batch)):
            once = partial(_once, pool, runtime, [picture] * size)
            once()
            found[size] = runtime.streams * size / min(_timed(once, clock) for _ in range(_ROUNDS))
    return found


def _once(pool: ThreadPoolExecutor, runtime: Runtime, batch: list[Pixels]) -> None:
    for answers in pool.map(runtime.infer, [batch] * runtime.streams):
        if broken := next((answer for answer in answers if isinstance(answer, Exception)), None):
            raise broken


def _timed(once: Callable[[], None], clock: Clock) -> float:
    began = clock.monotonic()
    once()
    return clock.monotonic() - began


# -- clocks --------------------------------------------------------------------------------------------------


class CpuClock:
    """Goes on while these processes compute, on however many cores."""

    def __init__(self, pids: Sequence[int], clock: Clock, cpu_seconds: Callable[[int], float]) -> None:
        self._pids = tuple(pids)
        self._clock = clock
        self._cpu_seconds = cpu_seconds

    def monotonic(self) -> float:
        return sum(map(self._cpu_seconds, self._pids))

    def wall(self) -> float:
        return self._clock.wall()


@contextlib.contextmanager
def quiet_stdout() -> Iterator[None]:
    """What libraries print there goes to standard error: standard output is for the answer alone."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
