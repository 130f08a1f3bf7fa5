"""What a client of the control socket sends: requests, a line each, and the descriptors that come beside them."""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import select
import socket
import sys
import termios
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any

from bshm_watchd.clock import Clock
from bshm_watchd.errors import ProgramEnding
from bshm_watchd.one_photo import Abandoned
from bshm_watchd.ops.asking import EXIT_TRY_AGAIN, EXIT_USAGE, MAX_REQUEST_BYTES, ControlError

MAX_DESCRIPTORS = 2
_BLOCK_BYTES = 1 << 12
_SOONEST_SECONDS = 0.001
_LOOK_SECONDS = 0.2  # how soon a client that went away is missed


class Refused(ControlError):
    """A request that can't even be read: its client is told so, and hung up on."""


@dataclass(frozen=True, slots=True)
class Request:
    """A line, and what came with it. The descriptors belong to whoever took the request, and are closed by it."""

    line: bytes
    descriptors: tuple[int, ...] = ()

    def __enter__(self) -> Request:
        return self

    def __exit__(self, *_: object) -> None:
        _close_all(self.descriptors)


class Requests:
    """Belongs to its connection's thread. Use as a context manager: what nobody took is closed at its end."""

    def __init__(self, connection: socket.socket, clock: Clock, seconds: float) -> None:
        self._connection = connection
        self._clock = clock
        self._seconds = seconds
        self._received = b""
        self._descriptors: list[int] = []

    def __enter__(self) -> Requests:
        return self

    def __exit__(self, *_: object) -> None:
        _close_all(self._descriptors)

    def next(self) -> Request | None:
        """None at the end, also in the middle of a line. Raises `Refused`, and `TimeoutError` for a slow client.

        Descriptors that came before a line's end are that line's: a client sends its next request after its answer.
        """
        deadline = self._clock.monotonic() + self._seconds
        while b"\n" not in self._received[: MAX_REQUEST_BYTES + 1]:
            if len(self._received) > MAX_REQUEST_BYTES:
                raise Refused(f"a request may have {MAX_REQUEST_BYTES} bytes", EXIT_USAGE)
            # For the whole request, so that a client that sends a byte now and then is not served for ever.
            self._connection.settimeout(max(0.001, deadline - self._clock.monotonic()))
            block = self._receive()
            if not block:
                return None
            self._received += block
        line, _, self._received = self._received.partition(b"\n")
        descriptors, self._descriptors = tuple(self._descriptors), []
        return Request(line, descriptors)

    def _receive(self) -> bytes:
        """The next bytes. One descriptor more than allowed is let in, to tell too many from none left for us."""
        wanted = array.array("i", range(MAX_DESCRIPTORS + 1))
        room = socket.CMSG_LEN(len(wanted) * wanted.itemsize)
        block, ancillary, flags, _ = self._connection.recvmsg(_BLOCK_BYTES, room, socket.MSG_CMSG_CLOEXEC)
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                found = array.array("i")
                found.frombytes(content[: len(content) - len(content) % found.itemsize])
                self._descriptors += found
        if len(self._descriptors) > MAX_DESCRIPTORS:
            raise Refused(f"at most {MAX_DESCRIPTORS} descriptors may come with a request", EXIT_USAGE)
        if flags & socket.MSG_CTRUNC:
            raise Refused("the daemon has too many open files; try again", EXIT_TRY_AGAIN)
        return block


class ClientGone(Abandoned):
    """Nobody waits for the answer any more."""


class Client:
    """Who waits for an answer at the other end of a connection, while it is worked on."""

    def __init__(self, connection: socket.socket, stopping: Future[None]) -> None:
        self._connection = connection
        self._stopping = stopping

    def wait_for(self, answer: Future[dict[str, Any]]) -> None:
        """Until there is an answer. Raises `ClientGone`, and `ProgramEnding` when the daemon stops."""
        while not answer.done():
            either: list[Future[Any]] = [answer, self._stopping]
            wait(either, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
            if not answer.done():
                self.check()

    def check(self) -> None:
        """Raises as `wait_for` does."""
        if self._stopping.done():
            raise ProgramEnding("the daemon is stopping")
        if self._is_gone(0.0):
            raise ClientGone

    def wait_until_taken(self, clock: Clock, deadline: float) -> None:
        """Until all that was sent was read; also when the daemon stops. Raises `ClientGone` when it is not in time."""
        pause = _SOONEST_SECONDS  # the system tells nobody that something was read
        while self._untaken_bytes() and not self._stopping.done():
            if self._is_gone(pause) or clock.monotonic() >= deadline:
                raise ClientGone
            pause = min(2 * pause, _LOOK_SECONDS)

    def _is_gone(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self._connection, 0)  # ends and errors alone; one that only closed its writing side still waits
        return bool(poll.poll(seconds * 1000))

    def _untaken_bytes(self) -> int:
        return int.from_bytes(fcntl.ioctl(self._connection, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def _close_all(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):  # a close that fails has closed all the same
            os.close(descriptor)
