"""Batching: who shares a batch, who waits how long, and that one photo's trouble is its own."""

from __future__ import annotations

import concurrent.futures
import signal
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import RuntimeBroken
from bshm_watchd.matting.batcher import Batcher, BatcherClosed
from bshm_watchd.matting.bundle import Bundle
from bshm_watchd.matting.edge_pass import EdgePass
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.runtime import MattingFailed
from bshm_watchd.matting.runtimes import make_runtime
from tests.support.callers import batcher_of, in_threads, photo, wait_until
from tests.support.clock import FakeClock
from tests.support.runtimes import ScriptedRuntime, arithmetic_bundle, green

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels

BAD = 13  # the green value of a photo that the scripted runtimes do not like


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 97), (61, 43), (333, 2), (480, 641)])
def test_alpha_is_exact_at_any_odd_size(height: int, width: int) -> None:
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)
    bundle = arithmetic_bundle()
    with Batcher(make_runtime(bundle, ModelSettings()), bundle, 4, 0) as batcher:
        assert np.array_equal(batcher.matte(Photo(pixels)), pixels[:, :, 1])


def test_alpha_comes_back_at_the_photos_own_size_and_place() -> None:
    pixels = np.zeros((900, 600, 3), np.uint8)
    pixels[300:600, 200:400] = 255
    bundle = arithmetic_bundle(longest_side=300)
    with Batcher(make_runtime(bundle, ModelSettings()), bundle, 4, 0) as batcher:
        alpha = batcher.matte(Photo(pixels))
    assert alpha.shape == (900, 600)
    assert alpha[310:590, 210:390].min() > 250
    assert np.abs(alpha.astype(int) - pixels[:, :, 1]).mean() < 2


def test_no_matte_is_more_opaque_than_its_photo() -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (40, 30, 3), np.uint8)
    opacity = np.random.default_rng(6).integers(0, 256, (40, 30), np.uint8)
    bundle = arithmetic_bundle()
    with Batcher(make_runtime(bundle, ModelSettings()), bundle, 4, 0) as batcher:
        alpha = batcher.matte(Photo(pixels, opacity))
    assert np.array_equal(alpha, np.minimum(pixels[:, :, 1], opacity))


def with_edge_pass(bundle: Bundle) -> Bundle:
    return Bundle(bundle.directory, bundle.manifest.model_copy(update={"edge_pass": EdgePass()}))


def test_an_edge_pass_finds_the_photos_own_edges() -> None:
    pixels = np.zeros((900, 600, 3), np.uint8)
    pixels[303:604, 207:401] = 255
    plain = arithmetic_bundle(longest_side=150)
    bundle = with_edge_pass(plain)
    runtime = make_runtime(bundle, ModelSettings())
    with Batcher(runtime, bundle, 4, 0) as batcher:
        sharp = batcher.matte(Photo(pixels))
    with Batcher(make_runtime(plain, ModelSettings()), plain, 4, 0) as batcher:
        soft = batcher.matte(Photo(pixels))
    wrong = [int(np.count_nonzero(np.abs(alpha.astype(int) - pixels[:, :, 1]) > 25)) for alpha in (sharp, soft)]
    assert sharp.shape == (900, 600)
    assert wrong[0] < wrong[1] / 4


def test_a_photo_with_an_edge_pass_is_no_more_opaque_than_it_was() -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (80, 60, 3), np.uint8)
    opacity = np.random.default_rng(6).integers(0, 256, (80, 60), np.uint8)
    bundle = with_edge_pass(arithmetic_bundle(longest_side=30))
    with Batcher(make_runtime(bundle, ModelSettings()), bundle, 4, 0) as batcher:
        alpha = batcher.matte(Photo(pixels, opacity))
    assert (alpha <= opacity).all()


def test_photos_that_wait_together_share_a_batch() -> None:
    runtime = ScriptedRuntime(green, gated=True)
    with batcher_of(runtime, max_size=3) as batcher:
        first = in_threads(batcher, [photo(1)])
        runtime.entered.wait()
        rest = in_threads(batcher, [photo(value) for value in (2, 3, 4, 5)])
        wait_until(lambda: "4 waiting" in repr(batcher))
        runtime.gate.set()
        assert sorted(int(future.result(10)[0, 0]) for future in first + rest) == [1, 2, 3, 4, 5]
    assert [len(batch) for batch in runtime.batches] == [1, 3, 1]


def test_only_photos_of_one_working_shape_share_a_batch() -> None:
    runtime = ScriptedRuntime(green, gated=True)
    with batcher_of(runtime) as batcher:
        in_threads(batcher, [photo(1)])
        runtime.entered.wait()
        mixed = in_threads(batcher, [photo(2), photo(3, width=9), photo(4), photo(5, width=9)])
        wait_until(lambda: "4 waiting" in repr(batcher))
        runtime.gate.set()
        assert [int(future.result(10)[0, 0]) for future in mixed] == [2, 3, 4, 5]
    assert [len(set(batch)) for batch in runtime.batches] == [1, 1, 1]


def test_no_batch_is_larger_than_the_runtime_gains_from() -> None:
    runtime = ScriptedRuntime(green, max_batch=2, gated=True)
    with batcher_of(runtime, max_size=64) as batcher:
        futures = in_threads(batcher, [photo(value) for value in range(1, 7)])
        wait_until(lambda: "waiting" in repr(batcher) and runtime.entered.is_set())
        runtime.gate.set()
        concurrent.futures.wait(futures, 10)
    assert max(len(batch) for batch in runtime.batches) <= 2


def test_an_unfilled_batch_goes_when_its_oldest_photo_has_waited_long_enough() -> None:
    class WatchedClock(FakeClock):
        def monotonic(self) -> float:
            readers.add(threading.current_thread().name)
            return super().monotonic()

    readers: set[str] = set()
    clock, runtime = WatchedClock(), ScriptedRuntime(green)
    with batcher_of(runtime, max_size=3, max_wait_seconds=60, clock=clock) as batcher:
        early = in_threads(batcher, [photo(1)])
        wait_until(lambda: "lane-0" in readers)  # it has decided
        assert "1 waiting" in repr(batcher)
        assert runtime.batches == []
        clock.advance(60)
        late = in_threads(batcher, [photo(2)])
        assert [int(future.result(10)[0, 0]) for future in early + late] == [1, 2]
    assert [len(batch) for batch in runtime.batches] == [2]


def test_a_full_batch_does_not_wait() -> None:
    runtime = ScriptedRuntime(green)
    with batcher_of(runtime, max_size=2, max_wait_seconds=3600, clock=FakeClock()) as batcher:
        futures = in_threads(batcher, [photo(1), photo(2)])
        assert [int(future.result(10)[0, 0]) for future in futures] == [1, 2]


def outcomes(runtime: ScriptedRuntime, values: list[int]) -> list[object]:
    """What each photo's caller gets when all of them (after a first one that holds the lane) share one batch."""
    with batcher_of(runtime) as batcher:
        in_threads(batcher, [photo(99)])
        runtime.entered.wait()
        futures = in_threads(batcher, [photo(value) for value in values])
        wait_until(lambda: f"{len(values)} waiting" in repr(batcher))
        runtime.gate.set()
        return [future.exception(10) or int(future.result()[0, 0]) for future in futures]


@pytest.mark.contract("L2")
def test_a_bad_photo_in_a_batch_fails_alone() -> None:
    def picky(pixels: Pixels) -> Alpha | Exception:
        return MattingFailed("not this one") if pixels[0, 0, 0] == BAD else green(pixels)

    runtime = ScriptedRuntime(picky, gated=True)
    one, bad, two = outcomes(runtime, [1, BAD, 2])
    assert (one, two) == (1, 2)
    assert isinstance(bad, MattingFailed)
    assert [len(batch) for batch in runtime.batches] == [1, 3]


@pytest.mark.contract("L2")
def test_a_batch_that_fails_as_a_whole_is_tried_photo_by_photo() -> None:
    def raising(pixels: Pixels) -> Alpha:
        if pixels[0, 0, 0] == BAD:
            raise ValueError("the whole call fails")
        return green(pixels)

    runtime = ScriptedRuntime(raising, gated=True)
    one, bad, two = outcomes(runtime, [1, BAD, 2])
    assert (one, two) == (1, 2)
    assert isinstance(bad, ValueError)
    assert [len(batch) for batch in runtime.batches] == [1, 3, 1, 1, 1]


def test_a_broken_runtime_fails_all_callers_and_every_later_one() -> None:
    def breaking(pixels: Pixels) -> Alpha:
        if pixels[0, 0, 0] == 1:
            raise RuntimeBroken("the device fell off")
        return green(pixels)  # what comes from a device in this state is not to be trusted

    runtime = ScriptedRuntime(breaking, gated=True)
    with batcher_of(runtime, max_size=2) as batcher:
        futures = in_threads(batcher, [photo(1)])
        runtime.entered.wait()
        futures += in_threads(batcher, [photo(value) for value in (2, 3, 4)])
        wait_until(lambda: "3 waiting" in repr(batcher))
        runtime.gate.set()
        assert all(isinstance(future.exception(10), RuntimeBroken) for future in futures)
        with pytest.raises(RuntimeBroken, match="fell off"):
            batcher.matte(photo(5))


def test_a_runtime_that_loses_an_answer_is_broken() -> None:
    class Forgetful(ScriptedRuntime):
        def infer(self, batch: object) -> list[Alpha | Exception]:
            return []

    with batcher_of(Forgetful(green)) as batcher, pytest.raises(RuntimeBroken, match="0 answers for 1"):
        batcher.matte(photo(1))


def test_closing_fails_those_that_wait_and_finishes_what_runs() -> None:
    runtime = ScriptedRuntime(green, gated=True)
    with batcher_of(runtime) as batcher:
        running = in_threads(batcher, [photo(1)])
        runtime.entered.wait()
        waiting = in_threads(batcher, [photo(2), photo(3)])
        wait_until(lambda: "2 waiting" in repr(batcher))
        threading.Thread(target=lambda: (waiting[0].exception(10), runtime.gate.set())).start()
    assert all(isinstance(future.exception(10), BatcherClosed) for future in waiting)
    assert running[0].result(10)[0, 0] == 1
    with pytest.raises(BatcherClosed):
        batcher.matte(photo(4))


@pytest.mark.contract("L2")
def test_a_caller_that_gives_up_blocks_nobody() -> None:
    class GaveUp(Exception):
        pass

    def give_up(*_: object) -> None:
        raise GaveUp

    runtime = ScriptedRuntime(green, gated=True)
    before = signal.signal(signal.SIGALRM, give_up)
    try:
        with batcher_of(runtime) as batcher:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(GaveUp):
                batcher.matte(photo(1))
            runtime.gate.set()
            assert batcher.matte(photo(2))[0, 0] == 2
    finally:
        signal.signal(signal.SIGALRM, before)


def test_all_streams_work_at_once() -> None:
    runtime = ScriptedRuntime(green, streams=3, max_batch=1, gated=True)
    with batcher_of(runtime) as batcher:
        futures = in_threads(batcher, [photo(value) for value in (1, 2, 3, 4)])
        wait_until(lambda: len(runtime.batches) == 3 and "1 waiting" in repr(batcher))
        runtime.gate.set()
        assert [int(future.result(10)[0, 0]) for future in futures] == [1, 2, 3, 4]


def test_a_runtime_that_cannot_start_is_closed_and_said_so() -> None:
    class Unstartable(ScriptedRuntime):
        def start(self) -> None:
            raise RuntimeBroken("no such device")

    runtime = Unstartable(green, gated=True)
    with pytest.raises(RuntimeBroken, match="no such device"), batcher_of(runtime):
        pass
    assert runtime.gate.is_set()
