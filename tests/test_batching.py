"""What `python -m tests.batching` measures, counted instead: how full the batches of a busy model are."""

from __future__ import annotations

import math
import threading

import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.matting.runtimes import make_runtime
from tests.batching import ACCELERATORS, Counting, in_flight, photos, serve
from tests.support.callers import batcher_of, in_threads, photo, wait_until
from tests.support.runtimes import ScriptedRuntime, arithmetic_bundle, green

_THREE_SHAPES = ((60, 80), (80, 60), (64, 64))


@pytest.mark.parametrize("shapes", [_THREE_SHAPES[:1], _THREE_SHAPES])
@pytest.mark.parametrize("count", [4, 17, 40])
def test_of_all_that_wait_no_batch_is_smaller_than_it_must_be(shapes: tuple[tuple[int, int], ...], count: int) -> None:
    runtime = ScriptedRuntime(green, max_batch=4, gated=True)
    brought = photos(count, shapes)
    with batcher_of(runtime) as batcher:
        in_threads(batcher, [photo(1)])
        runtime.entered.wait()
        serving = threading.Thread(target=serve, args=(batcher, brought, count))
        serving.start()
        wait_until(lambda: f"{count} waiting" in repr(batcher))
        runtime.gate.set()
        serving.join(20)
    came = [one.pixels.shape[:2] for one in brought]
    assert len(runtime.batches) == 1 + sum(math.ceil(came.count(shape) / 4) for shape in shapes)


def test_with_as_many_photos_under_way_as_the_daemon_has_none_is_lost() -> None:
    runtime = Counting(make_runtime(arithmetic_bundle(max_batch=4), ModelSettings()))
    with batcher_of(runtime) as batcher:
        serve(batcher, photos(100, _THREE_SHAPES), in_flight(runtime))
    assert sum(runtime.sizes) == 100
    assert max(runtime.sizes) <= 4


def test_a_ceiling_is_full_batches_with_nothing_between_them() -> None:
    assert [round(accelerator.ceiling, 1) for accelerator in ACCELERATORS] == [40, 100, 444.4]
