"""Holds a real program before each system call that changes a file: lets it go on, errs in its place, or kills it.

The kernel itself asks, by a seccomp filter with a listener (seccomp_unotify(2)), in whatever thread the call is made,
so that the n-th call of the *program* can be met. strace's `inject=...:when=n` counts in each thread for itself: the
many calls of one thread would hide the few of another for ever. strace is used as a witness that no call is missed.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from tests.support.seccomp import ANSWER, AT, CALLS_BY_NUMBER, FD, GO_ON, NOTICE, PATH, RECEIVE, SEND, hold

CALLS = tuple(name for name, _ in CALLS_BY_NUMBER.values())
_AT_FDCWD = -100
WRITES = ("write", "pwrite64")
_JOB_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_LIFE = re.compile(r"(?<=\.bshm-[0-9A-HJKMNP-TV-Z]{26})-[0-9A-HJKMNP-TV-Z]{26}(?=-)")  # whose temporary it is
_PATH_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Call:
    """A call below `base`, as it would be found in another run: paths relative, job ids by their order (`<1>`)."""

    name: str
    paths: tuple[str, ...]
    nth: int  # of this name on these paths, from 1 on

    def __str__(self) -> str:
        return f"{self.name}({' -> '.join(self.paths)})#{self.nth}"


@dataclass(frozen=True, slots=True)
class Kill:
    """The program ends by SIGKILL before the call happens; `half`: once half of what a write brings is written."""

    half: bool = False


@dataclass(frozen=True, slots=True)
class Fail:
    """The call does not happen, and gives this error."""

    code: int


Verdict = Kill | Fail | None
Judge = Callable[[Call], Verdict]
Program = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Run:
    exit_code: int  # negative: the signal that ended it
    said: str  # standard output and error
    calls: tuple[Call, ...]


class StillRunning(AssertionError):
    """It hangs: what it said so far is the message."""


def missing() -> str:
    """Why a program can't be held here; empty where it can."""
    if platform.machine() != "x86_64":
        return "the numbers of system calls are known for x86-64 only"
    try:
        with _held(["/bin/true"], subprocess.DEVNULL) as (process, listener):
            _Supervisor(process, listener, Path("/nowhere"), lambda _: None).serve(time.monotonic() + 10)
    except (OSError, subprocess.SubprocessError) as error:
        return f"no seccomp listener (Linux 5.19, and a container that lets one be made): {error}"
    return ""


def held(command: Sequence[str] | Program, base: Path, judge: Judge, timeout_seconds: float = 60) -> Run:
    """Run a program to its end; `judge` is asked ahead of each of its calls that changes something below `base`.

    A program that is no command is run in a fork of this process, which may have loaded all that it needs.
    """
    with tempfile.TemporaryFile() as output, _held(command, output) as (process, listener):
        supervisor = _Supervisor(process, listener, base, judge)
        ended = supervisor.serve(time.monotonic() + timeout_seconds)
        output.seek(0)
        said = output.read().decode(errors="replace")
        if not ended:
            raise StillRunning(f"not over after {timeout_seconds:g} s; it said:\n{said}")
        return Run(process.wait(), said, tuple(supervisor.calls))


@contextlib.contextmanager
def _held(command: Sequence[str] | Program, output: BinaryIO | int) -> Iterator[tuple[_Process, int]]:
    """The program, and the descriptor at which the kernel asks. Killed on the way out."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process: _Process
        if callable(command):
            process = _Fork(command, output, theirs)
        else:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=partial(hold, theirs)
            )
        try:
            _, (listener, *_), _, _ = socket.recv_fds(ours, 1, 1)
            try:
                yield process, listener
            finally:
                os.close(listener)
        finally:
            process.kill()
            process.wait()


class _Process(Protocol):
    """What is used of a `subprocess.Popen`."""

    def poll(self) -> int | None: ...

    def wait(self) -> int: ...

    def send_signal(self, sig: int, /) -> None: ...

    def kill(self) -> None: ...


class _Fork:
    """A fork of this process, which must have no other thread."""

    def __init__(self, program: Program, output: BinaryIO | int, to_supervisor: socket.socket) -> None:
        self._code: int | None = None
        self._pid = os.fork()
        if self._pid == 0:
            self._run(program, output if isinstance(output, int) else output.fileno(), to_supervisor)

    @staticmethod
    def _run(program: Program, output: int, to_supervisor: socket.socket) -> None:
        code = 1
        try:
            for stream in (1, 2):
                os.dup2(output, stream)
            sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1, closefd=False) for stream in (1, 2))
            hold(to_supervisor)
            code = program()
        except BaseException:  # noqa: BLE001  as an interpreter does at its end
            traceback.print_exc()
        finally:
            os._exit(code)

    def poll(self) -> int | None:
        return self._waited(os.WNOHANG)

    def wait(self) -> int:
        code = self._waited(0)
        assert code is not None
        return code

    def send_signal(self, sig: int, /) -> None:
        if self._code is None:
            os.kill(self._pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _waited(self, options: int) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self._pid, options)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code


@dataclass(slots=True)
class _Supervisor:
    process: _Process
    listener: int
    base: Path
    judge: Judge
    calls: list[Call] = field(default_factory=list)
    _seen: Counter[tuple[str, tuple[str, ...]]] = field(default_factory=Counter)
    _jobs: dict[str, str] = field(default_factory=dict)

    def serve(self, deadline: float) -> bool:
        """Answer until the program has ended; False when it has not by then."""
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        while self.process.poll() is None:
            if time.monotonic() > deadline:
                return False
            if any(happened & select.POLLIN for _, happened in poll.poll(100)):
                self._answer_one()
        return True

    def _answer_one(self) -> None:
        notice = bytearray(NOTICE.size)
        try:
            fcntl.ioctl(self.listener, RECEIVE, notice)
        except OSError as error:  # whoever asked is gone
            if error.errno not in (errno.ENOENT, errno.EINTR):
                raise
            return
        ident, thread, _, number, _, _, *arguments = NOTICE.unpack(notice)
        verdict = self._verdict(thread, number, arguments)
        if isinstance(verdict, Kill):
            if verdict.half:
                _write_half(thread, number, arguments)
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            return
        error_code, flags = (-verdict.code, 0) if isinstance(verdict, Fail) else (0, GO_ON)
        with contextlib.suppress(FileNotFoundError):  # it died meanwhile
            fcntl.ioctl(self.listener, SEND, ANSWER.pack(ident, 0, error_code, flags))

    def _verdict(self, thread: int, number: int, arguments: list[int]) -> Verdict:
        name, named = CALLS_BY_NUMBER[number]
        try:
            if name == "openat2" and not _creates(thread, arguments[2]):
                return None
            found = list(_paths(thread, named, arguments))
        except OSError:  # it died meanwhile, or names nothing: then the call fails by itself
            return None
        if not any(path.is_relative_to(self.base) for path in found):
            return None
        paths = tuple(self._known(path) for path in found)
        self._seen[name, paths] += 1
        call = Call(name, paths, self._seen[name, paths])
        self.calls.append(call)
        return self.judge(call)

    def _known(self, path: Path) -> str:
        relative = str(path.relative_to(self.base)) if path.is_relative_to(self.base) else str(path)
        jobs = _LIFE.sub("", relative)
        return _JOB_ID.sub(lambda found: self._jobs.setdefault(found[0], f"<{len(self._jobs) + 1}>"), jobs)


def _paths(thread: int, named: tuple[str, ...], arguments: list[int]) -> Iterator[Path]:
    position = 0
    for what in named:
        if what == AT:
            directory = ctypes.c_int(arguments[position]).value
            yield _path_of(thread, directory) / _text(thread, arguments[position + 1])
            position += 1
        elif what == PATH:
            yield _path_of(thread, _AT_FDCWD) / _text(thread, arguments[position])
        elif what == FD:
            yield _path_of(thread, ctypes.c_int(arguments[position]).value)
        position += 1


def _path_of(thread: int, fd: int) -> Path:
    return Path(f"/proc/{thread}/{'cwd' if fd == _AT_FDCWD else f'fd/{fd}'}").readlink()


def _text(thread: int, address: int) -> str:
    with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return os.fsdecode(memory.read(_PATH_BYTES).split(b"\0", 1)[0])


def _creates(thread: int, how: int) -> bool:
    """openat2 has its flags in memory, where a filter can't look."""
    with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
        memory.seek(how)
        return bool(int.from_bytes(memory.read(8), sys.byteorder) & (os.O_CREAT | os.O_TRUNC))


def _write_half(thread: int, number: int, arguments: list[int]) -> None:
    """What a write leaves that was cut short: the first half of its bytes."""
    fd, address, length = arguments[:3]
    with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        half = memory.read(length // 2)
    if CALLS_BY_NUMBER[number][0] == "pwrite64":
        offset = arguments[3]
    else:
        offset = int(Path(f"/proc/{thread}/fdinfo/{fd}").read_text().split()[1])
    file = os.open(f"/proc/{thread}/fd/{fd}", os.O_WRONLY)
    try:
        os.pwrite(file, half, offset)
    finally:
        os.close(file)
