"""A runtime without a model: a photo's alpha is its green channel.

For dry runs, load tests and tests: the answer is known in closed form, the start takes no time, and the delays of the
bundle's manifest make it behave like an accelerator that takes so long for a batch and costs no CPU.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bshm_watchd.clock import SystemClock
from bshm_watchd.errors import RuntimeBroken

if TYPE_CHECKING:
    from bshm_watchd.matting.manifest import ArithmeticModel
    from bshm_watchd.matting.photo import Alpha, Pixels


class ArithmeticRuntime:
    def __init__(self, model: ArithmeticModel) -> None:
        self._model = model
        self._clock = SystemClock()
        self._closed = threading.Event()

    def __repr__(self) -> str:
        return f"<ArithmeticRuntime {self._model}>"

    @property
    def streams(self) -> int:
        return self._model.streams

    @property
    def max_batch(self) -> int:
        return self._model.max_batch

    def start(self) -> None:
        """Nothing to load."""

    def infer(self, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
        """The delays are those of the whole call: what it computes itself lies within them."""
        delay = self._model.delay_seconds_per_batch + len(batch) * self._model.delay_seconds_per_photo
        over = self._clock.monotonic() + delay
        answers: list[Alpha | Exception] = [pixels[:, :, 1].copy() for pixels in batch]
        if self._closed.wait(max(0.0, over - self._clock.monotonic())):
            raise RuntimeBroken("the arithmetic runtime is closed")
        return answers

    def close(self) -> None:
        self._closed.set()
