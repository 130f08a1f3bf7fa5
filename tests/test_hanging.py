"""A model that does not answer any more: everybody is told, and nobody waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from bshm_watchd.errors import RuntimeBroken
from bshm_watchd.matting.batcher import Batcher
from tests.support.callers import in_threads, photo, wait_until
from tests.support.clock import FakeClock
from tests.support.runtimes import ScriptedRuntime, arithmetic_bundle, green

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels

_LIMIT_SECONDS = 1000.0  # of the tests' own clock


@contextmanager
def _batcher(runtime: ScriptedRuntime, clock: FakeClock) -> Iterator[Batcher]:
    batcher = Batcher(runtime, arithmetic_bundle(), 1, 0, clock, infer_seconds=_LIMIT_SECONDS)
    with batcher:
        yield batcher


def _pass(batcher: Batcher, clock: FakeClock, seconds: float) -> None:
    """Time goes by in small steps, and the batcher looks after each."""
    for _ in range(20):
        clock.advance(seconds / 20)
        batcher.look()


def _hangs_at(value: int, gate: threading.Event) -> ScriptedRuntime:
    """A call with such a photo stays until the gate opens; all others are answered at once."""

    def answer(pixels: Pixels) -> Alpha:
        if pixels[0, 0, 0] == value:
            gate.wait()
        return green(pixels)

    return ScriptedRuntime(answer, streams=2)


@pytest.mark.contract("L2")
def test_when_a_call_takes_too_long_all_callers_are_told_that_the_model_is_broken() -> None:
    """Those in that call, those in another one, those that wait, and those that come later."""
    clock, runtime = FakeClock(), ScriptedRuntime(green, streams=2, max_batch=1, gated=True)
    with _batcher(runtime, clock) as batcher:
        futures = in_threads(batcher, [photo(value) for value in range(5)])
        wait_until(lambda: len(runtime.batches) == 2 and "3 waiting" in repr(batcher))
        _pass(batcher, clock, _LIMIT_SECONDS)
        for future in futures:
            with pytest.raises(RuntimeBroken, match=r"within 1000 seconds \(limits.infer_seconds\)"):
                future.result(20)
        with pytest.raises(RuntimeBroken, match="infer_seconds"):
            batcher.matte(photo(9))
    runtime.gate.set()


def test_a_model_that_hangs_is_not_closed_under_the_call_that_is_in_it() -> None:
    class Closable(ScriptedRuntime):
        is_closed = False

        def close(self) -> None:
            self.is_closed = True

    clock, runtime = FakeClock(), Closable(green, gated=True)
    with _batcher(runtime, clock) as batcher:
        futures = in_threads(batcher, [photo(7)])
        runtime.entered.wait()
        _pass(batcher, clock, _LIMIT_SECONDS)
        assert isinstance(futures[0].exception(20), RuntimeBroken)
    assert not runtime.is_closed
    runtime.gate.set()


def test_calls_that_are_answered_in_time_go_on_for_ever() -> None:
    clock, gate = FakeClock(), threading.Event()
    gate.set()
    with _batcher(_hangs_at(-1, gate), clock) as batcher:
        for value in range(5):
            assert batcher.matte(photo(value))[0, 0] == value
            _pass(batcher, clock, _LIMIT_SECONDS * 0.9)


def test_an_answer_that_comes_after_all_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    died: list[object] = []
    monkeypatch.setattr(threading, "excepthook", died.append)
    clock, gate, others = FakeClock(), threading.Event(), set(threading.enumerate())
    runtime = _hangs_at(7, gate)
    with _batcher(runtime, clock) as batcher:
        futures = in_threads(batcher, [photo(7)])
        runtime.entered.wait()
        _pass(batcher, clock, _LIMIT_SECONDS)
        assert isinstance(futures[0].exception(20), RuntimeBroken)
        gate.set()
        for thread in set(threading.enumerate()) - others:
            thread.join(20)
        assert isinstance(futures[0].exception(), RuntimeBroken)
    assert died == []


def test_whoever_observes_sleeps_while_nothing_is_in_the_model() -> None:
    with _batcher(ScriptedRuntime(green), FakeClock()) as batcher:
        batcher.matte(photo(1))
        assert batcher.look() is None
