"""What every runtime must do. A new one is added to `RUNTIMES` and is right when this passes."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import RuntimeBroken
from bshm_watchd.matting.bundle import Bundle
from bshm_watchd.matting.runtime import Runtime
from bshm_watchd.matting.runtimes import make_runtime
from bshm_watchd.matting.scaling import shrunk
from tests.support.astronaut import astronaut
from tests.support.runtimes import arithmetic_bundle, portrait_bundle, selfie_bundle, u2netp_bundle

RUNTIMES: dict[str, Callable[[], Bundle]] = {
    "arithmetic": lambda: arithmetic_bundle(max_batch=4, streams=2),
    "openvino": u2netp_bundle,
    "litert": selfie_bundle,
    "fused": portrait_bundle,
}


@pytest.fixture(scope="module", params=RUNTIMES)
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return RUNTIMES[request.param]()


@pytest.fixture(scope="module")
def runtime(bundle: Bundle) -> Iterator[Runtime]:
    made = make_runtime(bundle, ModelSettings())
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def pictures(bundle: Bundle) -> list[np.ndarray]:
    """A portrait of working size, moved further to the side in each; read-only, as decoded photos are."""
    portrait = shrunk(astronaut(), *bundle.working_size(320, 320))
    moved = [np.roll(portrait, 20 * index, axis=1) for index in range(4)]
    for picture in moved:
        picture.flags.writeable = False
    return moved


def alphas(runtime: Runtime, batch: list[np.ndarray]) -> list[np.ndarray]:
    answers = runtime.infer(batch)
    assert all(isinstance(answer, np.ndarray) for answer in answers)
    return [answer for answer in answers if isinstance(answer, np.ndarray)]


def test_each_picture_gets_an_alpha_of_its_size(runtime: Runtime, pictures: list[np.ndarray]) -> None:
    for alpha in alphas(runtime, pictures[:3]):
        assert alpha.shape == pictures[0].shape[:2]
        assert alpha.dtype == np.uint8


def test_answers_come_in_order_and_do_not_depend_on_neighbours(runtime: Runtime, pictures: list[np.ndarray]) -> None:
    alone = [alphas(runtime, [picture])[0] for picture in pictures]
    assert not np.array_equal(alone[0], alone[3])
    for together, single in zip(alphas(runtime, pictures), alone, strict=True):
        assert np.array_equal(together, single)


def test_pictures_are_not_changed(runtime: Runtime, pictures: list[np.ndarray]) -> None:
    batch = [picture.copy() for picture in pictures]
    runtime.infer(batch)
    assert all(np.array_equal(*pair) for pair in zip(batch, pictures, strict=True))


def test_answers_outlive_later_calls(runtime: Runtime, pictures: list[np.ndarray]) -> None:
    first, second = pictures[:2]
    (kept,) = alphas(runtime, [first])
    before = kept.copy()
    runtime.infer([second])
    assert np.array_equal(kept, before)


def test_many_threads_may_call_at_once(runtime: Runtime, pictures: list[np.ndarray]) -> None:
    expected = alphas(runtime, pictures)
    with concurrent.futures.ThreadPoolExecutor(runtime.streams + 1) as threads:
        found = list(threads.map(lambda picture: alphas(runtime, [picture])[0], pictures * 2))
    assert all(np.array_equal(*pair) for pair in zip(found, expected * 2, strict=True))


def test_there_is_room_for_at_least_one(runtime: Runtime) -> None:
    assert runtime.streams >= 1
    assert runtime.max_batch >= 1


def test_closing_twice_or_without_a_start_is_fine(bundle: Bundle) -> None:
    made = make_runtime(bundle, ModelSettings())
    made.close()
    made.close()


def test_a_call_after_the_close_fails_and_does_not_hang(bundle: Bundle, pictures: list[np.ndarray]) -> None:
    made = make_runtime(bundle, ModelSettings())
    made.close()
    with pytest.raises(RuntimeBroken, match="closed"):
        made.infer(pictures[:1])
