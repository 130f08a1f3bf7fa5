"""What every runtime must do. A new one is added to `RUNTIMES` and is right when this passes."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.matting.bundle import Bundle
from bshm_watchd.matting.runtime import Runtime, make_runtime
from tests.support.runtimes import arithmetic_bundle, u2netp_bundle

RUNTIMES: dict[str, Callable[[], Bundle]] = {
    "arithmetic": lambda: arithmetic_bundle(max_batch=4, streams=2),
    "openvino": u2netp_bundle,
}
SIDE = 320


@pytest.fixture(scope="module", params=RUNTIMES)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return RUNTIMES[request.param]()


@pytest.fixture(scope="module")
def runtime(bundle: Bundle) -> Iterator[Runtime]:
    made = make_runtime(bundle, ModelSettings())
    made.start()
    yield made
    made.close()


def pictures(count: int) -> list[np.ndarray]:
    """A bright disc on noise, somewhere else in each; read-only, as decoded photos are."""
    rng = np.random.default_rng(11)
    made = rng.integers(0, 60, (count, SIDE, SIDE, 3), np.uint8)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for index, picture in enumerate(made):
        picture[(rows - 160) ** 2 + (columns - 80 - 40 * index) ** 2 < 70**2] = (220, 180, 150)
    made.flags.writeable = False
    return list(made)


def alphas(runtime: Runtime, batch: list[np.ndarray]) -> list[np.ndarray]:
    answers = runtime.infer(batch)
    assert all(isinstance(answer, np.ndarray) for answer in answers)
    return [answer for answer in answers if isinstance(answer, np.ndarray)]


def test_each_picture_gets_an_alpha_of_its_size(runtime: Runtime) -> None:
    for alpha in alphas(runtime, pictures(3)):
        assert alpha.shape == (SIDE, SIDE)
        assert alpha.dtype == np.uint8


def test_answers_come_in_order_and_do_not_depend_on_neighbours(runtime: Runtime) -> None:
    batch = pictures(4)
    alone = [alphas(runtime, [picture])[0] for picture in batch]
    assert not np.array_equal(alone[0], alone[3])
    for together, single in zip(alphas(runtime, batch), alone, strict=True):
        assert np.array_equal(together, single)


def test_pictures_are_not_changed(runtime: Runtime) -> None:
    batch = [picture.copy() for picture in pictures(2)]
    runtime.infer(batch)
    assert all(np.array_equal(*pair) for pair in zip(batch, pictures(2), strict=True))


def test_answers_outlive_later_calls(runtime: Runtime) -> None:
    first, second = pictures(2)
    (kept,) = alphas(runtime, [first])
    before = kept.copy()
    runtime.infer([second])
    assert np.array_equal(kept, before)


def test_many_threads_may_call_at_once(runtime: Runtime) -> None:
    batch = pictures(4)
    expected = alphas(runtime, batch)
    with concurrent.futures.ThreadPoolExecutor(runtime.streams + 1) as threads:
        found = list(threads.map(lambda picture: alphas(runtime, [picture])[0], batch * 2))
    assert all(np.array_equal(*pair) for pair in zip(found, expected * 2, strict=True))


def test_there_is_room_for_at_least_one(runtime: Runtime) -> None:
    assert runtime.streams >= 1
    assert runtime.max_batch >= 1


def test_closing_twice_or_without_a_start_is_fine(bundle: Bundle) -> None:
    made = make_runtime(bundle, ModelSettings())
    made.close()
    made.close()
