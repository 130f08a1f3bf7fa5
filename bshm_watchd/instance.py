"""One process at a time works with a state directory: a lock that ends with the process, whatever ends it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from bshm_watchd.errors import ConfigError, InstanceRunning


@contextlib.contextmanager
def only_instance(state_dir: Path) -> Iterator[None]:
    """Hold the lock of a state directory, made where it is missing. Raises `InstanceRunning` or `ConfigError`."""
    fd = _open_lock(state_dir)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            pid = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            message = f"another instance (process {pid or 'unknown'}) works with {state_dir}; stop it first"
            raise InstanceRunning(message) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


def _open_lock(state_dir: Path) -> int:
    try:
        state_dir.mkdir(mode=0o750, parents=True, exist_ok=True)
        return os.open(state_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        problem = f"state_dir {state_dir}: {error.strerror}; make it writable for this user or set state_dir"
        raise ConfigError([problem]) from error
