"""Clients of the control socket: raw ones that may behave badly, and what the proper one is refused with."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.events import Asked, Event
from bshm_watchd.ops.asking import ControlError, ask


def echo(asked: Asked) -> dict[str, Any]:
    """A main thread's answer that says what it was asked."""
    return {"verb": asked.verb, "arguments": asked.arguments}


def nobody(event: Event) -> None:
    """An inbox that nobody looks into."""


@contextmanager
def connected(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(20)
        client.connect(str(path))
        yield client


def line_of(client: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n") and (block := client.recv(4096)):
        received += block
    return received


def sent(path: Path, line: bytes) -> dict[str, Any]:
    with connected(path) as client:
        client.sendall(line + b"\n")
        return dict(json.loads(line_of(client)))


def refused(path: Path, verb: str = "status", arguments: dict[str, Any] | None = None) -> ControlError:
    with pytest.raises(ControlError) as caught:
        ask(path, verb, arguments or {})
    return caught.value
