"""A device whose memory is too small for a batch: smaller ones from then on, and whoever fits alone is served."""

from __future__ import annotations

import concurrent.futures
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bshm_watchd.matting.fitting import Fitting, Turns
from bshm_watchd.matting.runtime import MattingFailed, OutOfMemory
from tests.support.callers import batcher_of, in_threads, photo, wait_until
from tests.support.runtimes import green

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels

pytestmark = pytest.mark.contract("G3")


class SmallMemory:
    """Has room for so many pixels, of all calls together; calls of more than `gated` pixels stay until `gate` opens."""

    def __init__(self, memory_pixels: int, streams: int = 1, gated: int | None = None) -> None:
        self.streams = streams
        self.max_batch = 8
        self.gate = threading.Event()
        self.tried: list[tuple[int, int, bool]] = []  # pixels of a picture, pictures, whether they fit
        self._memory_pixels = memory_pixels
        self._gated = gated
        self._lock = threading.Lock()
        self._used_pixels = 0  # guarded by _lock

    def start(self) -> None:
        """Nothing to load."""

    def infer(self, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
        pixels = batch[0].shape[0] * batch[0].shape[1]
        with self._taken(pixels, len(batch)):
            if self._gated is not None and pixels > self._gated:
                self.gate.wait()
            return [green(one) for one in batch]

    def close(self) -> None:
        self.gate.set()

    @contextmanager
    def _taken(self, pixels: int, pictures: int) -> Iterator[None]:
        with self._lock:
            fits = self._used_pixels + pixels * pictures <= self._memory_pixels
            self.tried.append((pixels, pictures, fits))
            if not fits:
                raise OutOfMemory("failed to allocate")
            self._used_pixels += pixels * pictures
        try:
            yield
        finally:
            with self._lock:
                self._used_pixels -= pixels * pictures


def _answers(runtime: SmallMemory, widths: list[int]) -> list[object]:
    """What each caller gets when all of them (after one that holds the lane) wait at once. Pictures are one row."""
    with batcher_of(runtime) as batcher:
        in_threads(batcher, [photo(0, height=1, width=1000)])
        wait_until(lambda: bool(runtime.tried))
        brought = [photo(number % 251, height=1, width=width) for number, width in enumerate(widths)]
        futures = in_threads(batcher, brought)
        wait_until(lambda: f"{len(widths)} waiting" in repr(batcher))
        runtime.gate.set()
        return [future.exception(20) or future.result() for future in futures]


@settings(max_examples=60)
@given(st.integers(1000, 4000), st.lists(st.sampled_from([300, 500, 900, 1500, 5000]), max_size=24))
def test_every_photo_that_fits_alone_is_served_and_what_did_not_fit_is_not_tried_again(
    memory_pixels: int, widths: list[int]
) -> None:
    runtime = SmallMemory(memory_pixels, gated=999)
    for number, (width, answer) in enumerate(zip(widths, _answers(runtime, widths), strict=True)):
        if width > memory_pixels:
            assert isinstance(answer, MattingFailed)
        else:
            assert not isinstance(answer, Exception), answer
            assert answer.shape == (1, width)
            assert (answer == number % 251).all()
    _expect_nothing_tried_again(runtime.tried)


def _expect_nothing_tried_again(tried: list[tuple[int, int, bool]]) -> None:
    for index, (pixels, pictures, fits) in enumerate(tried):
        if fits or pictures == 1:
            continue
        later = [other for other in tried[index + 1 :] if other[0] >= pixels]
        assert max((other[1] for other in later), default=0) <= (pictures + 1) // 2


def test_what_did_not_fit_is_not_tried_with_larger_pictures_and_still_is_with_smaller_ones() -> None:
    fitting = Fitting()
    assert fitting.did_not_fit(500, 4)
    assert [fitting.most(pixels, 8) for pixels in (300, 500, 900)] == [8, 2, 2]


def test_a_photo_that_does_not_fit_alone_is_told_what_to_do_and_its_neighbours_are_served() -> None:
    too_large, *neighbours = _answers(SmallMemory(2000, gated=999), [5000, 500, 500])
    assert isinstance(too_large, MattingFailed)
    assert "5000 x 1" in str(too_large)
    assert "lower model.working_side" in str(too_large)
    assert not any(isinstance(answer, Exception) for answer in neighbours)


def test_a_photo_that_fits_beside_nothing_else_waits_until_the_device_is_its_own() -> None:
    runtime = SmallMemory(1600, streams=2, gated=999)
    with batcher_of(runtime) as batcher:
        first = in_threads(batcher, [photo(1, height=1, width=1000)])
        wait_until(lambda: len(runtime.tried) == 1)
        second = in_threads(batcher, [photo(2, height=1, width=900)])
        wait_until(lambda: (900, 1, False) in runtime.tried)
        third = in_threads(batcher, [photo(3, height=1, width=100)])
        runtime.gate.set()
        answered = [future.result(20)[0, 0] for future in first + second + third]
        assert answered == [1, 2, 3]
        assert "alone from 900 pixels on" in repr(batcher)
    assert [fits for pixels, _, fits in runtime.tried if pixels == 900] == [False, True]


def test_a_turn_alone_comes_after_those_before_it_and_before_those_after_it() -> None:
    """Neither can keep the other waiting for longer than it takes itself."""
    turns, order, leave = Turns(), [], [threading.Event() for _ in range(3)]

    def use(name: str, *, alone: bool, until: threading.Event) -> None:
        with turns.turn(alone=alone):
            order.append(name)
            until.wait()

    asked = [("many", False), ("alone", True), ("many again", False)]
    threads = []
    for index, ((name, alone), until) in enumerate(zip(asked, leave, strict=True)):
        thread = threading.Thread(target=use, args=(name,), kwargs={"alone": alone, "until": until})
        thread.start()
        threads.append(thread)
        wait_until(lambda index=index: f"{index} waiting" in repr(turns) and order == ["many"])
    for count, until in enumerate(leave, start=1):
        assert len(order) == count
        until.set()
        wait_until(lambda count=count: len(order) == min(count + 1, 3))
    for thread in threads:
        thread.join(20)
    assert order == ["many", "alone", "many again"]


def test_many_photos_on_many_streams_are_all_served_where_each_fits_alone() -> None:
    runtime = SmallMemory(1000, streams=3)
    widths = [100, 350, 600, 1000] * 20
    with batcher_of(runtime) as batcher:
        brought = [photo(number, height=1, width=width) for number, width in enumerate(widths)]
        futures = in_threads(batcher, brought)
        assert [int(future.result(30)[0, 0]) for future in futures] == list(range(len(widths)))


class _Heard(logging.Handler):
    """What was logged while it listened."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.sizes.append(record.__dict__["fields"]["from_now_on"])


@pytest.fixture
def heard() -> Iterator[_Heard]:
    logger, handler = logging.getLogger("bshm_watchd"), _Heard()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def test_each_new_size_is_said_once(heard: _Heard) -> None:
    runtime = SmallMemory(1100, gated=999)
    with batcher_of(runtime) as batcher:
        for _ in range(3):
            runtime.gate.clear()
            runtime.tried.clear()
            in_threads(batcher, [photo(0, height=1, width=1000)])
            wait_until(lambda: bool(runtime.tried))
            futures = in_threads(batcher, [photo(1, height=1, width=500) for _ in range(8)])
            wait_until(lambda: "8 waiting" in repr(batcher))
            runtime.gate.set()
            concurrent.futures.wait(futures, 20)
        assert "at most 2 from 500 pixels on" in repr(batcher)
    assert heard.sizes == ["at most 4", "at most 2"]


def test_what_is_known_of_a_picture_holds_for_every_larger_one_and_no_smaller_one() -> None:
    fitting = Fitting()
    assert fitting.did_not_fit(500, 8)
    assert [fitting.most(pixels, 8) for pixels in (499, 500, 501)] == [8, 4, 4]
    assert fitting.did_not_fit(400, 3)
    assert [fitting.most(pixels, 8) for pixels in (399, 400, 500)] == [8, 2, 2]
    assert not fitting.did_not_fit(500, 8)  # two lanes may have tried at once
    assert fitting.did_not_fit(900, 1)
    assert str(fitting) == "at most 2 from 400 pixels on, alone from 900 pixels on"
