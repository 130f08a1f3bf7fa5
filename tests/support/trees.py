"""One hot folder's tree without a daemon, jobs for it, and the users and file systems that some tests need."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.config import HotFolderSettings
from bshm_watchd.disk.claim import claim
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.disk.ops import CHANGES, Disk
from bshm_watchd.jobs import Job, Plan, Problem, Stamp, State, new_id
from bshm_watchd.ops.asking import address_of

WALL = 1_790_000_000.0
NOBODY = 65534  # a user and a group without rights
BROKEN = Problem("broken", "it is broken", "send another")


def settings_of(path: Path, **options: Any) -> HotFolderSettings:
    return HotFolderSettings.model_validate({"name": "portraits", "path": path, **options})


def hot_folder(base: Path, disk: Disk | None = None, **options: Any) -> HotFolder:
    """The folder `base/hot`, made where it is missing, with its state in `base/state`; not attached yet."""
    (base / "hot").mkdir(parents=True, exist_ok=True)
    return HotFolder(disk or Disk(), settings_of(base / "hot", **options), base / "state")


def attached(base: Path, disk: Disk | None = None, **options: Any) -> HotFolder:
    folder = hot_folder(base, disk, **options)
    folder.lasting_inodes = True
    attach(folder)
    return folder


def attach(folder: HotFolder, *, adopt: bool = False) -> None:
    folder.attach(frozenset(Plan.of(folder.settings).output_roots), adopt=adopt)


def a_job(settings: HotFolderSettings, name: str = "a.png", relative_dir: str = "", **changes: Any) -> Job:
    """A job of no particular photo."""
    job = Job(new_id(WALL), settings.name, name, relative_dir, Stamp(1, 2, 3, 4, 5), WALL, Plan.of(settings))
    return replace(job, **changes)


def dropped(folder: HotFolder, name: str = "a.png", content: bytes = b"photo", relative_dir: str = "") -> Job:
    """A file in drop/ and the job that would claim it as it is now."""
    path = folder.settings.path / "drop" / relative_dir / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return a_job(folder.settings, name, relative_dir, stamp=Stamp.of(path.lstat()))


def claimed(folder: HotFolder, name: str = "a.png", content: bytes = b"photo", **changes: Any) -> Job:
    job = claim(folder, dropped(folder, name, content))
    assert job.state is State.CLAIMED
    return replace(job, **changes)


def work_of(folder: HotFolder, job: Job) -> Path:
    return folder.settings.path / ".bshm" / "work" / job.id


def make_special(kind: str, path: Path, elsewhere: Path) -> None:
    """Something that is no file of its own at `path`; skips the test where this user can't make it."""
    elsewhere.write_bytes(b"theirs")
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener, address_of(path) as address:
            listener.bind(address)
    elif kind == "device" and os.geteuid() != 0:
        pytest.skip("only root can make a device")
    else:
        {
            "link": lambda: path.symlink_to(elsewhere),
            "magic link": lambda: path.symlink_to("/proc/self/exe"),
            "hard link": lambda: os.link(elsewhere, path),
            "fifo": lambda: os.mkfifo(path),
            "directory": lambda: path.mkdir(),
            "device": lambda: os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3)),
        }[kind]()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@contextlib.contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


@contextlib.contextmanager
def tmpfs(path: Path, options: str = "size=4m") -> Iterator[Path]:
    """Another file system at `path`, or a skipped test where none may be mounted."""
    path.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.splitlines()[0]}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def as_ordinary_user(work: Callable[[], str], user: int = NOBODY, groups: Sequence[int] = ()) -> str:
    """What `work` returns (or how it ended) in a process without privileges, in its own group and `groups` alone."""
    if os.geteuid() != 0:
        return work()
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        _answer_as(user, groups, work, theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb") as answer:
        text = answer.read().decode()
    os.waitpid(child, 0)
    return text


def _answer_as(user: int, groups: Sequence[int], work: Callable[[], str], answer_fd: int) -> None:
    try:
        os.setgroups(groups)
        os.setgid(user)
        os.setuid(user)
        text = work()
    except BaseException:  # noqa: BLE001  the parent's assertion shows it
        text = traceback.format_exc()
    os.write(answer_fd, text.encode())
    os._exit(0)


class TellingDisk(Disk):
    """Calls `after(change, arguments)` after each change, for what must hold at every moment."""

    def __init__(self, after: Callable[[str, tuple[Any, ...]], None]) -> None:
        for name in CHANGES:
            setattr(self, name, self._told(name, getattr(super(), name), after))

    @staticmethod
    def _told(name: str, call: Callable[..., Any], after: Callable[[str, tuple[Any, ...]], None]) -> Callable[..., Any]:
        @wraps(call)
        def told(*arguments: Any) -> Any:
            value = call(*arguments)
            after(name, arguments)
            return value

        return told
