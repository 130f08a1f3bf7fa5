"""Pictures a second: as many at once as the runtime has streams; of three rounds the fastest counts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.throughput import pictures_per_second
from tests.support.clock import FakeClock
from tests.support.runtimes import ScriptedRuntime, arithmetic_bundle, green

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels

PICTURE = np.zeros((8, 8, 3), np.uint8)


class Timed:
    """Each picture takes the next of these times, by a clock that only it moves."""

    def __init__(self, *seconds: float) -> None:
        self.clock = FakeClock()
        self.left = list(seconds)

    def __call__(self, pixels: Pixels) -> Alpha:
        self.clock.advance(self.left.pop(0))
        return green(pixels)


def speed_of(timed: Timed) -> float:
    with Batcher(ScriptedRuntime(timed), arithmetic_bundle(), 1, 0) as batcher:
        return pictures_per_second(batcher, 1, PICTURE, timed.clock)


def test_the_fastest_of_three_rounds_counts() -> None:
    assert speed_of(Timed(4.0, 0.5, 2.0)) == pytest.approx(2.0)


def test_a_slow_model_is_not_asked_again() -> None:
    timed = Timed(20.0)
    assert speed_of(timed) == pytest.approx(0.05)
    assert not timed.left


def test_all_streams_are_used_at_once() -> None:
    clock = FakeClock()
    both = threading.Barrier(2, action=lambda: clock.advance(1.0), timeout=20)

    def together(pixels: Pixels) -> Alpha:
        both.wait()
        return green(pixels)

    with Batcher(ScriptedRuntime(together, streams=2), arithmetic_bundle(), 1, 0) as batcher:
        assert pictures_per_second(batcher, 2, PICTURE, clock) == pytest.approx(2.0)
