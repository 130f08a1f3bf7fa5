"""Real file systems that hang, vanish, fill up or become read-only; undone on the way out."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_DEADLINE_SECONDS = 20.0


def mount_or_skip(*words: str | Path) -> None:
    """A test's first mount: skips it where nothing may be mounted."""
    done = _mount(*words)
    if done.returncode != 0:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")


def mount(*words: str | Path) -> None:
    """Where something could be mounted before: fails the test."""
    done = _mount(*words)
    assert done.returncode == 0, done.stderr


def _mount(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["mount", *words], capture_output=True, text=True, check=False)


def unmount(path: Path) -> None:
    """Also of what hangs or is in use."""
    subprocess.run(["umount", "--lazy", path], capture_output=True, check=False)


class PassThrough:
    """A share whose server is a process of ours: what lies in `below` is seen at `at`."""

    def __init__(self, below: Path, at: Path) -> None:
        self.below = below
        self.at = at
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PassThrough:
        if shutil.which("bindfs") is None or not os.path.exists("/dev/fuse"):
            pytest.skip("needs /dev/fuse and bindfs (Debian: bindfs)")
        self.below.mkdir(parents=True, exist_ok=True)
        self.at.mkdir(parents=True, exist_ok=True)
        if not self._is_served():
            pytest.skip("bindfs can't mount here")
        return self

    def serve(self) -> None:
        """Anew, after its server died."""
        assert self._is_served(), "bindfs does not mount it again"

    def _is_served(self) -> bool:
        """Whether it came up. Nothing is kept by the kernel: each call goes to the server."""
        options = "attr_timeout=0,entry_timeout=0,negative_timeout=0"
        self._server = subprocess.Popen(
            ["bindfs", "-f", "-o", options, self.below, self.at], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not os.path.ismount(self.at):
            if self._server.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def hang(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def die(self) -> None:
        """From now on each call there is ENOTCONN, until it is unmounted and served anew."""
        assert self._server is not None
        self._signal(signal.SIGKILL)
        self._server.wait()

    def _signal(self, number: int) -> None:
        assert self._server is not None
        self._server.send_signal(number)

    def __exit__(self, *_: object) -> None:
        unmount(self.at)
        if self._server is not None and self._server.poll() is None:
            self._server.kill()
            self._server.wait()


@contextlib.contextmanager
def image(path: Path, mebibytes: int, inodes: int = 2000) -> Iterator[Path]:
    """An ext4 in a file, to be mounted with `-o loop`: unlike a tmpfs it is the same one when it is mounted again."""
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("needs mkfs.ext4 (Debian: e2fsprogs)")
    with open(path, "wb") as file:
        file.truncate(mebibytes << 20)
    subprocess.run(["mkfs.ext4", "-q", "-N", str(inodes), "-m", "0", path], check=True)
    yield path
    path.unlink()
