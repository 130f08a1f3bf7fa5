"""Asking a running daemon: one JSON object a line each way, over the Unix socket in its state directory."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from bshm_watchd.errors import ConfigError, InstanceRunning, PlaceUnavailable, ProgramEnding, RejectedPhoto, WatchdError

SOCKET_NAME = "control.sock"
RELOAD_SECONDS = 60.0  # the configuration may lie on a slow disk; the daemon answers in that time
MAX_REQUEST_BYTES = 64 << 10
_MAX_ANSWER_BYTES = 64 << 20
_BLOCK_BYTES = 1 << 16
_MAX_ADDRESS_BYTES = 107  # what fits into a sockaddr_un, without its closing zero

EXIT_REJECTED, EXIT_NOT_RUNNING, EXIT_USAGE, EXIT_BROKEN, EXIT_TRY_AGAIN = 1, 3, 64, 70, 75
_EXIT_OF: tuple[tuple[type[WatchdError], int], ...] = (
    (ConfigError, 78), (InstanceRunning, 2), (PlaceUnavailable, EXIT_TRY_AGAIN), (ProgramEnding, EXIT_TRY_AGAIN),
)  # fmt: skip


class ControlError(WatchdError):
    """What was asked did not happen; the message says what to do, `exit_code` is what a command ends with."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Busy(ControlError):
    """The daemon runs, and has no room for this right now: it may be asked again in a moment."""

    def __init__(self, message: str) -> None:
        super().__init__(message, EXIT_TRY_AGAIN)


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
    with _asked(path, verb, arguments, (), timeout_seconds) as connection:
        connection.settimeout(timeout_seconds)
        return _answer_in(_read_line(connection))


def ask_for_photo(path: Path, arguments: dict[str, Any], descriptors: Sequence[int]) -> tuple[dict[str, Any], int]:
    """A photo made by the daemon: the facts, and a sealed memory file with the result, which the caller closes.

    `descriptors`: the photo, and the picture to put it on where there is one. Waits for as long as the daemon lives.
    Raises as `ask`, and `RejectedPhoto`.
    """
    with _asked(path, "matte", arguments, descriptors, 15.0) as connection:
        connection.settimeout(None)
        return _photo_in(connection)


@contextmanager
def _asked(
    path: Path, verb: str, arguments: dict[str, Any], descriptors: Sequence[int], timeout_seconds: float
) -> Iterator[socket.socket]:
    """A connection on which the request was sent; what goes wrong with it is said in words."""
    request = json.dumps({"verb": verb, "arguments": arguments}).encode("ascii") + b"\n"
    if len(request) > MAX_REQUEST_BYTES:
        raise ControlError("that is too much for one request; ask for fewer at a time", EXIT_USAGE)
    try:
        with closing(_connected(path, timeout_seconds)) as connection:
            with suppress(ConnectionError):  # hung up on before it was read: what was answered says why
                send_line(connection, request, descriptors)
            yield connection
    except BlockingIOError as error:  # as many wait to be let in as may
        raise Busy("too many are asking at once; try again") from error
    except TimeoutError as error:
        raise ControlError("the daemon is busy and does not answer; try again", EXIT_TRY_AGAIN) from error
    except ConnectionError as error:
        raise ControlError(_ENDED, EXIT_TRY_AGAIN) from error


def send_line(connection: socket.socket, line: bytes, descriptors: Sequence[int]) -> None:
    """All of a line; the descriptors go with its first byte."""
    sent = socket.send_fds(connection, [line], descriptors) if descriptors else 0
    if sent < len(line):  # nothing is sent of nothing: the other end may have what it wants, and be gone
        connection.sendall(line[sent:])


_ENDED = "the daemon ended before it answered; look at its log, then try again"
_STRANGE = "the daemon's answer can't be read; is it of the same version?"


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


def _photo_in(connection: socket.socket) -> tuple[dict[str, Any], int]:
    block, descriptors, _, _ = socket.recv_fds(connection, _BLOCK_BYTES, 1)
    try:
        answer = _answer_in(block if block.endswith(b"\n") else block + _read_line(connection))
        if not descriptors:
            raise ControlError(_STRANGE, EXIT_BROKEN)
        return answer, os.dup(descriptors[0])
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _answer_in(line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
        if "photo" in content:
            words = content["photo"]
            raise RejectedPhoto(str(words["reason"]), str(words["message"]), str(words["what_to_do"]))
        if content.get("busy"):
            raise Busy(str(content["error"]))
        if "error" in content:
            raise ControlError(str(content["error"]), int(content["exit"]))
        return dict(content["answer"])
    except (ValueError, TypeError, KeyError) as error:
        raise ControlError(_STRANGE, EXIT_BROKEN) from error
