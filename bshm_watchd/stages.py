"""How long each stage of a photo takes, told to whoever asks for it; where nobody does it costs nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from bshm_watchd.clock import Clock

Stage = Literal["read", "decode", "matte", "render", "write", "publish", "file"]
STAGES: tuple[Stage, ...] = ("read", "decode", "matte", "render", "write", "publish", "file")


@dataclass(frozen=True, slots=True)
class Took:
    """One stage of one job, and when it began and ended: seconds, monotonic."""

    job: str
    stage: Stage
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


Observe = Callable[[Took], None]


class Stopwatch:
    """Called from many threads. `observe` is called at the end of each stage, also of one that raised."""

    def __init__(self, clock: Clock, observe: Observe | None = None) -> None:
        self._clock = clock
        self._observe = observe

    @contextlib.contextmanager
    def stage(self, job: str, stage: Stage) -> Iterator[None]:
        if self._observe is None:
            yield
            return
        began = self._clock.monotonic()
        try:
            yield
        finally:
            self._observe(Took(job, stage, began, self._clock.monotonic()))
