"""The rename is the claim; losing the photo on the way is an ordinary answer."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bshm_watchd.disk import record
from bshm_watchd.disk.claim import Obstacle, TakingForbidden, claim, drop_work, original_name, release
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.disk.ops import Disk
from bshm_watchd.jobs import Job, Place, Stamp, State
from tests.support.trees import TellingDisk, attached, dropped, work_of


@pytest.fixture
def folder(tmp_path: Path) -> HotFolder:
    return attached(tmp_path)


def _drop(folder: HotFolder) -> Path:
    return folder.settings.path / "drop"


def _works(folder: HotFolder) -> list[str]:
    return [path.name for path in (folder.settings.path / ".bshm/work").iterdir()]


def _recorded(folder: HotFolder, job: Job) -> Job | None:
    with folder.work(job.id) as work_fd:
        return record.read(folder.disk, work_fd)


def test_a_claimed_photo_lies_beside_its_record_and_nowhere_else(folder: HotFolder) -> None:
    job = claim(folder, dropped(folder, "a.png", relative_dir="sub"))
    assert job.state is State.CLAIMED
    assert _recorded(folder, job) == job
    assert sorted(path.name for path in work_of(folder, job).iterdir()) == ["a.png", "job.json"]
    assert list((_drop(folder) / "sub").iterdir()) == []


@pytest.mark.contract("P8")
def test_an_original_keeps_inode_owner_mode_time_and_attributes(folder: HotFolder) -> None:
    job = dropped(folder)
    path = _drop(folder) / "a.png"
    path.chmod(0o604)
    os.utime(path, ns=(1, 2))
    try:
        os.setxattr(path, "user.shot", b"17")
        attributes = ["user.shot"]
    except OSError:
        attributes = []  # not on this file system
    before = path.stat()
    job = claim(folder, replace(job, stamp=Stamp.of(before)))
    claimed = work_of(folder, job) / "a.png"
    after = claimed.stat()
    for field in ("st_ino", "st_mode", "st_uid", "st_gid", "st_mtime_ns", "st_size"):
        assert getattr(after, field) == getattr(before, field), field
    assert [name for name in os.listxattr(claimed) if name.startswith("user.")] == attributes


@pytest.mark.contract("D1")
def test_the_record_is_on_the_disk_before_the_photo_moves(tmp_path: Path) -> None:
    """A crash right after the rename must find it."""
    found: list[bool] = []

    def look(change: str, arguments: tuple[object, ...]) -> None:
        if change == "replace" and arguments[1] == "a.png":
            found.extend((path.parent / "job.json").exists() for path in (tmp_path / "hot/.bshm").rglob("a.png"))

    folder = attached(tmp_path, TellingDisk(look))
    claim(folder, dropped(folder))
    assert found == [True]


def _remove(path: Path) -> None:
    path.unlink()


def _rename(path: Path) -> None:
    path.rename(path.with_name("b.png"))


def _remove_directory(path: Path) -> None:
    path.unlink()
    path.parent.rmdir()


def _link_directory(path: Path) -> None:
    path.parent.rename(path.parent.parent / "away")
    path.parent.symlink_to("away")


@pytest.mark.contract("I4")
@pytest.mark.parametrize("away", [_remove, _rename, _remove_directory, _link_directory])
def test_a_photo_that_is_gone_is_gone_and_nothing_is_left_of_its_claim(
    folder: HotFolder, away: Callable[[Path], None]
) -> None:
    job = dropped(folder, relative_dir="sub")
    away(_drop(folder) / "sub" / "a.png")
    before = sorted(str(path) for path in _drop(folder).rglob("*"))
    assert claim(folder, job).state is State.GONE
    assert sorted(str(path) for path in _drop(folder).rglob("*")) == before
    assert _works(folder) == []


@pytest.mark.contract("I2")
def test_a_photo_that_changed_since_it_settled_stays_where_it_is(folder: HotFolder) -> None:
    job = dropped(folder, content=b"half")
    (_drop(folder) / "a.png").write_bytes(b"half and more")
    assert claim(folder, job).state is State.RELEASED
    assert (_drop(folder) / "a.png").read_bytes() == b"half and more"
    assert _works(folder) == []


@pytest.mark.contract("I2")
def test_a_photo_changed_since_it_settled_stays_also_when_its_time_was_set_back(folder: HotFolder) -> None:
    job, path = dropped(folder, content=b"half"), _drop(folder) / "a.png"
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # a kernel's clock may tick every few milliseconds only
        path.write_bytes(b"hale")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert claim(folder, job).state is State.RELEASED
    assert path.read_bytes() == b"hale"
    assert _works(folder) == []


class _Meanwhile(Disk):
    """Somebody does something to the photo between our look and our rename."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then

    def replace(self, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
        if name == "a.png":
            self._then()
        super().replace(from_fd, name, to_fd, new_name)


@pytest.mark.contract("I2", "D1")
@pytest.mark.parametrize("taken", [[], ["a.png"], ["a.png", "a~2.png"]], ids=["free", "taken", "taken twice"])
def test_a_photo_that_changed_in_the_last_moment_goes_back_to_its_name_or_the_next(
    tmp_path: Path, taken: list[str]
) -> None:
    path = tmp_path / "hot" / "drop" / "a.png"

    def grow_and_take_the_name() -> None:
        path.write_bytes(b"half and more")

    class Retaken(_Meanwhile):
        def replace(self, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
            super().replace(from_fd, name, to_fd, new_name)
            for other in taken if name == "a.png" else []:
                path.with_name(other).write_bytes(b"the next one")

    folder = attached(tmp_path, Retaken(grow_and_take_the_name))
    assert claim(folder, dropped(folder, content=b"half")).state is State.RELEASED
    back = path.with_name(["a.png", "a~2.png", "a~3.png"][len(taken)])
    assert back.read_bytes() == b"half and more"
    assert all(path.with_name(other).read_bytes() == b"the next one" for other in taken)
    assert _works(folder) == []


@pytest.mark.contract("I2", "P6")
def test_another_file_swapped_in_is_not_taken_for_the_photo(tmp_path: Path) -> None:
    path = tmp_path / "hot" / "drop" / "a.png"

    def swap() -> None:
        status = path.stat()
        path.rename(path.with_name("old.png"))
        path.write_bytes(b"other")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    folder = attached(tmp_path, _Meanwhile(swap))
    assert claim(folder, dropped(folder, content=b"photo")).state is State.RELEASED
    assert path.read_bytes() == b"other"


@pytest.mark.contract("P10")
def test_a_photo_hard_linked_in_the_last_moment_goes_back(tmp_path: Path) -> None:
    """It may be somebody else's file."""
    path = tmp_path / "hot" / "drop" / "a.png"
    folder = attached(tmp_path, _Meanwhile(lambda: os.link(path, tmp_path / "theirs")))
    assert claim(folder, dropped(folder)).state is State.RELEASED
    assert path.stat().st_nlink == 2


@pytest.mark.contract("I2")
@pytest.mark.parametrize("code", [errno.EBUSY, errno.ETXTBSY])
def test_a_photo_that_an_uploader_still_has_open_stays_in_drop(tmp_path: Path, code: int) -> None:
    class Open(Disk):
        def replace(self, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
            if name == "a.png":
                raise OSError(code, os.strerror(code))
            super().replace(from_fd, name, to_fd, new_name)

    folder = attached(tmp_path, Open())
    assert claim(folder, dropped(folder)).state is State.RELEASED
    assert (_drop(folder) / "a.png").exists()
    assert _works(folder) == []


def test_where_inode_numbers_are_made_up_they_do_not_matter(folder: HotFolder) -> None:
    folder.stable_inodes = False
    job = dropped(folder)
    assert claim(folder, replace(job, stamp=replace(job.stamp, inode=1))).state is State.CLAIMED


@pytest.mark.contract("P9")
@pytest.mark.parametrize("name", ["job.json", "\udcff\n.png", "-rf.png", "n" * 255])
def test_any_name_can_be_claimed_and_released(folder: HotFolder, name: str) -> None:
    job = claim(folder, dropped(folder, name))
    assert job.state is State.CLAIMED
    assert (work_of(folder, job) / original_name(job)).read_bytes() == b"photo"
    assert release(folder, job).state is State.RELEASED
    assert [path.name for path in _drop(folder).iterdir()] == [name]
    assert _works(folder) == []


def test_a_filed_photo_is_claimed_from_where_it_was_filed(folder: HotFolder) -> None:
    job = dropped(folder)
    filed = (_drop(folder) / "a.png").rename(folder.settings.path / "rejected" / "a~3.png")
    job = claim(folder, replace(job, stamp=Stamp.of(filed.stat())), Place("", "rejected", "a~3.png"))
    assert job.state is State.CLAIMED
    assert (work_of(folder, job) / "a.png").exists()


@pytest.mark.contract("P2")
def test_a_file_that_is_not_ours_is_never_removed_with_a_work_directory(folder: HotFolder) -> None:
    job = claim(folder, dropped(folder))
    with pytest.raises(OSError, match="still in it"):
        drop_work(folder, job)
    assert (work_of(folder, job) / "a.png").read_bytes() == b"photo"
    assert (work_of(folder, job) / "job.json").exists()


@pytest.mark.contract("P5")
@pytest.mark.parametrize(
    ("mode", "code", "obstacle", "told"),
    [
        (0o755, errno.EPERM, Obstacle.RIGHTS, "write and search rights"),
        (0o1777, errno.EPERM, Obstacle.STICKY, "chmod -t"),
        (0o755, errno.EXDEV, Obstacle.MOUNT, "lies on another file system"),
    ],
)
def test_a_photo_that_cannot_be_taken_out_of_its_subdirectory_stays_without_a_trace_of_the_claim(
    tmp_path: Path, mode: int, code: int, obstacle: Obstacle, told: str
) -> None:
    def refuse() -> None:
        raise OSError(code, os.strerror(code))

    folder = attached(tmp_path, _Meanwhile(refuse))
    job = dropped(folder, relative_dir="sub")
    (_drop(folder) / "sub").chmod(mode)
    with pytest.raises(TakingForbidden, match=told) as caught:
        claim(folder, job)
    assert caught.value.obstacle is obstacle
    assert (_drop(folder) / "sub" / "a.png").read_bytes() == b"photo"
    assert _works(folder) == []
