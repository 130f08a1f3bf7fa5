"""One daemon owns a hot folder: `.bshm/owner` says which, and every claim, record and publishing reads it again.

A dead owner of this machine is replaced at once; one on another machine (or in another container, whose processes we
can't see) only by `folder take`. Whoever becomes the owner locks `folder.json` for itself alone, and whoever changes
something as the owner shares that lock from the check to the end of the change (`held`). So an owner that stood still
and lost the folder meanwhile finds out before it changes anything; one that stands still within a change is waited for.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bshm_watchd.clock import timestamp
from bshm_watchd.disk.durable import create_record, read_record, write_record
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.errors import InstanceRunning, OwnershipLost

_NAME = "owner"
_LOCKED = "folder.json"


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns a hot folder. A process is named by all of machine, boot, pid namespace, pid and its start."""

    incarnation: str
    machine_id: str
    boot_id: str
    pid_namespace: int
    pid: int
    pid_started: str
    host: str
    since: str

    @classmethod
    def this_process(cls, incarnation: str, wall: float) -> Owner:
        return cls(
            incarnation=incarnation,
            machine_id=_read("/etc/machine-id") or os.uname().nodename,
            boot_id=_read("/proc/sys/kernel/random/boot_id"),
            pid_namespace=os.stat("/proc/self/ns/pid").st_ino,
            pid=os.getpid(),
            pid_started=_started(os.getpid()),
            host=os.uname().nodename,
            since=timestamp(wall),
        )

    def is_dead(self, asked_by: Owner) -> bool:
        """Whether this process is certainly gone: known only of the asker's own machine and pid namespace."""
        if self.machine_id != asked_by.machine_id:
            return False
        if self.boot_id != asked_by.boot_id:
            return True
        return self.pid_namespace == asked_by.pid_namespace and _started(self.pid) != self.pid_started

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"


def acquire(folder: HotFolder, us: Owner, *, take: bool = False) -> str:
    """Become the folder's owner. Raises `InstanceRunning` that names the owner when somebody else is.

    Returns the incarnation of an owner that it was taken from although it may be alive, else "".
    """
    disk = folder.disk
    content = json.dumps(asdict(us)).encode()
    with folder.private() as fd:
        _living(folder, fd, us, take=take)  # before anything is written into somebody else's folder
        with _locked(fd, fcntl.LOCK_EX):
            try:
                create_record(disk, fd, _NAME, content, ".owner.tmp")
            except FileExistsError:
                taken_from = _living(folder, fd, us, take=take)
                write_record(disk, fd, _NAME, content)
                return taken_from
    return ""


def _living(folder: HotFolder, private_fd: int, us: Owner, *, take: bool) -> str:
    """The incarnation of another owner that may be alive, "" where there is none. Raises unless its folder is taken."""
    owner = _read_owner(folder, private_fd)
    if owner is None or owner.incarnation == us.incarnation or owner.is_dead(us):
        return ""
    if not take:
        raise InstanceRunning(_who(folder, owner))
    return owner.incarnation


@contextlib.contextmanager
def held(folder: HotFolder, us: Owner) -> Iterator[None]:
    """Own the folder for as long as this lasts: nobody else becomes its owner meanwhile. May be nested.

    Raises `OwnershipLost` at the beginning.
    """
    with folder.private() as fd, _locked(fd, fcntl.LOCK_SH):
        _check(folder, fd, us)
        yield


def check(folder: HotFolder, us: Owner) -> None:
    """Raises `OwnershipLost` when the record no longer names us."""
    with folder.private() as fd:
        _check(folder, fd, us)


def _check(folder: HotFolder, private_fd: int, us: Owner) -> None:
    owner = _read_owner(folder, private_fd)
    if owner is None or owner.incarnation != us.incarnation:
        raise OwnershipLost(f"hot folder {folder.settings.name} is owned by {owner or 'nobody'} now")


def give_up(folder: HotFolder, us: Owner) -> None:
    """At a clean stop: remove the record if it is still ours."""
    with folder.private() as fd, _locked(fd, fcntl.LOCK_EX):
        owner = _read_owner(folder, fd)
        if owner is not None and owner.incarnation == us.incarnation:
            folder.disk.unlink(fd, _NAME)


def _read_owner(folder: HotFolder, private_fd: int) -> Owner | None:
    """The recorded owner; None when there is none or the record is damaged (then nobody can prove to be it)."""
    try:
        return Owner(**json.loads(read_record(folder.disk, private_fd, _NAME)))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):
        return None


def _who(folder: HotFolder, owner: Owner) -> str:
    name = folder.settings.name
    return (
        f"hot folder {name} is owned by {owner}; stop that one, or if it is gone for good: "
        f"bshm-watchd folder take {name}"
    )


@contextlib.contextmanager
def _locked(private_fd: int, how: int) -> Iterator[None]:
    fd = os.open(_LOCKED, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=private_fd)
    try:
        fcntl.flock(fd, how)
        yield
    finally:
        os.close(fd)


def _started(pid: int) -> str:
    """The start time of a process in clock ticks since boot (field 22 of /proc/PID/stat); "" when it is gone.

    One that ended is gone, whether or not its parent has asked how: some containers have nobody who does.
    """
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in ("Z", "X") else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""
