"""What only one thread may use at a time, lent to whoever asks first."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

from bshm_watchd.errors import RuntimeBroken

T = TypeVar("T")


class Pool(Generic[T]):
    """A thing belongs to the thread that it is lent to; `None` in the queue wakes those that wait in a closed pool."""

    def __init__(self) -> None:
        self._free: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._closed = False  # set once, by whoever closes

    def add(self, thing: T) -> None:
        self._free.put(thing)

    @contextmanager
    def lent(self) -> Iterator[T]:
        """Waits for a free one. Raises `RuntimeBroken` once the pool is closed."""
        thing = self._free.get()
        try:
            if thing is None or self._closed:
                raise RuntimeBroken("the runtime is closed")
            yield thing
        finally:
            self._free.put(None if self._closed else thing)

    def close(self) -> None:
        """Let go of what is free; what is lent out is given back later. Those that wait fail."""
        self._closed = True
        with suppress(queue.Empty):
            while True:
                self._free.get_nowait()
        self._free.put(None)
