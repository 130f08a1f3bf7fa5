"""What is dropped and is no plain whole photo, and disks that fail, seen by the intake."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bshm_watchd.config import Limits
from bshm_watchd.disk.ops import Disk
from bshm_watchd.intake.complete import TAIL_BYTES
from bshm_watchd.intake.left import Left
from tests.support.dropping import Make, folders_at
from tests.support.pictures import jpeg, png


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with folders_at(tmp_path) as made:
        yield made


@pytest.mark.contract("P10")
def test_a_photo_delivered_by_a_link_is_taken_when_the_other_name_is_gone(make: Make, tmp_path: Path) -> None:
    folder = make()
    source = tmp_path / "upload"
    source.write_bytes(jpeg())
    (folder.drop / "a.jpg").hardlink_to(source)
    folder.look()
    assert folder.look(after=2).left_news == (("a.jpg", Left.HARD_LINKED),)
    assert [folder.offered(after=100) for _ in range(3)] == [[]] * 3
    source.unlink()
    assert [folder.offered(after=10), folder.offered(after=2)] == [[], ["a.jpg"]]


@pytest.mark.contract("P9")
def test_names_of_any_bytes_are_offered(make: Make) -> None:
    folder = make()
    fd = os.open(os.fsencode(folder.drop) + b"/caf\xe9 \n.jpg", os.O_CREAT | os.O_WRONLY)
    os.write(fd, jpeg())
    os.close(fd)
    assert [offer.relative for offer in folder.settle()] == ["caf\udce9 \n.jpg"]


@pytest.mark.contract("P6", "P10")
def test_links_and_fifos_are_not_touched_whatever_is_hinted(make: Make, tmp_path: Path) -> None:
    folder = make()
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "b.jpg").write_bytes(jpeg())
    (folder.drop / "a.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder.drop / "sub").symlink_to(tmp_path / "outside")
    os.mkfifo(folder.drop / "c.jpg")
    hints = ("a.jpg", "sub/b.jpg", "c.jpg", "../secret.jpg", str(tmp_path / "secret.jpg"))
    looked = folder.look(*hints)
    assert (looked.waiting, looked.other_files) == (0, 3)
    assert folder.offered(after=2) == []


@pytest.mark.contract("P6")
def test_a_file_swapped_for_a_link_is_not_followed(make: Make, tmp_path: Path) -> None:
    folder = make()
    path = folder.put("a.jpg")
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    folder.look()
    folder.look(after=2)
    path.unlink()
    path.symlink_to(tmp_path / "secret.jpg")
    assert folder.take() == []


@pytest.mark.contract("I6")
def test_what_is_no_photo_inside_is_rejected_at_its_first_settle(make: Make) -> None:
    folder = make()
    folder.put("a.jpg", b"RIFF\x24\0\0\0WAVEfmt ")
    folder.put("b.png", jpeg())
    found = {offer.relative: offer.rejection and offer.rejection.reason for offer in folder.settle()}
    assert found == {"a.jpg": "not_a_photo", "b.png": None}


@pytest.mark.contract("L3")
@pytest.mark.parametrize(
    ("limits", "content"),
    [(Limits(max_pixels=100), png(20, 20)), (Limits(max_file_mib=1), jpeg(coded_bytes=(1 << 20) + 1))],
)
def test_what_is_beyond_the_limits_is_rejected_as_too_large(make: Make, limits: Limits, content: bytes) -> None:
    folder = make(limits=limits)
    folder.put("a.png", content)
    [offer] = folder.settle()
    assert offer.rejection is not None and offer.rejection.reason == "too_large"


@pytest.mark.contract("I6")
def test_other_files_are_left_counted_and_told_once_a_directory(make: Make) -> None:
    folder = make()
    for name in ("a.cr3", "b.xmp", "sub/c.heic"):
        folder.put(name, b"raw")
    looked = folder.look()
    assert (looked.other_files, looked.waiting, dict(looked.other_news)) == (3, 0, {"": 2, "sub": 1})
    folder.put("d.cr3", b"raw")
    looked = folder.look(after=5)
    assert (looked.other_files, looked.other_news) == (4, ())


@pytest.mark.contract("I6")
def test_other_files_are_rejected_where_that_is_configured(make: Make) -> None:
    folder = make(other_files="reject")
    folder.put("a.cr3", b"raw")
    folder.put("b.part", b"half")
    folder.look("a.cr3")
    folder.look(after=2)
    [offer] = folder.take()
    assert offer.rejection is not None
    assert (offer.relative, offer.rejection.reason) == ("a.cr3", "not_a_photo_kind")


@pytest.mark.contract("I2")
def test_zeros_after_the_end_of_a_photo_cost_ten_seconds_once(make: Make) -> None:
    folder = make()
    folder.put("a.jpg", jpeg() + bytes(TAIL_BYTES))
    assert folder.settle() == []
    assert [folder.offered(after=7), folder.offered(after=1)] == [[], ["a.jpg"]]


def test_a_root_that_cannot_be_listed_is_never_an_empty_folder(make: Make) -> None:
    folder = make()
    folder.drop.rmdir()
    with pytest.raises(FileNotFoundError):
        folder.look()
    with pytest.raises(FileNotFoundError):
        folder.take()


class Failing(Disk):
    """Fails on what it is told to, with the errno it is told."""

    def __init__(self) -> None:
        self.name = ""
        self.errno = 0

    def lstat(self, dir_fd: int, name: str) -> os.stat_result:
        self._fail(name)
        return super().lstat(dir_fd, name)

    def open_file(self, dir_fd: int, name: str) -> int:
        self._fail(f"open {name}")
        return super().open_file(dir_fd, name)

    def _fail(self, name: str) -> None:
        if name == self.name:
            raise OSError(self.errno, os.strerror(self.errno), name)


def test_a_disk_that_fails_for_a_while_costs_no_photo(make: Make) -> None:
    disk = Failing()
    folder = make(disk=disk)
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        folder.put(name)
    disk.name, disk.errno = "b.jpg", 5
    with pytest.raises(OSError, match="Input/output"):
        folder.look()
    disk.name = ""
    folder.look(after=2)
    folder.look(after=2)
    disk.name = "open b.jpg"
    assert [offer.relative for offer in folder.take()] == ["a.jpg"]
    folder.look(after=2)
    with pytest.raises(OSError, match="Input/output"):
        folder.look(after=2)
    assert [offer.relative for offer in folder.take()] == ["c.jpg"]
    disk.name = ""
    folder.look(after=2)
    assert [offer.relative for offer in folder.take()] == ["b.jpg"]


@pytest.mark.contract("P5")
def test_a_file_we_may_not_read_is_left_and_told_and_taken_later(make: Make) -> None:
    disk = Failing()
    folder = make(disk=disk)
    folder.put("a.jpg")
    disk.name, disk.errno = "open a.jpg", 13
    folder.look()
    assert folder.look(after=2).left_news == (("a.jpg", Left.UNREADABLE),)
    assert folder.offered(after=50) == []
    disk.name = ""
    assert folder.offered(after=10) == ["a.jpg"]


def test_a_file_a_remote_client_has_to_itself_waits(make: Make) -> None:
    disk = Failing()
    folder = make(disk=disk)
    folder.put("a.jpg")
    disk.name, disk.errno = "open a.jpg", 16
    folder.look()
    assert [folder.offered(after=3) for _ in range(4)] == [[]] * 4
    disk.name = ""
    folder.look(after=3)
    assert folder.offered(after=3) == ["a.jpg"]


class Renumbering(Disk):
    """Gives other inode numbers each time, as CIFS without serverino does."""

    count = 0

    def lstat(self, dir_fd: int, name: str) -> os.stat_result:
        self.count += 1
        found = super().lstat(dir_fd, name)
        values, exact = list(found), {name: getattr(found, name) for name in ("st_mtime_ns", "st_ctime_ns")}
        values[1] = self.count
        return os.stat_result(values, exact)


def test_where_inode_numbers_are_made_up_they_are_not_looked_at(make: Make) -> None:
    folder = make(disk=Renumbering(), stable_inodes=False)
    folder.put("a.jpg")
    assert [offer.relative for offer in folder.settle()] == ["a.jpg"]
