"""Intake end to end, on a real directory, with a clock that moves only when told."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bshm_watchd.config import HotFolderSettings, Limits
from bshm_watchd.disk.ops import Disk
from bshm_watchd.intake.complete import TAIL_BYTES
from bshm_watchd.intake.intake import Intake, Left, Looked, Offer
from bshm_watchd.intake.probe import Writer
from tests.support.clock import FakeClock
from tests.support.pictures import jpeg, png


class Folder:
    """A hot folder and its intake. A file's change time is the real one, so the wall clock starts there."""

    def __init__(self, path: Path, *, disk: Disk | None = None, network: bool = False, **options: object) -> None:
        self.drop = path / "drop"
        self.drop.mkdir(exist_ok=True)
        self.clock = FakeClock(wall=time.time())
        self.writer = Writer.FREE
        options.setdefault("stable_inodes", True)
        stable = bool(options.pop("stable_inodes"))
        limits = options.pop("limits", Limits())
        assert isinstance(limits, Limits)
        settings = HotFolderSettings.model_validate({"name": "portraits", "path": path, **options})
        self.intake = Intake(
            disk or Disk(), settings, limits, self.clock,
            network=network, stable_inodes=stable, probe=lambda fd: self.writer,
        )  # fmt: skip
        self.root_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)

    def put(self, name: str, content: bytes | None = None) -> Path:
        path = self.drop / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg() if content is None else content)
        return path

    def look(self, *hints: str | None, after: float = 0.0, scan: bool = True) -> Looked:
        self.clock.advance(after)
        return self.intake.look(self.root_fd, frozenset(hints), self.clock.monotonic(), scan=scan)

    def take(self, count: int = 1000) -> list[Offer]:
        return list(self.intake.take(self.root_fd, count, self.clock.monotonic()))

    def offered(self, after: float = 0.0) -> list[str]:
        self.look(after=after)
        return [offer.relative for offer in self.take()]

    def settle(self) -> list[Offer]:
        """Look, wait for as long as a still file needs, look again."""
        self.look()
        self.look(after=2)
        return self.take()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Folder]]:
    with contextlib.ExitStack() as stack:

        def made(**options: object) -> Folder:
            folder = Folder(tmp_path, **options)  # type: ignore[arg-type]
            stack.callback(os.close, folder.root_fd)
            return folder

        yield made


Make = Callable[..., Folder]


def test_a_dropped_photo_is_offered_once_it_has_settled_with_all_that_is_known_of_it(make: Make) -> None:
    folder = make()
    path = folder.put("sub/dir/été (1).JPG", jpeg(300, 200))
    assert folder.look().waiting == 1
    assert folder.take() == []
    looked = folder.look(after=2)
    assert (looked.ready, looked.waiting) == (1, 1)
    [offer] = folder.take()
    assert (offer.relative, offer.kind, offer.width, offer.height) == ("sub/dir/été (1).JPG", "jpeg", 300, 200)
    assert (offer.size, offer.stamp.inode, offer.rejection) == (path.stat().st_size, path.stat().st_ino, None)
    assert folder.take() == []
    folder.intake.taken(offer.relative, folder.clock.monotonic())
    path.unlink()
    looked = folder.look(after=9)
    assert (looked.waiting, looked.ready, looked.oldest_first_seen) == (0, 0, None)


def test_a_slow_copy_is_left_alone_until_it_is_over(make: Make) -> None:
    folder, whole = make(), jpeg(coded_bytes=5000)
    path = folder.drop / "a.jpg"
    for length in range(0, len(whole), 500):
        path.write_bytes(whole[:length])
        assert folder.offered(after=1.5) == []
    path.write_bytes(whole)
    assert folder.offered(after=1.5) == []
    assert folder.offered(after=2) == ["a.jpg"]


def test_a_copy_that_stalls_for_longer_than_it_takes_to_settle_is_not_offered(make: Make) -> None:
    folder, whole = make(), jpeg(coded_bytes=5000)
    path = folder.put("a.jpg", whole[:2500])
    folder.look()
    for _ in range(4):
        assert folder.offered(after=10) == []
    with path.open("ab") as file:
        file.write(whole[2500:])
    assert [folder.offered(after=10), folder.offered(after=2)] == [[], ["a.jpg"]]


def test_a_truncated_photo_is_rejected_a_minute_after_its_last_change(make: Make) -> None:
    folder = make()
    folder.put("a.jpg", jpeg()[:-20])
    folder.look()
    for _ in range(5):
        assert folder.offered(after=10) == []
    folder.look(after=11)
    [offer] = folder.take()
    assert offer.rejection is not None and offer.rejection.reason == "incomplete"
    assert "copy it here again" in offer.rejection.what_to_do


def test_a_photo_held_open_by_a_writer_is_not_offered(make: Make) -> None:
    folder = make()
    folder.put("a.jpg")
    folder.writer = Writer.BUSY
    folder.look()
    assert [folder.offered(after=20) for _ in range(5)] == [[]] * 5
    folder.writer = Writer.FREE
    assert folder.offered(after=20) == ["a.jpg"]


@pytest.mark.parametrize(("network", "writer", "seconds"), [(False, Writer.UNKNOWN, 5), (True, Writer.FREE, 10)])
def test_where_writers_are_unseen_it_takes_longer(make: Make, network: bool, writer: Writer, seconds: int) -> None:
    folder = make(network=network)
    folder.writer = writer
    folder.put("a.jpg")
    folder.look()
    assert [folder.offered(after=1) for _ in range(seconds)] == [[]] * (seconds - 1) + [["a.jpg"]]


def test_a_photo_replaced_while_it_settles_starts_again(make: Make) -> None:
    folder = make()
    folder.put("a.jpg")
    folder.look()
    folder.put("new.part", jpeg(10, 10)).rename(folder.drop / "a.jpg")
    assert folder.offered(after=2) == []
    folder.look(after=2)
    assert [offer.width for offer in folder.take()] == [10]


def test_a_photo_changed_after_it_settled_is_not_offered_as_it_was(make: Make) -> None:
    folder = make()
    path = folder.put("a.jpg")
    folder.look()
    assert folder.look(after=2).ready == 1
    path.write_bytes(jpeg(10, 10, coded_bytes=501))
    assert folder.take() == []
    assert folder.offered() == []
    assert folder.offered(after=2) == ["a.jpg"]


def test_a_photo_changed_while_it_is_inspected_is_not_offered(make: Make, tmp_path: Path) -> None:
    class Racing(Disk):
        def read_at(self, fd: int, length_bytes: int, offset: int) -> bytes:
            found = super().read_at(fd, length_bytes, offset)
            (tmp_path / "drop" / "a.jpg").write_bytes(jpeg(coded_bytes=900))
            return found

    folder = make(disk=Racing())
    folder.put("a.jpg")
    assert folder.settle() == []


def test_a_part_file_renamed_to_its_name_is_taken(make: Make) -> None:
    folder = make()
    part = folder.put("a.jpg.part")
    assert folder.look().waiting == 0
    part.rename(folder.drop / "a.jpg")
    folder.look("a.jpg", scan=False)
    assert folder.offered(after=2) == ["a.jpg"]


def test_a_folder_of_fifty_moved_in_is_taken_in_natural_order(make: Make, tmp_path: Path) -> None:
    folder = make()
    (tmp_path / "shoot").mkdir()
    for number in range(50):
        (tmp_path / "shoot" / f"img{number}.jpg").write_bytes(jpeg())
    (tmp_path / "shoot").rename(folder.drop / "shoot")
    assert folder.look("shoot", scan=False).scanned
    assert folder.offered(after=2) == [f"shoot/img{number}.jpg" for number in range(50)]


def test_a_photo_deleted_while_it_settles_is_forgotten(make: Make) -> None:
    folder = make()
    path = folder.put("a.jpg")
    folder.look()
    path.unlink()
    assert folder.look(after=2).waiting == 0
    assert folder.take() == []


def test_a_photo_deleted_after_it_settled_is_forgotten(make: Make) -> None:
    folder = make()
    path = folder.put("a.jpg")
    folder.look()
    folder.look(after=2)
    path.unlink()
    assert folder.take() == []
    assert folder.look(after=2).waiting == 0


def test_a_settled_photo_that_a_scan_misses_is_forgotten_without_being_taken(make: Make) -> None:
    folder = make()
    path = folder.put("a.jpg")
    folder.look()
    folder.look(after=2)
    path.unlink()
    looked = folder.look(after=2)
    assert (looked.waiting, looked.ready) == (0, 0)


def test_an_empty_file_is_left_and_told_once_and_taken_when_it_is_filled(make: Make) -> None:
    folder = make()
    path = folder.put("a.jpg", b"")
    folder.look()
    assert folder.look(after=2).left_news == (("a.jpg", Left.EMPTY),)
    looked = folder.look(after=500)
    assert (looked.left_news, looked.left, looked.waiting, folder.take()) == ((), 1, 1, [])
    path.write_bytes(jpeg())
    folder.look(after=10)
    assert folder.look(after=2).left == 0
    assert [offer.relative for offer in folder.take()] == ["a.jpg"]


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


def test_names_of_any_bytes_are_offered(make: Make) -> None:
    folder = make()
    fd = os.open(os.fsencode(folder.drop) + b"/caf\xe9 \n.jpg", os.O_CREAT | os.O_WRONLY)
    os.write(fd, jpeg())
    os.close(fd)
    assert [offer.relative for offer in folder.settle()] == ["caf\udce9 \n.jpg"]


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


def test_a_file_swapped_for_a_link_is_not_followed(make: Make, tmp_path: Path) -> None:
    folder = make()
    path = folder.put("a.jpg")
    (tmp_path / "secret.jpg").write_bytes(jpeg())
    folder.look()
    folder.look(after=2)
    path.unlink()
    path.symlink_to(tmp_path / "secret.jpg")
    assert folder.take() == []


def test_what_is_no_photo_inside_is_rejected_at_its_first_settle(make: Make) -> None:
    folder = make()
    folder.put("a.jpg", b"RIFF\x24\0\0\0WEBPVP8 ")
    folder.put("b.png", jpeg())
    found = {offer.relative: offer.rejection and offer.rejection.reason for offer in folder.settle()}
    assert found == {"a.jpg": "not_a_photo", "b.png": None}


@pytest.mark.parametrize(
    ("limits", "content"),
    [(Limits(max_pixels=100), png(20, 20)), (Limits(max_file_mib=1), jpeg(coded_bytes=(1 << 20) + 1))],
)
def test_what_is_beyond_the_limits_is_rejected_as_too_large(make: Make, limits: Limits, content: bytes) -> None:
    folder = make(limits=limits)
    folder.put("a.png", content)
    [offer] = folder.settle()
    assert offer.rejection is not None and offer.rejection.reason == "too_large"


def test_other_files_are_left_counted_and_told_once_a_directory(make: Make) -> None:
    folder = make()
    for name in ("a.cr3", "b.xmp", "sub/c.heic"):
        folder.put(name, b"raw")
    looked = folder.look()
    assert (looked.other_files, looked.waiting, dict(looked.other_news)) == (3, 0, {"": 2, "sub": 1})
    folder.put("d.cr3", b"raw")
    looked = folder.look(after=5)
    assert (looked.other_files, looked.other_news) == (4, ())


def test_other_files_are_rejected_where_that_is_configured(make: Make) -> None:
    folder = make(other_files="reject")
    folder.put("a.cr3", b"raw")
    folder.put("b.part", b"half")
    folder.look("a.cr3")
    folder.look(after=2)
    [offer] = folder.take()
    assert offer.rejection is not None
    assert (offer.relative, offer.rejection.reason) == ("a.cr3", "not_a_photo_kind")


def test_zeros_after_the_end_of_a_photo_cost_ten_seconds_once(make: Make) -> None:
    folder = make()
    folder.put("a.jpg", jpeg() + bytes(TAIL_BYTES))
    assert folder.settle() == []
    assert [folder.offered(after=7), folder.offered(after=1)] == [[], ["a.jpg"]]


def test_a_hint_for_a_new_name_needs_no_scan(make: Make) -> None:
    folder = make()
    folder.look()
    folder.put("a.jpg")
    looked = folder.look("a.jpg", after=5, scan=False)
    assert (looked.scanned, looked.waiting) == (False, 1)
    assert looked.next_due == folder.clock.monotonic() + 2


def test_hints_that_never_came_are_made_up_for_by_the_scan(make: Make) -> None:
    folder = make()
    folder.look()
    folder.put("a.jpg")
    assert folder.look(after=5, scan=False).waiting == 0
    assert folder.look(scan=True).waiting == 1


def test_scans_start_a_second_apart_and_an_early_one_is_made_up_for(make: Make) -> None:
    folder = make()
    assert folder.look(None, scan=False).scanned
    folder.put("a.jpg")
    looked = folder.look(None, after=0.4, scan=False)
    assert (looked.scanned, looked.next_due) == (False, pytest.approx(folder.clock.monotonic() + 0.6))
    assert folder.look(after=0.6, scan=False).scanned
    assert folder.look(after=5, scan=False).scanned is False


def test_a_photo_put_back_settles_again_and_keeps_its_place(make: Make) -> None:
    folder = make()
    folder.put("a.jpg")
    folder.look()
    folder.put("b.jpg")
    folder.look("b.jpg", after=0.1)
    folder.look(after=2.1)
    offers = [offer.relative for offer in folder.take()]
    assert offers == ["a.jpg", "b.jpg"]
    for name in reversed(offers):
        folder.intake.put_back(name, folder.clock.monotonic())
    assert folder.offered() == []
    assert folder.offered(after=2) == ["a.jpg", "b.jpg"]


def test_a_photo_dropped_under_a_name_just_claimed_is_seen_at_once(make: Make) -> None:
    folder = make()
    path = folder.put("a.jpg")
    [offer] = folder.settle()
    path.unlink()
    folder.put("a.jpg")
    folder.look("a.jpg", scan=False)
    folder.intake.taken(offer.relative, folder.clock.monotonic())
    folder.look(scan=False)
    folder.look(after=2, scan=False)
    assert [again.relative for again in folder.take()] == ["a.jpg"]


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
    with pytest.raises(OSError, match="Input/output"):
        folder.look(after=2)
    disk.name = ""
    folder.look(after=2)
    folder.look(after=2)
    assert sorted(offer.relative for offer in folder.take()) == ["b.jpg", "c.jpg"]


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


def test_only_renamed_files_are_taken_where_that_is_configured(make: Make) -> None:
    folder = make(ready="rename")
    slow = folder.put("slow.jpg", b"\xff\xd8")
    part = folder.put("fast.jpg.part")
    os.utime(part, (1, 1))
    part.rename(folder.drop / "fast.jpg")
    folder.look()
    slow.write_bytes(jpeg())
    assert folder.offered(after=2) == ["fast.jpg"]
    folder.intake.taken("fast.jpg", folder.clock.monotonic())
    (folder.drop / "fast.jpg").unlink()
    looked = folder.look(after=70)
    assert looked.left_news == (("slow.jpg", Left.WRITTEN_IN_PLACE),)
    assert folder.offered(after=70) == []
    slow.rename(folder.drop / "renamed.jpg")
    os.utime(folder.drop / "renamed.jpg", (1, 1))
    folder.look(after=2)
    assert folder.offered(after=2) == ["renamed.jpg"]


def test_new_photos_get_through_beside_a_crowd_that_never_settles(make: Make) -> None:
    folder = make()
    for number in range(300):
        folder.put(f"empty{number}.jpg", b"")
        folder.put(f"raw{number}.cr3", b"")
    folder.look()
    late = []
    for number in range(100):
        folder.put(f"{number}.jpg")
        folder.look(f"{number}.jpg", "empty1.jpg", after=0.15, scan=number % 10 == 0)
        for offer in folder.take():
            late.append((number - int(offer.relative[:-4])) * 0.15)
            folder.intake.taken(offer.relative, folder.clock.monotonic())
            (folder.drop / offer.relative).unlink()
    assert len(late) > 80
    assert max(late) < 2.4


def test_twenty_thousand_photos_are_seen_and_settled_quickly(make: Make) -> None:
    folder = make()
    source, drop_fd = folder.put("0.jpg"), os.open(folder.drop, os.O_RDONLY)
    content = source.read_bytes()
    for number in range(1, 20_000):
        fd = os.open(f"{number}.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=drop_fd)
        os.write(fd, content)
        os.close(fd)
    os.close(drop_fd)
    begun = time.perf_counter()
    assert folder.look().waiting == 20_000
    assert folder.look(after=2).ready == 20_000
    assert [offer.relative for offer in folder.take(3)] == ["0.jpg", "1.jpg", "2.jpg"]
    seconds = time.perf_counter() - begun
    print(f"20,000 photos scanned, observed twice, probed: {seconds:.2f} s")
    assert seconds < 10
