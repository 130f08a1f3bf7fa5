"""Somebody who may write in the shared parts of a hot folder, and swaps what lies there while the daemon works.

He exchanges pairs of names (one a directory or file of the folder, the other a link, fifo or hard link), and puts
links in the place of every temporary he sees, in a loop, in a process and as a user of his own.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import random
import signal
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_EXCHANGE = 2
_HERE = -100
_BACK_AT_ONCE = 0.9
_libc = ctypes.CDLL(None, use_errno=True)
_COUNTS = struct.Struct("QQ")

Pair = tuple[Path, Path]


class Swaps:
    """How often the attacker has swapped so far: two counters in memory that both processes see."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _COUNTS.size)

    @property
    def exchanges(self) -> int:
        return int(_COUNTS.unpack_from(self._memory)[0])

    @property
    def temporaries(self) -> int:
        return int(_COUNTS.unpack_from(self._memory)[1])

    def add(self, exchanges: int, temporaries: int) -> None:
        _COUNTS.pack_into(self._memory, 0, self.exchanges + exchanges, self.temporaries + temporaries)


@contextlib.contextmanager
def attacking(
    pairs: Sequence[Pair], directories: Sequence[Path], canary: Path, user: int, group: int, limit_seconds: float
) -> Iterator[Swaps]:
    """Runs beside the block, ends with it (or after `limit_seconds`)."""
    swaps = Swaps()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(group)
            os.setuid(user)
            _swap(pairs, directories, canary, swaps, time.monotonic() + limit_seconds)
        finally:
            os._exit(0)
    try:
        yield swaps
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _swap(pairs: Sequence[Pair], directories: Sequence[Path], canary: Path, swaps: Swaps, deadline: float) -> None:
    chance, number = random.Random(os.getpid()), 0
    while time.monotonic() < deadline:
        for ours, theirs in pairs:
            number += 1
            done = exchange(ours, theirs)
            planted = _plant(directories[number % len(directories)], canary, number)
            if chance.random() < _BACK_AT_ONCE:  # else it stays until its next turn: the daemon must get on, too
                done += exchange(ours, theirs)
            swaps.add(done, planted)


def exchange(one: Path, other: Path) -> bool:
    return _libc.renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


def _plant(directory: Path, canary: Path, number: int) -> int:
    """A link in the place of one in eight temporaries in a directory."""
    planted = 0
    with contextlib.suppress(OSError), os.scandir(directory) as listing:
        for entry in listing:
            if entry.name.startswith(".bshm-") and number % 8 == 0 and not entry.is_symlink():
                link = directory / f".link{number}"
                os.symlink(canary, link)
                os.rename(link, entry.path)
                planted += 1
    return planted
