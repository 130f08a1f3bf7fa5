"""Photos of one directory that are claimed and filed together, and what their record says."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bshm_watchd.disk import lot, record
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.disk.ops import Disk
from bshm_watchd.ending import EXIT_LEFT, EXIT_SOME_REJECTED
from bshm_watchd.jobs import Place, State
from tests.support.disks import Died, DyingDisk
from tests.support.lots import TAKES_ALL_FILES
from tests.support.studio import Studio
from tests.support.trees import BROKEN, WALL, a_job, attached, dropped, settings_of

_SETTINGS = settings_of(Path("/srv/hot"), outputs=[{"kind": "matte", "path": "m/{stem}.png"}])


def _works(folder: HotFolder) -> list[str]:
    return sorted(path.name for path in (folder.settings.path / ".bshm/work").iterdir())


def test_the_record_of_a_lot_gives_its_jobs_back_as_they_were() -> None:
    jobs = tuple(
        a_job(_SETTINGS, f"\udcff{number}.jpg", "sub/\udcfe", problem=BROKEN, number=number,
              state=State.CLAIMED, filed_as=Place("", "rejected", f"{number}~2.jpg"))
        for number in range(3)
    )  # fmt: skip
    assert lot.decode(lot.encode(jobs)) == jobs
    assert lot.decode(lot.encode(jobs[:1])) == jobs[:1]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"version": 2, "common": {}, "jobs": []}', b"\xff"])
def test_what_is_no_record_of_a_lot_is_said_to_be_torn(content: bytes) -> None:
    with pytest.raises(record.TornRecord):
        lot.decode(content)


def test_a_record_of_two_hundred_long_names_can_be_read_again(tmp_path: Path) -> None:
    folder = attached(tmp_path)
    directory = "/".join(["\udcff" * 200] * 15)
    jobs = [a_job(folder.settings, "\udcff" * 250 + f"{number}", directory) for number in range(200)]
    jobs = [replace(job, filed_as=Place("", f"rejected/{directory}", job.name)) for job in jobs]
    (tmp_path / "hot/.bshm/work" / f"{jobs[0].id}.lot").mkdir()
    lot.commit(folder, jobs[0].id, jobs)
    lot.unpack_all(folder, WALL)
    assert _works(folder) == []


@pytest.mark.contract("I4")
def test_photos_whose_directory_was_taken_back_are_gone(tmp_path: Path) -> None:
    folder = attached(tmp_path)
    jobs = [dropped(folder, name, relative_dir="sub") for name in ("a.jpg", "b.jpg")]
    (tmp_path / "hot/drop/sub").rename(tmp_path / "hot/drop/other")
    claimed = lot.claim(folder, jobs[0].id, jobs)
    assert (claimed.held, claimed.kept) == ((), ())
    assert {job.state for job in claimed.lost} == {State.GONE}


class _ClosedBelowDrop(Disk):
    """Nothing can be taken out of a subdirectory of drop/ until it is `open`."""

    open = False

    def replace(self, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
        if "/drop/" in os.readlink(f"/proc/self/fd/{from_fd}") and not self.open:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), name)
        super().replace(from_fd, name, to_fd, new_name)


@pytest.mark.contract("P5")
def test_photos_that_rights_do_not_let_out_of_their_directory_are_left_and_the_others_filed(tmp_path: Path) -> None:
    studio, disk = Studio(tmp_path), _ClosedBelowDrop()
    for name in ("a.jpg", "b.jpg", "sub/a.jpg", "sub/b.jpg"):
        studio.drop(name, f"{name} is no photo".encode())
    assert studio.run(disk) == EXIT_LEFT
    assert studio.tree("drop") == ["sub/a.jpg", "sub/b.jpg"]
    assert [path for path in studio.tree("rejected") if path.endswith(".jpg")] == ["a.jpg", "b.jpg"]
    assert not studio.tree(".bshm/work")
    disk.open = True
    assert studio.run(disk) == EXIT_SOME_REJECTED
    assert studio.tree("drop") == []


def test_trouble_with_drop_itself_holds_the_folder(tmp_path: Path) -> None:
    class Closed(Disk):
        def replace(self, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), name)

    folder = attached(tmp_path)
    jobs = [dropped(folder, "a.jpg"), dropped(folder, "sub.jpg")]
    folder.disk = Closed()
    with pytest.raises(Exception, match="drop"):
        lot.claim(folder, jobs[0].id, jobs)
    assert sorted(path.name for path in (tmp_path / "hot/drop").iterdir()) == ["a.jpg", "sub.jpg"]


@pytest.mark.contract("D1", "P9")
@pytest.mark.parametrize("damage", [lambda path: None, os.unlink], ids=["its record whole", "its record lost"])
def test_photos_that_are_named_like_records_are_photos_all_the_same(
    fast_path: Path, damage: Callable[[Path], None]
) -> None:  # fmt: skip
    names, at, dead = ["job.json", "job.json.original", "lot.json"], 0, True
    while dead:
        studio, disk = Studio(fast_path / str(at), TAKES_ALL_FILES), DyingDisk(at)
        contents = [studio.drop(name, f"{name} is no photo".encode()) for name in names]
        try:
            studio.run(disk)
        except Died:
            for path in (studio.hot / ".bshm/work").glob("*.lot.json"):
                damage(path)
        studio.run()
        ours = (".error.json", ".part")  # a temporary is left where nobody knows any more whose it was
        found = [path for path in (studio.hot / "rejected").iterdir() if not path.name.endswith(ours)]
        assert sorted(path.read_bytes() for path in found) == sorted(contents), f"change {at}"
        dead, at = disk.dead, at + 3
