"""Asking a running daemon: one JSON object a line each way, over the Unix socket in its state directory."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from bshm_watchd.errors import ConfigError, InstanceRunning, PlaceUnavailable, WatchdError

SOCKET_NAME = "control.sock"
MAX_REQUEST_BYTES = 64 << 10
_MAX_ANSWER_BYTES = 64 << 20
_BLOCK_BYTES = 1 << 16
_MAX_ADDRESS_BYTES = 107  # what fits into a sockaddr_un, without its closing zero

EXIT_NOT_RUNNING, EXIT_USAGE, EXIT_BROKEN, EXIT_TRY_AGAIN = 3, 64, 70, 75
_EXIT_OF: tuple[tuple[type[WatchdError], int], ...] = (
    (ConfigError, 78), (InstanceRunning, 2), (PlaceUnavailable, EXIT_TRY_AGAIN),
)  # fmt: skip


class ControlError(WatchdError):
    """What was asked did not happen; the message says what to do, `exit_code` is what a command ends with."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class NotRunning(ControlError):
    """No daemon listens on the control socket."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"not running: no daemon answers at {path}; start it with: bshm-watchd run", EXIT_NOT_RUNNING)


def exit_code_of(error: WatchdError, otherwise: int = EXIT_BROKEN) -> int:
    """The exit code that an error of ours ends a command with; `otherwise` where its class does not say."""
    if isinstance(error, ControlError):
        return error.exit_code
    return next((code for kind, code in _EXIT_OF if isinstance(error, kind)), otherwise)


def ask(path: Path, verb: str, arguments: dict[str, Any], timeout_seconds: float = 15.0) -> dict[str, Any]:
    """The daemon's answer. Raises `NotRunning`, or `ControlError` with the daemon's or our own reason."""
    request = json.dumps({"verb": verb, "arguments": arguments}).encode("ascii") + b"\n"
    if len(request) > MAX_REQUEST_BYTES:
        raise ControlError("that is too much for one request; ask for fewer at a time", EXIT_USAGE)
    try:
        with closing(_connected(path, timeout_seconds)) as connection:
            connection.sendall(request)
            line = _read_line(connection)
    except (TimeoutError, BlockingIOError) as error:
        raise ControlError("the daemon is busy and does not answer; try again", EXIT_TRY_AGAIN) from error
    except ConnectionError as error:
        raise ControlError(_ENDED, EXIT_TRY_AGAIN) from error
    return _answer_in(line)


_ENDED = "the daemon ended before it answered; look at its log, then try again"


def _connected(path: Path, timeout_seconds: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_seconds)
        with address_of(path) as address:
            connection.connect(address)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        connection.close()
        raise NotRunning(path) from error
    except PermissionError as error:
        connection.close()
        message = f"{path}: you may not talk to the daemon; run this as its user, as root, or as one of its group"
        raise ControlError(message, 78) from error
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """A socket's address, valid inside the `with`: a path too long for one is reached through its directory."""
    if len(os.fsencode(path)) <= _MAX_ADDRESS_BYTES:
        yield str(path)
        return
    fd = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{path.name}"
    finally:
        os.close(fd)


def _read_line(connection: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        block = connection.recv(_BLOCK_BYTES)
        if not block:
            raise ControlError(_ENDED, EXIT_TRY_AGAIN)
        received += block
        if len(received) > _MAX_ANSWER_BYTES:
            raise ControlError("the daemon's answer does not end; is this bshm-watchd's socket?", EXIT_BROKEN)
    return bytes(received)


def _answer_in(line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
        if "error" in content:
            raise ControlError(str(content["error"]), int(content["exit"]))
        return dict(content["answer"])
    except (ValueError, TypeError, KeyError) as error:
        raise ControlError("the daemon's answer can't be read; is it of the same version?", EXIT_BROKEN) from error
