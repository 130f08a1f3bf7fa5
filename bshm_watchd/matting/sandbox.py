"""What a decode child gives up before it reads a foreign byte, and what is left to it for each photo.

A picture that takes over its codec finds a process that opens no path, makes no socket, starts, signals and looks into
no other process, and has memory and time for one picture. Landlock and the filter of system calls are each enough for
that where both are; where one is missing the other stands, and `walls` says so.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from dataclasses import dataclass
from pathlib import Path

from bshm_watchd.matting import landlock, system_calls
from bshm_watchd.matting.room import BYTES_A_PIXEL, MAX_METADATA_BYTES

EXIT_UNCONFINED = 71

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_PR_SET_PDEATHSIG = 1
_DESCRIPTORS = 10  # the standard ones, the socket, original and pixels, a copy that each map makes; two to spare
_MAX_OOM_SCORE, _OOM_SCORE_ABOVE_PARENT = 1000, 500
_ALL_DESCRIPTORS = 1 << 20

# Measured: a picture takes 22 bytes of address space a pixel at most (16-bit RGBA, turned: stored, brought to 8 bits,
# turned, opacity) and its file is there three times at most (mapped, copied without its animation, in the codec).
_DECODING_BYTES_A_PIXEL = 24
_FILE_COPIES = 3
_BYTES_ANYWAY = 160 << 20  # tables, profiles, a tile of four megapixels, what the allocator keeps of earlier photos


class CannotConfine(Exception):
    """The kernel has a wall and would not raise it, or something stands outside of it."""


@dataclass(frozen=True, slots=True)
class Walls:
    """What keeps a child in on this machine. `landlock`: its version, 0 where it is missing."""

    landlock: int
    system_calls: bool

    @property
    def whole(self) -> bool:
        return self.landlock > 0 and self.system_calls

    def __str__(self) -> str:
        there = f"Landlock {self.landlock}" if self.landlock else "no Landlock (this kernel does not offer it)"
        filtered = (
            "a filter of system calls" if self.system_calls else "no filter of system calls (not for this kernel)"
        )
        return f"{there}, {filtered}, limits of memory, time, files and processes"


def walls() -> Walls:
    """Those that a child raises here: it serves nobody where it can't raise one of them."""
    return Walls(landlock.version(), system_calls.available())


@dataclass(frozen=True, slots=True)
class Allowance:
    """Memory and time for one picture. `own_bytes`: what the process takes before it has seen any."""

    own_bytes: int
    seconds: int

    def begin(self, size_bytes: int) -> None:
        """For a file of this size whose picture is not known yet."""
        spent = resource.getrusage(resource.RUSAGE_SELF)
        _set_soft(resource.RLIMIT_CPU, int(spent.ru_utime + spent.ru_stime) + self.seconds + 1)
        self.picture(0, size_bytes)

    def picture(self, pixels: int, size_bytes: int) -> None:
        _set_soft(resource.RLIMIT_AS, self.own_bytes + decoding_bytes(pixels, size_bytes))


def decoding_bytes(pixels: int, size_bytes: int) -> int:
    """Address space that decoding one picture may take, the file and what comes of it counted."""
    return _BYTES_ANYWAY + pixels * _DECODING_BYTES_A_PIXEL + size_bytes * _FILE_COPIES


def confine(socket_fd: int, max_pixels: int, max_file_bytes: int, seconds: int, here: Walls) -> Allowance:
    """Give up every right but `socket_fd`, for good. Raises `CannotConfine`; the process must not go on then.

    `here`: the walls to raise, all that `walls` finds.
    """
    try:
        _close_all_but(socket_fd)
        _prefer_as_victim()
        own_bytes = _own_bytes()
        _limit(own_bytes + decoding_bytes(max_pixels, max_file_bytes), max_pixels)
        _expect_one_thread()
        raise_walls(here)
    except OSError as error:
        raise CannotConfine(str(error)) from error
    return Allowance(own_bytes, seconds)


def _close_all_but(socket_fd: int) -> None:
    """Maps stay; each of Python's holds a copy of its descriptor, which is closed here, too."""
    os.closerange(3, socket_fd)
    os.closerange(socket_fd + 1, _ALL_DESCRIPTORS)


def _prefer_as_victim() -> None:
    """Out of memory, the kernel ends a child before its parent: a photo's attempt is lost, and no more.

    As far as /proc can be written: it may be read-only in a container.
    """
    score = Path("/proc/self/oom_score_adj")
    with contextlib.suppress(OSError):
        score.write_text(str(min(_MAX_OOM_SCORE, int(score.read_text()) + _OOM_SCORE_ABOVE_PARENT)))


def _own_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _limit(memory_bytes: int, max_pixels: int) -> None:
    """Hard limits. Memory files are no part of a process's address space: the one it writes is bounded as a file."""
    written = max_pixels * BYTES_A_PIXEL + MAX_METADATA_BYTES
    for kind, limit in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, written),
        (resource.RLIMIT_NOFILE, _DESCRIPTORS),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        lowered = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (lowered, lowered))


def _set_soft(kind: int, limit: int) -> None:
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _expect_one_thread() -> None:
    """Walls are raised around the calling thread alone."""
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise CannotConfine(f"{threads} threads run where one should")


def raise_walls(here: Walls) -> None:
    """Around this thread, and whatever it starts. Raises `OSError` where one of them can't be raised."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    if here.landlock:
        landlock.deny_all()
    if here.system_calls:
        system_calls.allow_only_decoding()


def die_with_the_parent() -> None:
    """This process is killed when the thread ends that started it."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), *[ctypes.c_ulong(0)] * 3) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}): {os.strerror(ctypes.get_errno())}")
