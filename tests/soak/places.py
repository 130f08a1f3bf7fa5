"""Three kinds of hot folder, and what can happen to each: a directory, a disk of its own, and a share."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.studio import HotTree

_DISK_MIB = 1024
_CHUNKS_BYTES = (1 << 26, 1 << 20, 1 << 12)


@dataclass
class Place:
    """A hot folder where the daemon finds it, and its drop/ as people reach it, whatever the daemon's way is."""

    name: str
    tree: HotTree
    drop: Path
    # What can go wrong there: each begins a trouble and gives what ends it.
    troubles: dict[str, Callable[[], Callable[[], None]]] = field(default_factory=dict)


@contextlib.contextmanager
def places(base: Path) -> Iterator[list[Place]]:
    with contextlib.ExitStack() as stack:
        found = [plain(base / "plain"), stack.enter_context(_disk(base)), stack.enter_context(_share(base))]
        yield found


def plain(path: Path) -> Place:
    """An ordinary directory, whose root may be renamed away; an empty one may stand there instead."""
    tree = HotTree(path)
    away = path.with_name("away")

    def vanish() -> Callable[[], None]:
        path.rename(away)
        return lambda: _put_back(away, path)

    def another() -> Callable[[], None]:
        path.rename(away)
        path.mkdir()

        def back() -> None:
            assert not list(path.iterdir()), f"something was made in an empty directory: {list(path.iterdir())}"
            path.rmdir()
            _put_back(away, path)

        return back

    return Place("plain", tree, path / "drop", {"root gone": vanish, "another root": another})


def _put_back(away: Path, path: Path) -> None:
    away.rename(path)


@contextlib.contextmanager
def _disk(base: Path) -> Iterator[Place]:
    """An ext4 of its own on a loop device: it fills up, turns read-only and is unmounted."""
    path, image = base / "disk", base / "disk.img"
    path.mkdir()
    with open(image, "wb") as file:
        file.truncate(_DISK_MIB << 20)
    _run("mkfs.ext4", "-q", "-m", "0", str(image))

    def mount() -> None:
        _run("mount", "-o", "loop", str(image), str(path))

    def fill() -> Callable[[], None]:
        ballast = path / "ballast"
        with open(ballast, "wb", buffering=0) as file:
            for chunk in _CHUNKS_BYTES:
                with contextlib.suppress(OSError):
                    while True:
                        os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, chunk)
        return lambda: ballast.unlink(missing_ok=True)

    def read_only() -> Callable[[], None]:
        _patiently("mount", "-o", "remount,ro", str(path))
        return lambda: _run("mount", "-o", "remount,rw", str(path))

    def unmount() -> Callable[[], None]:
        _patiently("umount", str(path))

        def back() -> None:
            assert not list(path.iterdir()), "something was made in a mount point"
            mount()

        return back

    mount()
    shutil.rmtree(path / "lost+found")
    try:
        yield Place(
            "disk", HotTree(path), path / "drop", {"disk full": fill, "read-only": read_only, "unmounted": unmount}
        )
    finally:
        _run("umount", "--lazy", str(path), check=False)


@contextlib.contextmanager
def _share(base: Path) -> Iterator[Place]:
    """A file system served by a process, which may hang or die. People write behind it: no event tells of that."""
    behind, path = base / "behind", base / "share"
    tree = HotTree(behind)
    path.mkdir()
    servers: list[subprocess.Popen[bytes]] = []

    def mount() -> None:
        server = subprocess.Popen(["bindfs", "-f", "-o", "allow_other", str(behind), str(path)])
        servers.append(server)
        deadline = time.monotonic() + 20
        while not os.path.ismount(path):
            assert server.poll() is None and time.monotonic() < deadline, "bindfs did not mount"
            time.sleep(0.05)

    def freeze() -> Callable[[], None]:
        servers[-1].send_signal(signal.SIGSTOP)
        return lambda: servers[-1].send_signal(signal.SIGCONT)

    def die() -> Callable[[], None]:
        servers[-1].kill()
        servers[-1].wait()

        def back() -> None:
            _patiently("umount", "--lazy", str(path))
            mount()

        return back

    mount()
    try:
        yield Place("share", tree, behind / "drop", {"server frozen": freeze, "server dead": die})
    finally:
        servers[-1].send_signal(signal.SIGCONT)
        _run("umount", "--lazy", str(path), check=False)
        servers[-1].kill()
        servers[-1].wait()


def _run(*command: str, check: bool = True) -> None:
    subprocess.run(command, check=check, capture_output=True)


def _patiently(*command: str) -> None:
    """A busy file system is tried again: somebody has a file open there for a moment."""
    deadline = time.monotonic() + 30
    while subprocess.run(command, capture_output=True).returncode != 0:
        assert time.monotonic() < deadline, f"not within 30 s: {' '.join(command)}"
        time.sleep(0.05)
