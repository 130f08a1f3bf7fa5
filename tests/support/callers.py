"""Who brings photos to a batcher: each in a thread of its own."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from bshm_watchd.errors import WatchdError
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.photo import Photo
from tests.support.runtimes import arithmetic_bundle

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha
    from bshm_watchd.matting.runtime import Runtime
    from tests.support.clock import FakeClock


def photo(value: int, height: int = 4, width: int = 6) -> Photo:
    return Photo(np.full((height, width, 3), value, np.uint8))


def batcher_of(
    runtime: Runtime, max_size: int = 8, max_wait_seconds: float = 0, clock: FakeClock | None = None
) -> Batcher:
    return Batcher(runtime, arithmetic_bundle(), max_size, max_wait_seconds, clock)


def in_threads(batcher: Batcher, photos: list[Photo]) -> list[concurrent.futures.Future[Alpha]]:
    """Each photo's `matte` in a thread of its own; returns when all of them wait in the queue or in the model."""
    futures: list[concurrent.futures.Future[Alpha]] = []
    for one in photos:
        future: concurrent.futures.Future[Alpha] = concurrent.futures.Future()
        threading.Thread(target=_run, args=(future, batcher, one), daemon=True).start()
        futures.append(future)
    return futures


def _run(future: concurrent.futures.Future[Alpha], batcher: Batcher, one: Photo) -> None:
    try:
        future.set_result(batcher.matte(one))
    except (WatchdError, ValueError) as error:
        future.set_exception(error)


def wait_until(true: Callable[[], bool]) -> None:
    """Spin on a condition that other threads bring about, with a deadline."""
    tick = threading.Event()
    for _ in range(2000):
        if true():
            return
        tick.wait(0.005)
    raise AssertionError("it never became true")
