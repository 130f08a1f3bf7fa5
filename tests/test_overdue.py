"""Whether the model still answers: what counts as time, and what doesn't."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bshm_watchd.matting.overdue import Calls


def looked_at(calls: Calls, now: float, until: float) -> float:
    """Look whenever it is asked for; returns when a call was overdue, or `until`."""
    while now < until:
        if calls.is_overdue(now):
            return now
        now += calls.wait_seconds(now) or until
    return until


def test_nobody_needs_to_look_while_no_call_is_under_way() -> None:
    assert Calls(60).wait_seconds(5) is None


def test_only_the_first_call_wakes_whoever_looks() -> None:
    calls = Calls(60)
    assert calls.began("a", 0)
    calls.wait_seconds(0)
    calls.ended("a")
    assert not calls.began("b", 1)


def test_a_call_that_takes_its_limit_is_overdue() -> None:
    calls = Calls(60)
    calls.began("a", 100)
    assert looked_at(calls, 100, until=1000) == 160


def test_calls_that_end_in_time_are_never_overdue() -> None:
    calls = Calls(60)
    now = 0.0
    for _ in range(30):
        calls.began("a", now)
        assert looked_at(calls, now, until=now + 59) == now + 59
        now += 59
        calls.ended("a")


def test_a_call_that_hangs_is_seen_beside_others_that_do_not() -> None:
    calls = Calls(60)
    calls.began("hangs", 0)
    for now in range(0, 60, 6):
        calls.began("answers", now)
        assert not calls.is_overdue(now)
        assert calls.wait_seconds(now) == 6
        calls.ended("answers")
    assert calls.is_overdue(60)


@given(st.floats(0, 1e7), st.integers(1, 9))
def test_time_in_which_the_process_stood_still_does_not_count(stopped_seconds: float, looks: int) -> None:
    """A suspended machine, a stopped process: the call could not go on either."""
    calls = Calls(60)
    calls.began("a", 0)
    now = 0.0
    for _ in range(looks):
        assert not calls.is_overdue(now)
        now += calls.wait_seconds(now) or 0
    now += stopped_seconds
    assert not calls.is_overdue(now)
    calls.wait_seconds(now)
    assert looked_at(calls, now, until=now + 100) == pytest.approx(now + 60 - 6 * looks)
