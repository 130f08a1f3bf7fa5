"""A share's server does what it was asked, and its answer gets lost: the change happened, and is told as an error."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from bshm_watchd.disk.ops import Disk
from bshm_watchd.ending import EXIT_FINE, EXIT_SOME_REJECTED
from bshm_watchd.folder_state import OFFERS_AHEAD
from bshm_watchd.matting.photo import Photo
from tests.support import invariants
from tests.support.contracts import Evidence
from tests.support.crashes import busy_studio
from tests.support.disks import LostAnswerDisk, NoReplaceMissing
from tests.support.studio import Studio


class _Withholding(Disk):
    """Gives no claimed photo of these names, until `mended`."""

    def __init__(self, code: int, *names: str) -> None:
        self._code = code
        self._names = names or ("a.png",)
        self.tried = 0
        self.mended = False

    def open_file(self, dir_fd: int, name: str) -> int:
        in_work = os.readlink(f"/proc/self/fd/{dir_fd}").rpartition("/")[0].endswith("/.bshm/work")
        if in_work and name in self._names and not self.mended:
            self.tried += 1
            raise OSError(self._code, os.strerror(self._code), name)
        return super().open_file(dir_fd, name)


@pytest.mark.contract("D5", "D6")
@pytest.mark.parametrize("code", [errno.EINVAL, errno.EBADF, errno.EAGAIN, errno.ECONNABORTED, errno.EHOSTDOWN])
def test_a_claimed_photo_that_its_server_does_not_give_waits_and_loses_no_attempt(
    fast_path: Path, evidence: Evidence, code: int
) -> None:
    studio = busy_studio(fast_path)
    disk = _Withholding(code)
    with studio.start(disk) as running:
        running.run(until=lambda: disk.tried >= 5)
        disk.mended = True
        assert running.run() == EXIT_SOME_REJECTED
    assert all(row.attempts == 0 for row in studio.rows()), "an innocent photo lost an attempt"
    invariants.check(studio)
    evidence(errors_injected=disk.tried)


@pytest.mark.contract("D5")
def test_the_time_that_a_share_is_away_is_not_held_against_a_photo_that_it_does_not_give(fast_path: Path) -> None:
    studio = Studio(fast_path)
    studio.drop("a.png")
    disk = _Withholding(errno.EINVAL)
    with studio.start(disk, once=None) as running:
        running.run(until=lambda: disk.tried >= 2)
        away = studio.hot.rename(fast_path / "away")
        running.live(3600)
        away.rename(studio.hot)
        running.run(until=lambda: disk.tried >= 12)
        assert [(row.state, row.attempts) for row in studio.rows()] == [("claimed", 0)]
        disk.mended = True
        running.run(until=lambda: studio.tree("results") == ["a.png"])
    invariants.check(studio)


@pytest.mark.contract("D5")
def test_a_photo_that_its_share_gave_once_may_be_withheld_anew_for_as_long(fast_path: Path) -> None:
    studio = Studio(fast_path)
    studio.drop("a.png")
    disk = _Withholding(errno.EINVAL)

    def full_once(_: Photo) -> None:
        if disk.tried == 30:
            disk.mended = False
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with studio.start(disk, once=None, spoil=full_once) as running:
        running.run(until=lambda: disk.tried == 30)
        disk.mended = True
        running.run(until=lambda: disk.tried == 60)
        assert [(row.state, row.attempts) for row in studio.rows()] == [("claimed", 0)]
        disk.mended = True
        running.run(until=lambda: studio.tree("results") == ["a.png"])
    invariants.check(studio)


def test_a_photo_that_its_server_does_not_give_keeps_no_other_waiting(fast_path: Path) -> None:
    studio = busy_studio(fast_path)
    studio.drop("b.png")
    with studio.start(_Withholding(errno.EINVAL)) as running:
        running.run(until=lambda: "b.png" in studio.tree("results"))
        assert running.state.mode == "watching"


@pytest.mark.contract("I5", "L2")
def test_names_that_wait_for_an_earlier_photo_of_theirs_keep_no_other_waiting(fast_path: Path) -> None:
    """However many: each was dropped again while its share withholds the first."""
    studio = Studio(fast_path)
    names = [f"{number}.png" for number in range(3 * OFFERS_AHEAD)]
    disk = _Withholding(errno.EBADF, *names)
    with studio.start(disk, once=None) as running:
        for _ in range(2):
            for name in names:
                studio.drop(name)
            running.run(until=lambda: len(running.state.backlog) == len(names))
            running.live(20)
        studio.drop("other.png")
        running.run(until=lambda: "other.png" in studio.tree("results"), limit_seconds=30)
        disk.mended = True
        running.run(until=lambda: len(studio.tree("results")) == 2 * len(names) + 1)
    invariants.check(studio)


def test_a_photo_that_its_server_never_gives_fails_in_the_end(fast_path: Path) -> None:
    studio = busy_studio(fast_path)
    assert studio.run(_Withholding(errno.EINVAL)) == EXIT_SOME_REJECTED
    assert "failed/a.png" in studio.tree()


@pytest.mark.slow
@pytest.mark.contract("D1", "D3", "D5", "D6")
@pytest.mark.parametrize("repeated", [False, True], ids=["timed out", "asked again"])
@pytest.mark.parametrize("kind", [Disk, NoReplaceMissing], ids=["as on CIFS", "as on NFS"])
def test_a_change_that_happened_and_was_told_as_an_error_costs_nothing(
    fast_path: Path, evidence: Evidence, kind: type[Disk], repeated: bool
) -> None:
    """Of each kind every second change; both together meet every change."""
    counting = LostAnswerDisk(-1, kind())
    busy_studio(fast_path / "count").run(counting)
    changes = range(int(repeated), counting.changes, 2)
    for at in changes:
        studio = busy_studio(fast_path / str(at))
        disk = LostAnswerDisk(at, kind(), repeated=repeated)
        ended = studio.run(disk)
        what = f"change {at}, {disk.erred_in}"
        assert ended in (EXIT_FINE, EXIT_SOME_REJECTED), what
        assert all(row.attempts == 0 for row in studio.rows()), f"{what}: an innocent photo lost an attempt"
        invariants.check(studio)
        shutil.rmtree(studio.base)
    evidence(errors_injected=len(changes))
