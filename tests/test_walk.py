"""No link is followed in any component below the root, also when somebody swaps directories meanwhile."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.walk import open_below, open_or_make, parts

_DEEP = "a/b/c"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root" / _DEEP).mkdir(parents=True)
    (tmp_path / "outside" / _DEEP).mkdir(parents=True)
    return tmp_path / "root"


@pytest.fixture
def root_fd(root: Path) -> Iterator[int]:
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


class _SwappingDisk(Disk):
    """Does something right before a certain directory is opened: the moment between a look and its use."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self._name = name
        self._then = then

    def open_directory(self, dir_fd: int, name: str) -> int:
        if name == self._name:
            self._then()
        return super().open_directory(dir_fd, name)


def _make(parent_fd: int, name: str) -> None:
    os.mkdir(name, dir_fd=parent_fd)


def _open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    ("relative", "names"), [("", ()), ("a", ("a",)), ("a/b", ("a", "b")), ("a//b/", ("a", "b")), ("...", ("...",))]
)
def test_a_relative_path_is_split_into_its_names(relative: str, names: tuple[str, ...]) -> None:
    assert parts(relative) == names


@pytest.mark.parametrize("relative", ["..", "a/../b", "a/..", "/a", ".", "a/./b"])
def test_what_could_leave_the_root_is_refused(relative: str) -> None:
    with pytest.raises(ValueError, match="not a path below the root"):
        parts(relative)


def test_a_directory_below_the_root_is_opened(root: Path, root_fd: int) -> None:
    with open_below(Disk(), root_fd, _DEEP) as fd:
        assert os.fstat(fd).st_ino == (root / _DEEP).stat().st_ino
    with open_below(Disk(), root_fd, "") as fd:
        assert os.fstat(fd).st_ino == root.stat().st_ino


@pytest.mark.parametrize("component", ["a", "a/b", "a/b/c"])
def test_a_link_in_any_component_is_an_error(root: Path, root_fd: int, component: str) -> None:
    outside = root.parent / "outside" / component
    (root / component).rename(root / "moved")
    (root / component).symlink_to(outside)
    for opened in (open_below(Disk(), root_fd, _DEEP), open_or_make(Disk(), root_fd, _DEEP + "/new", _make)):
        with pytest.raises(OSError) as caught, opened:
            pass
        assert caught.value.errno in (errno.ELOOP, errno.ENOTDIR)
    assert not (outside / "new").exists() and not (root.parent / "outside" / _DEEP / "new").exists()


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_a_directory_swapped_for_a_link_while_we_walk_is_an_error(root: Path, root_fd: int, name: str) -> None:
    victim = next(root.rglob(name))

    def swap() -> None:
        victim.rename(root / "moved")
        victim.symlink_to(root.parent / "outside" / "a")

    disk = _SwappingDisk(name, swap)
    with pytest.raises(OSError) as caught, open_below(disk, root_fd, _DEEP):
        pass
    assert caught.value.errno in (errno.ELOOP, errno.ENOTDIR)


def test_a_link_planted_where_a_directory_is_about_to_be_made_leads_nowhere(root: Path, root_fd: int) -> None:
    outside = root.parent / "outside"

    def plant(parent_fd: int, name: str) -> None:
        os.symlink(outside, name, dir_fd=parent_fd)
        os.mkdir(name, dir_fd=parent_fd)

    with pytest.raises(OSError) as caught, open_or_make(Disk(), root_fd, "a/new/below", plant):
        pass
    assert caught.value.errno in (errno.ELOOP, errno.ENOTDIR)
    assert sorted(path.name for path in outside.iterdir()) == ["a"]


def test_a_directory_moved_away_while_it_is_open_is_still_the_one_that_was_meant(root: Path, root_fd: int) -> None:
    with open_below(Disk(), root_fd, "a/b") as fd:
        (root / "a/b").rename(root.parent / "elsewhere")
        (root / "a/b").symlink_to(root.parent / "outside")
        _make(fd, "made")
    assert (root.parent / "elsewhere" / "made").is_dir()
    assert not (root.parent / "outside" / "made").exists()


def test_missing_directories_are_made_and_losing_that_race_is_fine(root: Path, root_fd: int) -> None:
    def make_second(parent_fd: int, name: str) -> None:
        _make(parent_fd, name)
        raise FileExistsError(errno.EEXIST, "somebody was first")

    with open_or_make(Disk(), root_fd, "a/x/y", make_second) as fd:
        assert os.fstat(fd).st_ino == (root / "a/x/y").stat().st_ino


def test_a_file_where_a_directory_is_needed_is_an_error(root: Path, root_fd: int) -> None:
    (root / "a/file").write_bytes(b"")
    for opened in (open_below(Disk(), root_fd, "a/file/x"), open_or_make(Disk(), root_fd, "a/file/x", _make)):
        with pytest.raises(NotADirectoryError), opened:
            pass


@pytest.mark.parametrize("relative", [_DEEP, "a/missing", "a/b/missing/c"])
def test_no_descriptor_stays_open_however_a_walk_ends(root_fd: int, relative: str) -> None:
    before = _open_descriptors()
    for _ in range(3):
        try:
            with open_below(Disk(), root_fd, relative):
                pass
        except FileNotFoundError:
            pass
    assert _open_descriptors() == before
