"""The control socket: how commands ask the running daemon. Nobody who can open it is trusted to be well-behaved.

A thread a connection reads requests, a line each, and checks them. Questions about history it answers itself, from
the journal, and photos it makes itself; all others lie in the inbox as `Asked` until the main thread has answered. The
main thread never waits for a client.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from bshm_watchd import logs
from bshm_watchd.clock import Clock, SystemClock
from bshm_watchd.errors import PlaceUnavailable, ProgramEnding, RejectedPhoto, WatchdError, state_error
from bshm_watchd.events import Asked, Event
from bshm_watchd.journal import Journal
from bshm_watchd.ops.asking import (
    EXIT_BROKEN,
    EXIT_NOT_RUNNING,
    EXIT_REJECTED,
    EXIT_TRY_AGAIN,
    EXIT_USAGE,
    RELOAD_SECONDS,
    Busy,
    ControlError,
    address_of,
    exit_code_of,
    send_line,
)
from bshm_watchd.ops.history import Arguments, JobId, ListArguments, NoSuchJob, ShowArguments, jobs_list, jobs_show
from bshm_watchd.ops.photos import MatteArguments, Photos
from bshm_watchd.ops.requests import Client, ClientGone, Refused, Request, Requests

_MODE = 0o660  # the daemon's user and group; root always may
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid
_RETRY_SECONDS = 1.0
_CLOSE_SECONDS = 2.0


class NoArguments(Arguments):
    pass


class RequeueArguments(Arguments):
    ids: tuple[JobId, ...] = Field(min_length=1, max_length=1000)


class FolderArguments(Arguments):
    name: str = Field(max_length=64)


@dataclass(frozen=True, slots=True)
class _Verb:
    """What a verb takes, and who answers it: the journal, or the main thread where there is no `from_journal`."""

    arguments: type[Arguments]
    changes: bool = False
    from_journal: Callable[[Journal, Any], dict[str, Any]] | None = None
    answer_seconds: float | None = None  # where it takes longer than the others


_VERBS = {
    "status": _Verb(NoArguments),
    "reload": _Verb(NoArguments, changes=True, answer_seconds=RELOAD_SECONDS),
    "requeue": _Verb(RequeueArguments, changes=True),
    "folder_take": _Verb(FolderArguments, changes=True),
    "folder_adopt": _Verb(FolderArguments, changes=True),
    "jobs_list": _Verb(ListArguments, from_journal=jobs_list),
    "jobs_show": _Verb(ShowArguments, from_journal=jobs_show),
    "matte": _Verb(MatteArguments, changes=True),  # answered on the connection's own thread
}


@dataclass(frozen=True, slots=True)
class ControlLimits:
    answer_seconds: float = 10.0  # the main thread has that long
    request_seconds: float = 30.0  # a client has that long for a request, whole, and for taking its answer
    connections: int = 32
    photos: int = 24  # so that some connections are left for all other questions


@dataclass(frozen=True, slots=True)
class _Peer:
    pid: int
    uid: int

    @classmethod
    def of(cls, connection: socket.socket) -> _Peer:
        packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _ = _CREDENTIALS.unpack(packed)
        return cls(pid, uid)


class ControlServer:
    """Serves the socket at `path` inside its `with`, which is entered only while the instance lock is held.

    `put` hands an event to the main thread; it is called from the connections' threads and must not block.
    """

    def __init__(
        self, path: Path, put: Callable[[Event], None], journal: Journal,
        limits: ControlLimits = ControlLimits(), clock: Clock | None = None, photos: Photos | None = None,
    ) -> None:  # fmt: skip
        self._path = path
        self._put = put
        self._journal = journal
        self._limits = limits
        self._clock = clock or SystemClock()
        self._photos = photos
        self._photo_places = threading.BoundedSemaphore(limits.photos)
        self._stopping: Future[None] = Future()
        self._listener: socket.socket | None = None
        self._acceptor = threading.Thread(target=self._accept_all, name="control", daemon=True)
        self._lock = threading.Lock()  # guards _connections
        self._connections: dict[socket.socket, threading.Thread] = {}

    def __enter__(self) -> ControlServer:
        self._listener = _listen(self._path)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        """No new clients, then an end to those that are here; a request under way hears that the daemon stops."""
        assert self._listener is not None
        self._stopping.set_result(None)
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:  # the next start replaces it
            logs.warning("the control socket could not be removed", path=self._path, why=error)
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts; closing alone would not
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            connections = dict(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):  # it may have been closed a moment ago
                connection.shutdown(socket.SHUT_RD)
        deadline = self._clock.monotonic() + _CLOSE_SECONDS
        for thread in connections.values():  # one with a photo in the model is left to the model's end
            thread.join(max(0.0, deadline - self._clock.monotonic()))

    # -- connections -----------------------------------------------------------------------------------

    def _accept_all(self) -> None:
        assert self._listener is not None
        while not self._stopping.done():
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if not self._stopping.done():
                    logs.warning("the control socket can't take a connection", why=error)
                    wait([self._stopping], timeout=_RETRY_SECONDS)  # out of descriptors: no busy loop
                continue
            self._take_on(connection)

    def _take_on(self, connection: socket.socket) -> None:
        thread = threading.Thread(target=self._serve, args=(connection,), name="control-client", daemon=True)
        try:
            with self._lock:  # so that the thread does not end before it is known
                if len(self._connections) >= self._limits.connections:
                    raise Busy("too many are asking at once; try again")
                thread.start()
                self._connections[connection] = thread
        except Busy as error:
            _send_last(connection, _refusal(error))
        except RuntimeError as error:
            logs.warning("the control socket can't serve a client", why=error)
            _send_last(connection, _refusal(Busy("the daemon can't start a thread right now; try again")))

    def _serve(self, connection: socket.socket) -> None:
        try:
            peer = _Peer.of(connection)
            with Requests(connection, self._clock, self._limits.request_seconds) as requests:
                while (request := requests.next()) is not None:
                    with request:
                        self._reply(connection, request, peer)
        except Refused as error:
            logs.warning("control socket: a request is refused", uid=peer.uid, pid=peer.pid, why=error)
            _send_last(connection, _refusal(error))
        except (OSError, ClientGone):
            return  # the client is gone, or did not say or take anything in time: nothing is owed to it
        finally:
            with self._lock:
                del self._connections[connection]
            connection.close()

    # -- requests --------------------------------------------------------------------------------------

    def _reply(self, connection: socket.socket, request: Request, peer: _Peer) -> None:
        try:
            name, arguments = _understood(request.line)
            if _VERBS[name].changes:
                logs.info("asked", verb=name, uid=peer.uid, pid=peer.pid)
            if isinstance(arguments, MatteArguments):
                self._reply_with_photo(connection, arguments, request)
                return
            answer = {"answer": self._answered(name, arguments)}
        except ControlError as error:
            answer = _refusal(error)
        except RejectedPhoto as error:
            answer = _rejection(error)
        _send(connection, answer, None, self._limits.request_seconds)

    def _reply_with_photo(self, connection: socket.socket, wanted: MatteArguments, request: Request) -> None:
        """The photo keeps its place and its memory until its client has taken it: what is sent is still ours."""
        client, seconds = Client(connection, self._stopping), self._limits.request_seconds
        with self._a_place() as photos, photos.matte(wanted, request.descriptors, client) as (facts, result_fd):
            deadline = self._clock.monotonic() + seconds
            _send(connection, {"answer": facts}, result_fd, seconds)
            client.wait_until_taken(self._clock, deadline)

    @contextlib.contextmanager
    def _a_place(self) -> Iterator[Photos]:
        if self._photos is None:
            raise ControlError("no photos are made here", EXIT_USAGE)
        if not self._photo_places.acquire(blocking=False):
            raise Busy("too many photos are asked for at once; try again")
        try:
            yield self._photos
        finally:
            self._photo_places.release()

    def _answered(self, name: str, arguments: Arguments) -> dict[str, Any]:
        from_journal = _VERBS[name].from_journal
        if from_journal is None:
            return self._from_main_thread(name, arguments.model_dump())
        try:
            return from_journal(self._journal, arguments)
        except NoSuchJob as error:
            raise ControlError(str(error), EXIT_USAGE) from error
        except (sqlite3.Error, PlaceUnavailable, ProgramEnding) as error:
            raise ControlError(f"the journal can't be read: {error}; see the daemon's log", EXIT_BROKEN) from error

    def _from_main_thread(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer: Future[dict[str, Any]] = Future()
        self._put(Asked(name, arguments, answer))
        either: list[Future[Any]] = [answer, self._stopping]
        seconds = _VERBS[name].answer_seconds or self._limits.answer_seconds
        wait(either, timeout=seconds, return_when=FIRST_COMPLETED)
        if answer.done():
            return _result(name, answer)
        if self._stopping.done():
            raise ControlError("the daemon is stopping", EXIT_NOT_RUNNING)
        raise ControlError(f"the daemon is busy: no answer within {seconds:g} s; try again", EXIT_TRY_AGAIN)


def _understood(line: bytes) -> tuple[str, Arguments]:
    """A request's verb and its checked arguments; `ControlError` for anything else."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ControlError("a request is one line with one JSON object", EXIT_USAGE) from error
    if not isinstance(request, dict) or not isinstance(request.get("verb"), str):
        raise ControlError('a request is an object with "verb" and "arguments"', EXIT_USAGE)
    verb = _VERBS.get(request["verb"])
    if verb is None:
        raise ControlError(f"unknown verb; known are {', '.join(_VERBS)}", EXIT_USAGE)
    try:
        return request["verb"], verb.arguments.model_validate(request.get("arguments", {}))
    except ValidationError as error:
        raise ControlError(_explained(error), EXIT_USAGE) from error


def _explained(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    address = ".".join(str(part) for part in first["loc"])
    return f"arguments{'.' if address else ''}{logs.shown(address)}: {first['msg']}"


def _result(name: str, answer: Future[dict[str, Any]]) -> dict[str, Any]:
    error = answer.exception()
    if error is None:
        return answer.result()
    if isinstance(error, WatchdError):
        raise ControlError(str(error), exit_code_of(error, otherwise=EXIT_USAGE))
    logs.error("a request could not be answered", error, verb=name)
    raise ControlError(f"the daemon could not do this: {error}; see its log", EXIT_BROKEN)


def _refusal(error: ControlError) -> dict[str, Any]:
    busy = {"busy": True} if isinstance(error, Busy) else {}
    return {"error": str(error), "exit": error.exit_code, **busy}


def _rejection(error: RejectedPhoto) -> dict[str, Any]:
    """The photo is at fault: the same words as in a sidecar."""
    words = {"reason": error.reason, "message": error.message, "what_to_do": error.what_to_do}
    return {"error": error.message, "exit": EXIT_REJECTED, "photo": words}


def _send(connection: socket.socket, answer: dict[str, Any], fd: int | None, seconds: float) -> None:
    connection.settimeout(seconds)
    send_line(connection, _line(answer), [] if fd is None else [fd])


def _line(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer).encode("ascii") + b"\n"


def _send_last(connection: socket.socket, answer: dict[str, Any]) -> None:
    with connection, contextlib.suppress(OSError):  # it may have gone, or not be reading: nothing waits for it
        connection.setblocking(False)
        connection.send(_line(answer))


def _listen(path: Path) -> socket.socket:
    """A listening socket at `path`; one that a dead daemon left there is replaced.

    Nobody can connect before `listen`, so the mode that the umask gave the name is never of use to anyone. Raises as
    `state_error` says.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        with address_of(path) as address:
            listener.bind(address)
        os.chmod(path, _MODE)
        listener.listen()
    except BaseException as error:
        listener.close()
        if isinstance(error, OSError):
            raise state_error(error, path.parent) from error
        raise
    return listener
