"""From a dropped photo to its offer, on a real directory, with a clock that moves only when told."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.probe import Writer
from bshm_watchd.intake.left import Left
from tests.support.calls import calls_of
from tests.support.dropping import Make, folders_at
from tests.support.pictures import jpeg


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    with folders_at(tmp_path) as made:
        yield made


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


@pytest.mark.contract("I2")
def test_a_slow_copy_is_left_alone_until_it_is_over(make: Make) -> None:
    folder, whole = make(), jpeg(coded_bytes=5000)
    path = folder.drop / "a.jpg"
    for length in range(0, len(whole), 500):
        path.write_bytes(whole[:length])
        assert folder.offered(after=1.5) == []
    path.write_bytes(whole)
    assert folder.offered(after=2) == []
    assert folder.offered(after=2) == ["a.jpg"]


@pytest.mark.contract("I2")
def test_a_copy_that_stalls_for_longer_than_it_takes_to_settle_is_not_offered(make: Make) -> None:
    folder, whole = make(), jpeg(coded_bytes=5000)
    path = folder.put("a.jpg", whole[:2500])
    folder.look()
    for _ in range(4):
        assert folder.offered(after=10) == []
    with path.open("ab") as file:
        file.write(whole[2500:])
    assert [folder.offered(after=10), folder.offered(after=2)] == [[], ["a.jpg"]]


@pytest.mark.contract("I2")
def test_a_truncated_photo_is_rejected_a_minute_after_its_last_change(make: Make) -> None:
    folder = make()
    folder.put("a.jpg", jpeg()[:-20])
    folder.look()
    for _ in range(5):
        assert folder.offered(after=10) == []
    folder.look(after=11)
    [offer] = folder.take()
    assert offer.rejection is not None and offer.rejection.reason == "incomplete"
    assert "copy it again" in offer.rejection.what_to_do


@pytest.mark.contract("I2")
def test_a_photo_held_open_by_a_writer_is_not_offered(make: Make) -> None:
    folder = make()
    folder.put("a.jpg")
    folder.writer = Writer.BUSY
    folder.look()
    assert [folder.offered(after=20) for _ in range(5)] == [[]] * 5
    folder.writer = Writer.FREE
    assert folder.offered(after=20) == ["a.jpg"]


@pytest.mark.contract("I2")
@pytest.mark.parametrize(("network", "writer", "seconds"), [(False, Writer.UNKNOWN, 5), (True, Writer.FREE, 10)])
def test_where_writers_are_unseen_it_takes_longer(make: Make, network: bool, writer: Writer, seconds: int) -> None:
    folder = make(network=network)
    folder.writer = writer
    folder.put("a.jpg")
    folder.look()
    assert [folder.offered(after=1) for _ in range(seconds)] == [[]] * (seconds - 1) + [["a.jpg"]]


@pytest.mark.contract("I2")
def test_a_photo_replaced_while_it_settles_starts_again(make: Make) -> None:
    folder = make()
    folder.put("a.jpg")
    folder.look()
    folder.put("new.part", jpeg(10, 10)).rename(folder.drop / "a.jpg")
    assert folder.offered(after=2) == []
    folder.look(after=2)
    assert [offer.width for offer in folder.take()] == [10]


@pytest.mark.contract("I2")
def test_a_photo_changed_after_it_settled_is_not_offered_as_it_was(make: Make) -> None:
    folder = make()
    path = folder.put("a.jpg")
    folder.look()
    assert folder.look(after=2).ready == 1
    path.write_bytes(jpeg(10, 10, coded_bytes=501))
    assert folder.take() == []
    assert folder.offered() == []
    assert folder.offered(after=2) == ["a.jpg"]


@pytest.mark.contract("I2")
def test_a_photo_changed_while_it_is_inspected_is_not_offered(make: Make, tmp_path: Path) -> None:
    class Racing(Disk):
        def read_at(self, fd: int, length_bytes: int, offset: int) -> bytes:
            found = super().read_at(fd, length_bytes, offset)
            (tmp_path / "drop" / "a.jpg").write_bytes(jpeg(coded_bytes=900))
            return found

    folder = make(disk=Racing())
    folder.put("a.jpg")
    assert folder.settle() == []


@pytest.mark.contract("I6")
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


@pytest.mark.contract("I4")
def test_a_photo_deleted_while_it_settles_is_forgotten(make: Make) -> None:
    folder = make()
    path = folder.put("a.jpg")
    folder.look()
    path.unlink()
    assert folder.look(after=2).waiting == 0
    assert folder.take() == []


@pytest.mark.contract("I4")
def test_a_photo_deleted_after_it_settled_is_forgotten(make: Make) -> None:
    folder = make()
    path = folder.put("a.jpg")
    folder.look()
    folder.look(after=2)
    path.unlink()
    assert folder.take() == []
    assert folder.look(after=2).waiting == 0


@pytest.mark.contract("I4")
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


@pytest.mark.contract("I5")
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


@pytest.mark.contract("I5")
def test_scans_start_a_second_apart_and_an_early_one_is_made_up_for(make: Make) -> None:
    folder = make()
    assert folder.look(None, scan=False).scanned
    folder.put("a.jpg")
    looked = folder.look(None, after=0.4, scan=False)
    assert not looked.scanned
    assert looked.next_due == pytest.approx(folder.clock.monotonic() + 0.6)
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


@pytest.mark.contract("I2")
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


@pytest.mark.contract("I5")
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


class Counting(Disk):
    def __init__(self) -> None:
        self.looks = 0

    def lstat(self, dir_fd: int, name: str) -> os.stat_result:
        self.looks += 1
        return super().lstat(dir_fd, name)


@pytest.mark.contract("I5")
def test_twenty_thousand_photos_are_settled_with_two_looks_each(make: Make) -> None:
    disk = Counting()
    folder = make(disk=disk)
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
    print(f"20,000 photos scanned, observed twice, probed: {time.perf_counter() - begun:.2f} s")
    assert disk.looks <= 2 * 20_000 + 10


@pytest.mark.contract("I5")
def test_a_rescan_does_next_to_nothing_for_each_name_that_it_knows(make: Make) -> None:
    """A call to hear of it, and a look at what sort of thing it is."""
    folder = make()
    for number in range(1000):
        (folder.drop / f"{number}.jpg").touch()
    folder.look()
    folder.clock.advance(1.5)  # none of them is to be looked at yet
    assert calls_of(folder.look) <= 4 * 1000
