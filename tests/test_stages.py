"""Stages are told with their times, also one that raises; nobody who does not ask pays for it."""

from __future__ import annotations

import pytest

from bshm_watchd.stages import Stopwatch, Took
from tests.support.clock import FakeClock


def test_a_stage_is_told_with_its_job_and_its_time() -> None:
    clock, told = FakeClock(), list[Took]()
    began = clock.monotonic()
    with Stopwatch(clock, told.append).stage("a", "decode"):
        clock.advance(2.5)
    assert told == [Took("a", "decode", began, began + 2.5)]
    assert told[0].seconds == 2.5


def test_a_stage_that_raises_is_told_as_well() -> None:
    told = list[Took]()
    with pytest.raises(ValueError, match="no"), Stopwatch(FakeClock(), told.append).stage("a", "render"):
        raise ValueError("no")
    assert [took.stage for took in told] == ["render"]


def test_where_nobody_asks_no_clock_is_read() -> None:
    class Unread(FakeClock):
        def monotonic(self) -> float:
            raise AssertionError("the clock was read")

    with Stopwatch(Unread()).stage("a", "decode"):
        pass
