"""One process at a time works with a state directory: a lock that ends with the process, whatever ends it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from bshm_watchd.errors import InstanceRunning, state_error


@contextlib.contextmanager
def only_instance(state_dir: Path) -> Iterator[None]:
    """Hold the lock of a state directory, made where it is missing.

    Raises `InstanceRunning`, or `ConfigError` or `PlaceUnavailable` as `state_error` sorts them.
    """
    with contextlib.ExitStack() as stack:
        try:
            state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
            fd = os.open(state_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, fd)
            _lock(fd, state_dir)
        except OSError as error:
            raise state_error(error, state_dir) from error
        yield


def _lock(fd: int, state_dir: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        pid = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
        message = f"another instance (process {pid or 'unknown'}) works with {state_dir}; stop it first"
        raise InstanceRunning(message) from error
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
