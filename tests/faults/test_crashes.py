"""The program dies at every change it makes to the disk; a healthy restart puts everything right."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from bshm_watchd.ending import EXIT_FINE, EXIT_SOME_REJECTED
from bshm_watchd.jobs import State
from tests.support import invariants
from tests.support.crashes import TWO_OUTPUTS, busy_studio, changes_of_a_run, die_everywhere
from tests.support.disks import Died, DyingDisk, ErringDisk
from tests.support.studio import Studio


@pytest.mark.slow
@pytest.mark.contract("D1", "D3", "D4", "D8")
@pytest.mark.parametrize("extra", ["", TWO_OUTPUTS], ids=["one output", "two outputs"])
def test_dying_at_any_change_loses_nothing_and_doubles_nothing(fast_path: Path, extra: str) -> None:
    total = die_everywhere(fast_path, extra)
    print(f"died at each of {total} changes")
    assert total > 60


@pytest.mark.contract("D1", "D4")
def test_dying_twice_loses_nothing(fast_path: Path) -> None:
    total = changes_of_a_run(fast_path / "count")
    for at in range(0, total, 7):
        studio = busy_studio(fast_path / str(at))
        with pytest.raises(Died):
            studio.run(DyingDisk(at))
        for again in (3, 9, 17):
            try:
                studio.run(DyingDisk(again))
            except Died:
                continue
        assert studio.run() in (EXIT_FINE, EXIT_SOME_REJECTED)
        invariants.check(studio)


@pytest.mark.slow
@pytest.mark.contract("D5", "D6")
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.ESTALE, errno.EACCES])
def test_an_error_of_the_place_at_any_change_costs_nothing(fast_path: Path, code: int) -> None:
    """Every change meets one of the errors; all of them together meet every change twice."""
    total = changes_of_a_run(fast_path / "count")
    for at in range(code % 3, total, 3):
        studio = busy_studio(fast_path / str(at))
        disk = ErringDisk(at, code)
        studio.run(disk)
        disk.mended = True
        assert disk.erred
        assert studio.run() in (EXIT_FINE, EXIT_SOME_REJECTED)
        assert not studio.tree("failed"), f"change {at}: an innocent photo failed"
        assert {row.attempts for row in studio.rows()} == {0}, f"change {at}: an attempt was counted"
        invariants.check(studio)


@pytest.mark.contract("D6")
def test_a_full_disk_holds_the_folder_and_work_goes_on_when_it_is_mended(fast_path: Path) -> None:
    studio = busy_studio(fast_path)
    disk = ErringDisk(25, errno.ENOSPC, once=False)
    with studio.start(disk) as running:
        running.run(until=lambda: running.state.mode == "held")
        assert "space" in running.state.reason
        disk.mended = True
        assert running.run() == EXIT_SOME_REJECTED
    invariants.check(studio)


@pytest.mark.contract("D6", "O7")
def test_a_photo_that_ended_is_counted_once_whatever_happens_to_its_work_directory(fast_path: Path) -> None:
    """The last changes of its way fail, one after the other; the run's exit code still tells that it was rejected."""
    total = _changes_of_a_rejection(fast_path / "count", ErringDisk(-1, errno.EIO))
    for at in range(total - 12, total):
        studio = Studio(fast_path / str(at))
        studio.drop("text.jpg", b"this is no photo")
        with studio.start(ErringDisk(at, errno.EIO)) as running:
            assert running.run() == EXIT_SOME_REJECTED, f"change {at}"
            assert running.daemon.tally.count(State.REJECTED) == 1, f"change {at}"
        invariants.check(studio)


def _changes_of_a_rejection(base: Path, disk: ErringDisk) -> int:
    """Up to the end of the job: the owner's record is given up after it."""
    studio = Studio(base)
    studio.drop("text.jpg", b"this is no photo")
    with studio.start(disk) as running:
        assert running.run() == EXIT_SOME_REJECTED
        return disk.changes
