from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bshm_watchd.disk.ops import Disk
from bshm_watchd.errors import place_error
from bshm_watchd.intake.scan import Scan, scan
from tests.support.trees import as_ordinary_user


def scanned(drop: Path, known: set[str] | None = None, *, others_too: bool = False) -> Scan:
    fd = os.open(drop, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return scan(Disk(), fd, known or set(), others_too=others_too)
    finally:
        os.close(fd)


def touch(drop: Path, *names: str) -> None:
    for name in names:
        (drop / name).parent.mkdir(parents=True, exist_ok=True)
        (drop / name).touch()


def test_photos_are_found_in_every_directory_and_the_rest_is_counted_by_directory(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "x.cr3", "sub/b.PNG", "sub/deep/c.jpeg", "sub/n.txt", "sub/m.txt")
    found = scanned(tmp_path)
    assert found.photos == {"a.jpg", "sub/b.PNG", "sub/deep/c.jpeg"}
    assert found.others == {"": 1, "sub": 2}
    assert found.unreadable == []


@pytest.mark.contract("I6")
def test_ignored_names_are_neither_found_nor_counted(tmp_path: Path) -> None:
    touch(tmp_path, ".a.jpg", "a.jpg.part", "@eaDir/a.jpg", ".hidden/a.jpg", "Thumbs.db")
    assert scanned(tmp_path) == Scan()


@pytest.mark.contract("P10")
def test_links_and_devices_are_never_photos(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    touch(outside, "a.jpg")
    drop = tmp_path / "drop"
    drop.mkdir()
    (drop / "link.jpg").symlink_to(outside / "a.jpg")
    (drop / "directory").symlink_to(outside)
    os.mkfifo(drop / "fifo.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(drop / "socket.jpg"))
        found = scanned(drop)
    assert (found.photos, found.others) == (set(), {"": 4})


@pytest.mark.contract("P9")
def test_names_of_any_bytes_are_found(tmp_path: Path) -> None:
    os.close(os.open(os.fsencode(tmp_path) + b"/caf\xe9.jpg", os.O_CREAT))
    assert scanned(tmp_path).photos == {"caf\udce9.jpg"}


def test_a_directory_named_like_a_photo_is_walked(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg/b.jpg")
    assert scanned(tmp_path).photos == {"a.jpg/b.jpg"}


def test_other_files_are_photos_to_be_where_they_are_to_be_rejected(tmp_path: Path) -> None:
    touch(tmp_path, "a.cr3", "b.tmp")
    (tmp_path / "link.cr3").symlink_to("a.cr3")
    found = scanned(tmp_path, others_too=True)
    assert (found.photos, found.others) == ({"a.cr3"}, {"": 1})


def test_a_tree_too_deep_is_reported_and_ends(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(80):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    assert [path.count("/") for path in scanned(tmp_path).unreadable] == [64]


class Forbidding(Disk):
    def open_directory(self, dir_fd: int, name: str) -> int:
        if name == "secret":
            raise PermissionError(13, "Permission denied", name)
        if name == "gone":
            raise FileNotFoundError(2, "No such file", name)
        if name == "broken":
            raise OSError(5, "Input/output error", name)
        return super().open_directory(dir_fd, name)


@pytest.mark.contract("P5")
def test_an_unreadable_directory_is_reported_and_the_others_are_scanned(tmp_path: Path) -> None:
    touch(tmp_path, "secret/a.jpg", "gone/b.jpg", "open/c.jpg")
    with_fd = os.open(tmp_path, os.O_RDONLY)
    found = scan(Forbidding(), with_fd, set())
    os.close(with_fd)
    assert (found.photos, found.unreadable) == ({"open/c.jpg"}, ["secret"])


def test_a_broken_disk_is_not_an_empty_folder(tmp_path: Path) -> None:
    touch(tmp_path, "broken/a.jpg", "b.jpg")
    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(OSError, match="Input/output"):
        scan(Forbidding(), fd, set())
    os.close(fd)


def test_a_drop_that_may_not_be_listed_is_not_an_empty_one(tmp_path: Path) -> None:
    class Closed(Disk):
        def entries(self, dir_fd: int) -> Iterator[os.DirEntry[str]]:
            raise PermissionError(13, "Permission denied")

    fd = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(PermissionError):
        scan(Closed(), fd, set())
    os.close(fd)


class NamesOnly(Disk):
    """A stat for each of 100,000 names would cost a scan many times what reading the names does."""

    def lstat(self, dir_fd: int, name: str) -> os.stat_result:
        if name == ".":
            return super().lstat(dir_fd, name)
        raise AssertionError(f"{name} was looked at, not only listed")


@pytest.mark.contract("I5")
def test_a_hundred_thousand_known_names_are_scanned_without_looking_at_one(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    names = {f"IMG_{number:06}.jpg" for number in range(100_000)}
    for name in names:
        os.mknod(name, 0o600, dir_fd=fd)
    begun = time.perf_counter()
    found = scan(NamesOnly(), fd, names)
    print(f"scan of 100,000 known names: {time.perf_counter() - begun:.3f} s")
    os.close(fd)
    assert found.photos == names


@pytest.mark.contract("P5")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user's rights, which only root can take on")
def test_what_may_be_listed_but_not_searched_is_told_of_itself_and_not_of_each_file_in_it(fast_path: Path) -> None:
    touch(fast_path, "a.jpg", "sub/b.jpg")
    fast_path.chmod(0o755)
    (fast_path / "sub").chmod(0o744)

    def work() -> str:
        try:
            found = scanned(fast_path)
        except PermissionError as error:
            return f"{error.filename}"
        return f"{found.photos} {found.unreadable}"

    assert as_ordinary_user(work) == "{'a.jpg'} ['sub']"
    fast_path.chmod(0o744)
    assert as_ordinary_user(work) == "."


@pytest.mark.contract("D6")
def test_a_listing_that_fails_can_be_sorted_like_any_other_error(tmp_path: Path) -> None:
    """Python gives the descriptor's number for a file name: a share that died while it was listed ended the program."""
    touch(tmp_path, "a.jpg")
    fd = os.open(tmp_path / "a.jpg", os.O_RDONLY)
    with pytest.raises(NotADirectoryError) as caught:
        list(Disk().entries(fd))
    os.close(fd)
    assert str(place_error(caught.value)).startswith("the hot folder: Not a directory")
