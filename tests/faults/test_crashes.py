"""The program dies at every change it makes to the disk; a healthy restart puts everything right."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from bshm_watchd.daemon import EXIT_FINE, EXIT_SOME_REJECTED
from tests.support import invariants
from tests.support.crashes import TWO_OUTPUTS, busy_studio, changes_of_a_run, die_everywhere
from tests.support.disks import Died, DyingDisk, ErringDisk


@pytest.mark.parametrize("extra", ["", TWO_OUTPUTS], ids=["one output", "two outputs"])
def test_dying_at_any_change_loses_nothing_and_doubles_nothing(fast_path: Path, extra: str) -> None:
    total = die_everywhere(fast_path, extra)
    print(f"died at each of {total} changes")
    assert total > 60


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
        invariants.check(studio)


def test_a_full_disk_holds_the_folder_and_work_goes_on_when_it_is_mended(fast_path: Path) -> None:
    studio = busy_studio(fast_path)
    disk = ErringDisk(25, errno.ENOSPC, once=False)
    with studio.start(disk) as running:
        running.run(until=lambda: running.state.mode == "held")
        assert "space" in running.state.reason
        disk.mended = True
        assert running.run() == EXIT_SOME_REJECTED
    invariants.check(studio)
