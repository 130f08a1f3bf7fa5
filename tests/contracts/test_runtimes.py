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
from tests.support.graphs import stand_in_bundle
from tests.support.runtimes import arithmetic_bundle, portrait_bundle, selfie_bundle, u2netp_bundle

_ANY = ModelSettings()
RUNTIMES: dict[str, tuple[Callable[[], Bundle], ModelSettings]] = {
    "arithmetic": (lambda: arithmetic_bundle(max_batch=4, streams=2), _ANY),
    "openvino": (u2netp_bundle, _ANY),
    "litert": (selfie_bundle, _ANY),
    "fused": (portrait_bundle, _ANY),
    "bshm on tensorflow": (stand_in_bundle, ModelSettings(runtime="tensorflow", device="cpu")),
    "bshm on openvino": (stand_in_bundle, ModelSettings(runtime="openvino", device="cpu")),
}


@pytest.fixture(scope="module", params=RUNTIMES)
def made_of(request: pytest.FixtureRequest) -> tuple[Bundle, ModelSettings]:
    bundle_of, settings = RUNTIMES[request.param]
    return bundle_of(), settings


@pytest.fixture(scope="module")
def bundle(made_of: tuple[Bundle, ModelSettings]) -> Bundle:
    return made_of[0]


@pytest.fixture(scope="module")
def runtime(made_of: tuple[Bundle, ModelSettings]) -> Iterator[Runtime]:
    made = make_runtime(*made_of)
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


def test_closing_twice_or_without_a_start_is_fine(made_of: tuple[Bundle, ModelSettings]) -> None:
    made = make_runtime(*made_of)
    made.close()
    made.close()


def test_a_call_after_the_close_fails_and_does_not_hang(
    made_of: tuple[Bundle, ModelSettings], pictures: list[np.ndarray]
) -> None:
    made = make_runtime(*made_of)
    made.close()
    with pytest.raises(RuntimeBroken, match="closed"):
        made.infer(pictures[:1])
