"""One resident model a GPU: a lock on its device node, which ends with the process, whatever ends it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from bshm_watchd.errors import ConfigError, InstanceRunning

_LOCKS = Path("/proc/locks")


@contextlib.contextmanager
def only_model(node: str, locks: Path = _LOCKS) -> Iterator[None]:
    """Hold a GPU by its node. Raises `InstanceRunning` where another process does, `ConfigError` where it can't be."""
    with contextlib.ExitStack() as stack:
        try:
            fd = os.open(node, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, fd)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InstanceRunning(_taken(node, holder(node, locks))) from error
        except OSError as error:
            advice = "see that this user, its service and its container may use it, and that nvidia-smi works"
            raise ConfigError([f"{node}: can't be locked: {error.strerror}; {advice}"]) from error
        yield


def holder(node: str, locks: Path = _LOCKS) -> int | None:
    """Who holds a GPU; None where nobody does, or where it can't be told (a process of another container)."""
    try:
        status = os.stat(node)
        lines = locks.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    for line in lines:
        fields = line.split()  # 10: FLOCK ADVISORY WRITE 4711 00:06:513 0 EOF; those who wait have -> behind the number
        if len(fields) == 8 and fields[1] == "FLOCK" and fields[5] == place and fields[4].isdecimal():
            return int(fields[4])
    return None


def _taken(node: str, pid: int | None) -> str:
    who = f"process {pid}" if pid else "another process"
    what_to_do = "stop it first, or give this one another GPU with CUDA_VISIBLE_DEVICES"
    return f"{node} has its resident model already ({who}), and takes one only: {what_to_do}"
