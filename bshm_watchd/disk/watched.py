"""A disk that knows how long its oldest call has been under way: how a hung share is noticed.

Any system call on a share may hang, `fstat` and `close` as well. So a thread that visits the disk is watched from call
to call: what it does in between belongs to the disk, too.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from bshm_watchd.clock import Clock
from bshm_watchd.disk.ops import CHANGES, Disk

_LOOKS = (
    "open_root",
    "open_directory",
    "enter",
    "open_beneath",
    "open_file",
    "lstat",
    "exists",
    "read_at",
    "free_bytes",
    "name_bytes",
)
_ENTRIES_A_CALL = 256


class WatchedDisk(Disk):
    """Wraps another disk; `oldest_call` may be asked from any thread."""

    def __init__(self, disk: Disk, clock: Clock) -> None:
        self._clock = clock
        # One key a thread, each written and removed by that thread alone; dict operations are atomic.
        self._started: dict[int, float] = {}
        self._visiting: set[int] = set()  # threads, likewise
        self._disk = disk
        for name in (*_LOOKS, *CHANGES):
            setattr(self, name, self._timed(getattr(disk, name)))

    def oldest_call(self) -> float | None:
        """The monotonic start of the oldest call that has not come back; None when there is none."""
        return min(list(self._started.values()), default=None)

    @contextlib.contextmanager
    def visit(self) -> Iterator[None]:
        thread = threading.get_ident()
        if thread in self._visiting:
            yield
            return
        self._visiting.add(thread)
        self._started[thread] = self._clock.monotonic()
        try:
            yield
        finally:
            self._visiting.discard(thread)
            self._came_back(thread)

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        thread = threading.get_ident()
        self._started.pop(thread, None)
        try:
            yield
        finally:
            self._came_back(thread)

    def entries(self, dir_fd: int) -> Iterator[os.DirEntry[str]]:
        thread = threading.get_ident()
        self._started[thread] = self._clock.monotonic()  # the first entry of a dead share may never come
        try:
            for count, entry in enumerate(self._disk.entries(dir_fd), start=1):
                if count % _ENTRIES_A_CALL == 0:
                    self._started[thread] = self._clock.monotonic()
                yield entry
        finally:
            self._came_back(thread)

    def _came_back(self, thread: int) -> None:
        if thread in self._visiting:
            self._started[thread] = self._clock.monotonic()
        else:
            self._started.pop(thread, None)

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def timed(*arguments: Any) -> Any:
            thread = threading.get_ident()
            self._started[thread] = self._clock.monotonic()
            try:
                return call(*arguments)
            finally:
                self._came_back(thread)

        return timed
