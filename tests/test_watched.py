"""A disk that knows how long its oldest call has been under way."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bshm_watchd.disk.ops import CHANGES, Disk
from bshm_watchd.disk.watched import WatchedDisk
from tests.support.clock import FakeClock
from tests.support.disks import ErringDisk


class _Asking(Disk):
    """Asks, from inside its calls, what the disk around it says."""

    def __init__(self) -> None:
        self.around: WatchedDisk | None = None
        self.told: list[float | None] = []

    def _ask(self) -> None:
        assert self.around is not None
        self.told.append(self.around.oldest_call())

    def lstat(self, dir_fd: int, name: str) -> os.stat_result:
        self._ask()
        return super().lstat(dir_fd, name)

    def entries(self, dir_fd: int) -> Iterator[os.DirEntry[str]]:
        self._ask()
        for entry in super().entries(dir_fd):
            self._ask()
            yield entry


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(monotonic=50.0)


@pytest.fixture
def dir_fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def _asking(clock: FakeClock) -> tuple[_Asking, WatchedDisk]:
    asking = _Asking()
    asking.around = WatchedDisk(asking, clock)
    return asking, asking.around


def test_a_call_is_known_while_it_lasts_and_forgotten_after(clock: FakeClock, tmp_path: Path, dir_fd: int) -> None:
    asking, disk = _asking(clock)
    (tmp_path / "a").touch()
    disk.lstat(dir_fd, "a")
    assert (asking.told, disk.oldest_call()) == ([50.0], None)


def test_a_listing_is_known_from_its_first_name_on_and_forgotten_however_it_ends(
    clock: FakeClock, tmp_path: Path, dir_fd: int
) -> None:
    """Also while the very first answer of a dead share is waited for."""
    asking, disk = _asking(clock)
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    assert sorted(entry.name for entry in disk.entries(dir_fd)) == ["a", "b"]
    assert asking.told == [50.0, 50.0, 50.0]
    assert disk.oldest_call() is None
    listing = disk.entries(dir_fd)
    next(listing)
    listing.close()  # type: ignore[attr-defined]
    assert disk.oldest_call() is None


def test_a_long_listing_that_goes_on_does_not_grow_old(clock: FakeClock, tmp_path: Path, dir_fd: int) -> None:
    for number in range(600):
        (tmp_path / str(number)).touch()
    disk = WatchedDisk(Disk(), clock)
    ages = []
    for _ in disk.entries(dir_fd):
        clock.advance(0.01)
        ages.append(clock.monotonic() - (disk.oldest_call() or 0))
    assert max(ages) < 3


def test_a_call_that_fails_is_forgotten_too(clock: FakeClock, dir_fd: int) -> None:
    disk = WatchedDisk(Disk(), clock)
    with pytest.raises(FileNotFoundError):
        disk.lstat(dir_fd, "missing")
    assert disk.oldest_call() is None


def test_the_oldest_of_several_threads_calls_is_told(clock: FakeClock, dir_fd: int) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Hanging(Disk):
        def exists(self, dir_fd: int, name: str) -> bool:
            begun.set()
            return go_on.wait()

    disk = WatchedDisk(Hanging(), clock)
    thread = threading.Thread(target=disk.exists, args=(dir_fd, "x"))
    thread.start()
    begun.wait()
    clock.advance(7)
    with pytest.raises(FileNotFoundError):
        disk.lstat(dir_fd, "missing")
    assert disk.oldest_call() == 50.0
    go_on.set()
    thread.join()
    assert disk.oldest_call() is None


def test_every_call_of_a_disk_goes_through_the_one_inside(clock: FakeClock, tmp_path: Path, dir_fd: int) -> None:
    inner = ErringDisk(0, 5, once=False)
    disk = WatchedDisk(inner, clock)
    public = {name for name in vars(Disk) if not name.startswith("_")}
    overridden = set(vars(disk)) | set(vars(WatchedDisk))
    assert public <= overridden
    for name in CHANGES:
        with pytest.raises(OSError, match="Errno 5"):
            getattr(disk, name)(dir_fd, "x", dir_fd, "y")


@pytest.mark.contract("L6")
def test_a_visit_is_watched_from_call_to_call_and_forgotten_at_its_end(clock: FakeClock, dir_fd: int) -> None:
    """What hangs may be a call of the system's own: a status, a close."""
    disk = WatchedDisk(Disk(), clock)
    with disk.visit():
        assert not disk.exists(dir_fd, "x")
        clock.advance(7)
        with disk.visit():
            assert disk.oldest_call() == 50.0
        assert list(disk.entries(dir_fd)) == []
        assert disk.oldest_call() == 57.0
    assert disk.oldest_call() is None


@pytest.mark.contract("L6")
def test_a_visitor_that_computes_for_long_does_not_look_as_if_the_disk_hung(clock: FakeClock, dir_fd: int) -> None:
    """Putting the names of a million files in order may take longer than any call should."""
    disk = WatchedDisk(Disk(), clock)
    with disk.visit():
        with disk.computing():
            assert disk.oldest_call() is None
            clock.advance(30)
        assert disk.oldest_call() == 80.0
    assert disk.oldest_call() is None
