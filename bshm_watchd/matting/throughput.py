"""How many pictures a second a batcher makes of its runtime, with as many in work as that has streams."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from bshm_watchd.matting.photo import Photo

if TYPE_CHECKING:
    from bshm_watchd.clock import Clock
    from bshm_watchd.matting.batcher import Batcher
    from bshm_watchd.matting.photo import Pixels

_ROUNDS = 3
_ENOUGH_SECONDS = 10.0  # fewer rounds where they are slow


def pictures_per_second(batcher: Batcher, streams: int, pixels: Pixels, clock: Clock) -> float:
    """Of the fastest round: what else the machine does slows a round down, and never speeds it up."""
    times: list[float] = []
    with ThreadPoolExecutor(streams) as pool:
        while len(times) < _ROUNDS and sum(times) < _ENOUGH_SECONDS:
            began = clock.monotonic()
            list(pool.map(batcher.matte, [Photo(pixels)] * streams))
            times.append(clock.monotonic() - began)
    return streams / min(times)
