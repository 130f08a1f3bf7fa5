"""The verb `matte` for tests: photos are made by arithmetic, clients pass descriptors."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from bshm_watchd.clock import SystemClock
from bshm_watchd.config import Limits
from bshm_watchd.events import Asked, Event
from bshm_watchd.journal import Journal
from bshm_watchd.matting.decoder import Decoder
from bshm_watchd.matting.photo import Photo
from bshm_watchd.one_photo import OnePhoto, one_photo_maker
from bshm_watchd.ops.asking import ask_for_photo, send_line
from bshm_watchd.ops.control import ControlLimits, ControlServer
from bshm_watchd.ops.photos import Photos
from tests.support.asked import main_thread
from tests.support.clients import connected
from tests.support.clock import FakeClock
from tests.support.decoders import InProcessDecoder
from tests.support.studio import Greens

MATTE = b'{"verb": "matte"}\n'


def a_maker(
    spoil: Callable[[Photo], None] = lambda photo: None, decoder: Decoder | None = None, **limits: Any
) -> OnePhoto:
    """Alpha is the green channel; `spoil` is called with each photo before its matte."""
    return one_photo_maker(decoder or InProcessDecoder(), Greens(spoil), Limits(**limits), SystemClock())


def granting(asked: Asked) -> dict[str, Any]:
    """A main thread with memory for everybody."""
    return {"verb": asked.verb}


@contextlib.contextmanager
def serving(
    path: Path, maker: OnePhoto, answer: Callable[[Asked], Any] = granting, limits: ControlLimits | None = None,
    seen: list[Event] | None = None,
) -> Iterator[Path]:  # fmt: skip
    """A control socket that makes photos; what it tells the main thread is added to `seen`."""
    with main_thread(answer) as put, Journal(path.with_name("journal.sqlite3"), FakeClock()) as journal:

        def noted(event: Event) -> None:
            if seen is not None:
                seen.append(event)
            put(event)

        with ControlServer(path, noted, journal, limits or ControlLimits(), photos=Photos(maker, noted)):
            yield path


@contextlib.contextmanager
def waiting_client(
    path: Path, photo: Path, limits: ControlLimits | None = None
) -> Iterator[tuple[socket.socket, list[Event]]]:
    """A client whose photo waits for memory that nobody gives it, and what the main thread was told."""
    seen: list[Event] = []
    begun = threading.Event()

    def put(event: Event) -> None:
        seen.append(event)
        begun.set()

    with Journal(path.with_name("journal.sqlite3"), FakeClock()) as journal:
        server = ControlServer(path, put, journal, limits or ControlLimits(), photos=Photos(a_maker(), put))
        with server, connected(path) as client:
            with opened(photo) as fd:
                socket.send_fds(client, [MATTE], [fd])
            assert begun.wait(20)
            yield client, seen


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(2000):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError("it did not happen")


def sent_with(path: Path, line: bytes, descriptors: Sequence[int]) -> dict[str, Any]:
    """The answer to one request with descriptors; what comes back beside it is closed."""
    with connected(path) as client:
        send_line(client, line, descriptors)
        answer, came = answer_to(client)
        for descriptor in came:
            os.close(descriptor)
        return answer


def answer_to(client: socket.socket) -> tuple[dict[str, Any], list[int]]:
    line, came, _, _ = socket.recv_fds(client, 1 << 16, 8)
    while line and not line.endswith(b"\n"):
        line += client.recv(1 << 16)
    return json.loads(line) if line else {}, came


@contextlib.contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Iterator[int]:
    fd = os.open(path, flags)
    try:
        yield fd
    finally:
        os.close(fd)


def content_of(fd: int) -> bytes:
    try:
        return os.pread(fd, os.fstat(fd).st_size, 0)
    finally:
        os.close(fd)


def made(path: Path, photo: Path, **arguments: Any) -> tuple[dict[str, Any], bytes]:
    """What is told of the photo, and the finished file."""
    with opened(photo) as fd:
        facts, result_fd = ask_for_photo(path, arguments, [fd])
    return facts, content_of(result_fd)


def green_of(content: bytes) -> Any:
    """The alpha that the arithmetic makes of a PNG."""
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[:, :, 1]


def pixels_of(content: bytes) -> Any:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


def open_descriptors() -> list[str]:
    """What this process holds open, sockets and memory files by their kind alone."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            found.append(os.readlink(f"/proc/self/fd/{name}").split(":")[0])
    return sorted(found)
