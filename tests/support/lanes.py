"""Many short runs of the real program at once: each in a process of its own, on one processor."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_lanes(work: Callable[[T], R], items: Iterable[T], prepare: Callable[[], None]) -> Iterator[R]:
    """`work` of each item, in their order; `prepare` is called first in each process. All of it can be pickled.

    Two for each processor, as a run waits now and then. Of one thread each, so that they may fork.
    """
    cores = sorted(os.sched_getaffinity(0))
    context = multiprocessing.get_context("spawn")
    taken = context.Value("i", 0)
    with ProcessPoolExecutor(2 * len(cores), context, initializer=_begin, initargs=(taken, cores, prepare)) as pool:
        yield from pool.map(work, items)


def _begin(taken: Any, cores: list[int], prepare: Callable[[], None]) -> None:
    """A processor of its own makes a run quicker: it starts a decoder for each that it may use."""
    with taken.get_lock():
        number = taken.value
        taken.value += 1
    os.sched_setaffinity(0, {cores[number % len(cores)]})
    prepare()
