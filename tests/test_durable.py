"""The compound writes: each is durable when it returns, or did not happen."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.disk.durable import create_record, give_name, move_original, read_record, write_record
from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.permissions import Rule
from tests.support.disks import Died, DyingDisk, ErringDisk
from tests.support.trees import TellingDisk, mode_of


class _NoNoReplace(Disk):
    """A file system whose rename can't refuse to replace, as NFS."""

    def __init__(self, code: int = errno.EINVAL) -> None:
        self._code = code

    def rename(self, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
        raise OSError(self._code, os.strerror(self._code))


_DISKS = pytest.mark.parametrize(
    "disk", [Disk(), _NoNoReplace(), _NoNoReplace(errno.ENOTSUP)], ids=["local", "as NFS", "as some FUSE"]
)


@pytest.fixture
def dir_fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def _names(path: Path) -> list[str]:
    return sorted(found.name for found in path.iterdir())


@_DISKS
def test_a_temporary_gets_its_name(tmp_path: Path, dir_fd: int, disk: Disk) -> None:
    (tmp_path / "t").write_bytes(b"whole")
    give_name(disk, dir_fd, "t", "a.png")
    assert _names(tmp_path) == ["a.png"]
    assert (tmp_path / "a.png").stat().st_nlink == 1


@pytest.mark.contract("P2", "P9")
@_DISKS
@pytest.mark.parametrize("taken", ["file", "link", "directory"])
def test_a_taken_name_is_never_replaced(tmp_path: Path, dir_fd: int, disk: Disk, taken: str) -> None:
    (tmp_path / "t").write_bytes(b"whole")
    make: dict[str, Callable[[Path], Any]] = {
        "file": lambda path: path.write_bytes(b"theirs"),
        "link": lambda path: path.symlink_to("nowhere"),
        "directory": Path.mkdir,
    }
    make[taken](tmp_path / "a.png")
    before = (tmp_path / "a.png").lstat()
    with pytest.raises(FileExistsError):
        give_name(disk, dir_fd, "t", "a.png")
    with pytest.raises(FileExistsError):
        move_original(disk, dir_fd, "t", dir_fd, "a.png")
    assert (tmp_path / "t").read_bytes() == b"whole"
    assert (tmp_path / "a.png").lstat() == before


def test_a_name_that_is_the_temporary_itself_was_given_by_an_earlier_try(tmp_path: Path, dir_fd: int) -> None:
    """The program died between link and unlink."""
    (tmp_path / "t").write_bytes(b"whole")
    (tmp_path / "a.png").hardlink_to(tmp_path / "t")
    give_name(_NoNoReplace(), dir_fd, "t", "a.png")
    assert _names(tmp_path) == ["a.png"]


@pytest.mark.contract("P8")
@_DISKS
def test_an_original_is_moved_as_it_is(tmp_path: Path, dir_fd: int, disk: Disk) -> None:
    original = tmp_path / "a.png"
    original.write_bytes(b"original")
    original.chmod(0o604)
    os.utime(original, ns=(1, 2))
    inode = original.stat().st_ino
    move_original(disk, dir_fd, "a.png", dir_fd, "b.png")
    moved = (tmp_path / "b.png").stat()
    assert _names(tmp_path) == ["b.png"]
    assert (moved.st_ino, moved.st_mode & 0o777, moved.st_mtime_ns, moved.st_nlink) == (inode, 0o604, 2, 1)


@pytest.mark.contract("P9")
def test_a_reservation_left_by_a_crash_is_taken_over(tmp_path: Path, dir_fd: int) -> None:
    (tmp_path / "a.png").write_bytes(b"original")
    os.close(os.open(tmp_path / "b.png", os.O_CREAT | os.O_EXCL, 0o000))
    move_original(_NoNoReplace(), dir_fd, "a.png", dir_fd, "b.png")
    assert (tmp_path / "b.png").read_bytes() == b"original"


@pytest.mark.contract("P2", "P9")
@pytest.mark.parametrize(("content", "mode"), [(b"", 0o644), (b"x", 0o000)], ids=["empty", "unreadable"])
def test_somebodys_file_is_no_reservation(tmp_path: Path, dir_fd: int, content: bytes, mode: int) -> None:
    (tmp_path / "a.png").write_bytes(b"original")
    (tmp_path / "b.png").write_bytes(content)
    (tmp_path / "b.png").chmod(mode)
    with pytest.raises(FileExistsError):
        move_original(_NoNoReplace(), dir_fd, "a.png", dir_fd, "b.png")
    assert (tmp_path / "a.png").read_bytes() == b"original"
    assert (tmp_path / "b.png").stat().st_size == len(content)


@pytest.mark.contract("P9")
def test_nothing_is_reserved_for_an_original_that_is_gone(tmp_path: Path, dir_fd: int) -> None:
    with pytest.raises(FileNotFoundError):
        move_original(_NoNoReplace(), dir_fd, "gone.png", dir_fd, "b.png")
    assert _names(tmp_path) == []


@pytest.mark.contract("D4")
def test_a_record_is_the_old_or_the_new_whenever_the_program_dies(tmp_path: Path, dir_fd: int) -> None:
    for at in range(100):
        write_record(Disk(), dir_fd, "r", b"old" * 100)
        try:
            write_record(DyingDisk(at), dir_fd, "r", b"new" * 100)
        except Died:
            assert read_record(Disk(), dir_fd, "r") in (b"old" * 100, b"new" * 100)
        else:
            assert at >= 5
            break
    assert _names(tmp_path) == ["r"]


@pytest.mark.contract("D4")
def test_a_new_record_is_whole_or_missing_whenever_the_program_dies(tmp_path: Path, dir_fd: int) -> None:
    for at in range(100):
        (tmp_path / "r").unlink(missing_ok=True)
        try:
            create_record(DyingDisk(at), dir_fd, "r", b"new" * 100, ".r.tmp")
        except Died:
            assert not (tmp_path / "r").exists() or (tmp_path / "r").read_bytes() == b"new" * 100
        else:
            assert at >= 4
            break
    assert _names(tmp_path) == ["r"]


@pytest.mark.contract("D2")
def test_a_record_is_synced_before_it_gets_its_name(dir_fd: int) -> None:
    """Else a power cut leaves a name without bytes."""
    done: list[str] = []
    write_record(TellingDisk(lambda change, _: done.append(change)), dir_fd, "r", b"new")
    assert done == ["create", "write", "fsync", "replace", "fsync"]
    done.clear()
    create_record(TellingDisk(lambda change, _: done.append(change)), dir_fd, "s", b"new", ".s.tmp")
    assert done == ["create", "write", "fsync", "rename", "fsync"]


@pytest.mark.contract("D2")
def test_after_an_error_a_record_is_written_to_a_new_file(tmp_path: Path, dir_fd: int) -> None:
    """What a failed fsync left is never made the record by a second try."""
    write_record(Disk(), dir_fd, "r", b"old")
    with pytest.raises(OSError, match="Input/output error"):
        write_record(ErringDisk(2, errno.EIO), dir_fd, "r", b"new")
    spoilt = (tmp_path / ".r.tmp").stat().st_ino
    kept = os.open(tmp_path / ".r.tmp", os.O_RDONLY)  # its inode number is not given again meanwhile
    write_record(Disk(), dir_fd, "r", b"new")
    os.close(kept)
    assert (tmp_path / "r").stat().st_ino != spoilt
    assert _names(tmp_path) == ["r"]


def test_a_record_that_exists_is_left_alone_by_whoever_comes_second(tmp_path: Path, dir_fd: int) -> None:
    create_record(Disk(), dir_fd, "r", b"first", ".r.tmp")
    with pytest.raises(FileExistsError):
        create_record(Disk(), dir_fd, "r", b"second", ".r.tmp")
    assert (tmp_path / "r").read_bytes() == b"first"
    assert _names(tmp_path) == ["r"]


def test_a_record_is_private_unless_a_rule_says_otherwise(tmp_path: Path, dir_fd: int) -> None:
    create_record(Disk(), dir_fd, "private", b"", ".t")
    create_record(Disk(), dir_fd, "shared", b"", ".t", Rule(0o664, None, 0o600))
    assert (mode_of(tmp_path / "private"), mode_of(tmp_path / "shared")) == (0o600, 0o664)


@pytest.mark.contract("P6", "P10")
def test_a_link_is_not_read_as_a_record_and_a_huge_one_not_whole(tmp_path: Path, dir_fd: int) -> None:
    (tmp_path / "r").write_bytes(b"x" * 100)
    (tmp_path / "l").symlink_to("r")
    with pytest.raises(OSError, match="symbolic links"):
        read_record(Disk(), dir_fd, "l")
    assert read_record(Disk(), dir_fd, "r", limit_bytes=10) == b"x" * 10
