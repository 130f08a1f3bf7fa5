"""What batching is worth, and what it costs a photo that comes alone: `python -m tests.batching [--rounds N]`.

The arithmetic runtime plays accelerators that take a + b * n for a batch of n and no CPU; pictures have working size,
there is no edge pass, nothing is decoded or written. Prints for each accelerator, with as many callers as the daemon
has under way, the photos/s as a share of max_batch / (a + b * max_batch); beside it what the runtime alone reaches,
called in a row; and by how much the median of a lone photo is longer than the median of the runtime's own call.

Then how full batches are where 12 shapes come in any order: in a model of the queue, by the rule that is used and by
oldest-first, and measured. Exit 1 when a bound is missed. On a machine that others use: `chrt -f 10 python -m ...`.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bshm_watchd.config import ModelSettings
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.choosing import Alike, chosen
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.runtimes import make_runtime
from tests.support.runtimes import arithmetic_bundle

if TYPE_CHECKING:
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.photo import Alpha, Pixels
    from bshm_watchd.matting.runtime import Runtime

LEAST_SHARE = 0.95
MOST_ADDED_SECONDS = 0.002
_SECONDS_UNDER_LOAD = 6.0
_SPARE = 2 * len(os.sched_getaffinity(0))  # as the daemon has: for decoding and writing
_SHAPES = tuple((60 + 2 * number, 80) for number in range(12))
_SEED = 7


@dataclass(frozen=True, slots=True)
class Accelerator:
    """Takes `a_seconds + b_seconds * n` for a batch of n."""

    a_seconds: float
    b_seconds: float
    max_batch: int = 4

    def __str__(self) -> str:
        return f"{self.a_seconds * 1000:g} ms + {self.b_seconds * 1000:g} ms a photo"

    @property
    def ceiling(self) -> float:
        """Photos a second, if all batches are full and nothing lies between them."""
        return self.max_batch / (self.a_seconds + self.b_seconds * self.max_batch)

    @property
    def bundle(self) -> Bundle:
        return arithmetic_bundle(
            max_batch=self.max_batch,
            delay_seconds_per_batch=self.a_seconds,
            delay_seconds_per_photo=self.b_seconds,
        )


ACCELERATORS = (Accelerator(0.1, 0), Accelerator(0.02, 0.005), Accelerator(0.005, 0.001))


@dataclass
class Counting:
    """A runtime around another one, which counts the pictures of each batch."""

    runtime: Runtime
    sizes: list[int] = field(default_factory=list)

    @property
    def streams(self) -> int:
        return self.runtime.streams

    @property
    def max_batch(self) -> int:
        return self.runtime.max_batch

    def start(self) -> None:
        self.runtime.start()

    def infer(self, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
        self.sizes.append(len(batch))
        return self.runtime.infer(batch)

    def close(self) -> None:
        self.runtime.close()


def photos(count: int, shapes: Sequence[tuple[int, int]] = _SHAPES[:1]) -> list[Photo]:
    """Small ones, so that the arithmetic itself takes no time; their shapes in an order that is always the same."""
    order = random.Random(_SEED).choices(shapes, k=count)
    return [Photo(np.zeros((*shape, 3), np.uint8)) for shape in order]


def in_flight(runtime: Runtime) -> int:
    """As many as the daemon has under way."""
    return 2 * runtime.streams * runtime.max_batch + _SPARE


def serve(batcher: Batcher, brought: Sequence[Photo], callers: int) -> None:
    """All of them, `callers` at a time."""
    with ThreadPoolExecutor(callers) as pool:
        deque(pool.map(batcher.matte, brought), maxlen=0)


def share_of_ceiling(accelerator: Accelerator) -> tuple[float, float]:
    """Photos/s under load as a share of the ceiling, and the pictures of a batch on average."""
    bundle = accelerator.bundle
    runtime = Counting(make_runtime(bundle, ModelSettings()))
    brought = photos(accelerator.max_batch * round(_SECONDS_UNDER_LOAD * accelerator.ceiling / accelerator.max_batch))
    with Batcher(runtime, bundle, accelerator.max_batch, 0) as batcher:
        begun = time.perf_counter()
        serve(batcher, brought, in_flight(runtime))
        seconds = time.perf_counter() - begun
    return len(brought) / seconds / accelerator.ceiling, statistics.mean(runtime.sizes)


def own_share(accelerator: Accelerator) -> float:
    """What the runtime itself reaches of its ceiling, called in a row with full batches: the clock's grain."""
    runtime = make_runtime(accelerator.bundle, ModelSettings())
    batch = [photo.pixels for photo in photos(accelerator.max_batch)]
    calls = round(_SECONDS_UNDER_LOAD * accelerator.ceiling / accelerator.max_batch / 4)
    seconds = _seconds(lambda: [runtime.infer(batch) for _ in range(calls)])
    return calls * accelerator.max_batch / seconds / accelerator.ceiling


def added_seconds(accelerator: Accelerator, rounds: int) -> float:
    """By how much a lone photo's median through the batcher is longer than that of the runtime's own call."""
    bundle, (photo,) = accelerator.bundle, photos(1)
    runtime = make_runtime(bundle, ModelSettings())
    with Batcher(runtime, bundle, accelerator.max_batch, 0) as batcher:
        pairs = [
            (_seconds(lambda: batcher.matte(photo)), _seconds(lambda: runtime.infer([photo.pixels])))
            for _ in range(rounds)
        ]
    through, direct = zip(*pairs, strict=True)
    return statistics.median(through) - statistics.median(direct)


def _seconds(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


# -- several shapes --------------------------------------------------------------------------------------

Choose = Callable[[Sequence[Alike]], int]


def fullest_first(shapes: Sequence[Alike]) -> int:
    """The rule that is used."""
    index = chosen(shapes, max_wait_seconds=0)
    assert index is not None
    return index


def oldest_first(shapes: Sequence[Alike]) -> int:
    return max(range(len(shapes)), key=lambda index: shapes[index].oldest_waited_seconds)


@dataclass
class Queue:
    """A model of the batcher's queue with one lane and no clock: photos of `shapes` come as fast as callers return.

    A caller whose photo was in a batch comes again while the next batch is under way.
    """

    shapes: deque[int]
    most: int
    waiting: dict[int, deque[tuple[int, int]]] = field(default_factory=dict)  # each photo's number, batches before it
    sizes: list[int] = field(default_factory=list)  # of the batches so far
    longest: int = 0  # a photo was passed over by so many of them
    _came: int = 0

    def bring(self, count: int) -> None:
        for _ in range(min(count, len(self.shapes))):
            self.waiting.setdefault(self.shapes.popleft(), deque()).append((self._came, len(self.sizes)))
            self._came += 1

    def take(self, choose: Choose) -> int:
        """The next batch; its size."""
        shapes = list(self.waiting)
        index = choose(alike := [self._alike(self.waiting[shape]) for shape in shapes])
        tickets = self.waiting[shapes[index]]
        for _ in range(alike[index].count):
            tickets.popleft()
        if not tickets:
            del self.waiting[shapes[index]]
        self.longest = max(self.longest, alike[index].passed_over)
        self.sizes.append(alike[index].count)
        return alike[index].count

    def _alike(self, tickets: deque[tuple[int, int]]) -> Alike:
        number, batches_before = tickets[0]
        return Alike(len(tickets), self.most, float(self._came - number), len(self.sizes) - batches_before)


def worked_off(shapes: Sequence[int], callers: int, most: int, choose: Choose) -> Queue:
    queue = Queue(deque(shapes), most)
    queue.bring(callers)
    returning = 0
    while queue.waiting:
        in_the_model = queue.take(choose)
        queue.bring(returning)
        returning = in_the_model
        if not queue.waiting:  # the lane is idle until they come
            queue.bring(returning)
            returning = 0
    return queue


def measured_fill(accelerator: Accelerator, brought: Sequence[Photo]) -> float:
    bundle = accelerator.bundle
    runtime = Counting(make_runtime(bundle, ModelSettings()))
    with Batcher(runtime, bundle, accelerator.max_batch, 0) as batcher:
        serve(batcher, brought, in_flight(runtime))
    return statistics.mean(runtime.sizes)


# -- the command -----------------------------------------------------------------------------------------


def _say_shapes(accelerator: Accelerator) -> None:
    brought, most = photos(200, _SHAPES), accelerator.max_batch
    print(f"\n200 photos of {len(_SHAPES)} shapes in any order, batches of at most {most}")
    print(f"{'in flight':>10}  {'oldest first':>22}  {'fullest first':>22}")
    for callers in (2 * most, 2 * most + _SPARE, 4 * most, 8 * most):
        told = [f"{callers:>10}"]
        for choose in (oldest_first, fullest_first):
            queue = worked_off([photo.pixels.shape[0] for photo in brought], callers, most, choose)
            told.append(f"{statistics.mean(queue.sizes):.2f} (passed over {queue.longest:2})")
        print("  ".join(told))
    fill = measured_fill(accelerator, brought)
    print(f"measured, {2 * most + _SPARE} in flight, {accelerator}: {fill:.2f} photos a batch")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.batching", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="of a lone photo")
    rounds = parser.parse_args().rounds
    print(f"bounds: share of the ceiling at least {LEAST_SHARE:.0%}, added at most {MOST_ADDED_SECONDS * 1000:g} ms")
    print(f"{'a batch takes':>24}  {'ceiling':>12}  {'share':>6}  {'alone':>6}  {'a batch':>8}  {'added':>8}")
    missed = False
    for accelerator in ACCELERATORS:
        share, size = share_of_ceiling(accelerator)
        own, added = own_share(accelerator), added_seconds(accelerator, rounds)
        missed |= share < LEAST_SHARE or added > MOST_ADDED_SECONDS
        shares = f"{accelerator.ceiling:10.1f}/s  {share:6.1%}  {own:6.1%}"
        print(f"{accelerator!s:>24}  {shares}  {size:8.2f}  {added * 1000:5.2f} ms", flush=True)
    _say_shapes(ACCELERATORS[1])
    print("a bound is missed" if missed else "all bounds are kept")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
