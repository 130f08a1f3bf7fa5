"""One trouble after another: an error and then a death, a death and then a power cut. Nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest

from bshm_watchd.ending import EXIT_FINE, EXIT_SOME_REJECTED
from tests.support import invariants
from tests.support.contracts import Evidence
from tests.support.crashes import TWO_OUTPUTS, busy_studio, changes_of_a_run
from tests.support.disks import Died, DyingDisk, ErringDisk
from tests.support.power_cut import PowerCutDisk
from tests.support.studio import Studio
from tests.support.trees import TellingDisk

# Every how manieth change meets the first trouble; 1 is all of them, for a long run.
_APART = int(os.environ.get("BSHM_WATCHD_POINTS_APART", "5"))


@pytest.mark.slow
@pytest.mark.contract("D1", "D2", "D3", "D4")
@pytest.mark.parametrize("later", [1, 2, 3, 4])
def test_dying_shortly_after_an_error_of_the_place_loses_and_doubles_nothing(
    fast_path: Path, later: int, evidence: Evidence
) -> None:
    """What is put in order after an error must not be the next crash's trap."""
    total = changes_of_a_run(fast_path / "count", TWO_OUTPUTS)
    for at in range(later % _APART, total, _APART):
        studio = busy_studio(fast_path / str(at), TWO_OUTPUTS)
        with contextlib.suppress(Died):
            studio.run(DyingDisk(at + later, ErringDisk(at, errno.EIO)))
        invariants.each_original_is_in_one_place(studio.portraits)
        assert studio.run() in (EXIT_FINE, EXIT_SOME_REJECTED)
        invariants.check(studio)
        evidence(errors_injected=1, points_killed=1)


@pytest.mark.contract("D2", "D3", "D4")
@pytest.mark.parametrize("max_attempts", [1, 3])
def test_dying_after_a_record_that_was_written_and_told_as_failed_makes_no_result_count_as_published(
    fast_path: Path, max_attempts: int
) -> None:
    """The record says `publishing`: whatever temporary is missing then was published."""
    for later in range(1000):
        studio = Studio(fast_path / str(later), limits=f"{{min_free_mib: 0, max_attempts: {max_attempts}}}")
        studio.drop("a.png")
        if not _dies_after_its_record(studio, later):
            break
        assert studio.run() in (EXIT_FINE, EXIT_SOME_REJECTED)
        assert len(studio.tree("results")) == len(studio.tree("done")), f"change {later}"
        invariants.check(studio)
    assert later > 10


def _dies_after_its_record(studio: Studio, later: int) -> bool:
    """An unheard-of error once the record `publishing` has its name, and a death so many changes later."""
    changes: list[str] = []

    def fail(change: str, arguments: tuple[object, ...]) -> None:
        if changes or (change == "write" and b'"publishing"' in bytes(arguments[1])):  # type: ignore[call-overload]
            changes.append(change)
        if changes[-2:] == ["replace", "fsync"] and disk.at < 0:
            disk.at = disk.changes + later
            raise OSError(errno.EBADE, os.strerror(errno.EBADE))

    disk = DyingDisk(-1, TellingDisk(fail))
    with contextlib.suppress(Died):
        studio.run(disk)
    return disk.dead


@pytest.mark.slow
@pytest.mark.contract("D1", "D2", "D4")
def test_what_is_done_after_a_kill_outlives_a_power_cut(fast_path: Path, evidence: Evidence) -> None:
    """The second life finds directories that the first one made, and never synced."""
    total = changes_of_a_run(fast_path / "count", TWO_OUTPUTS)
    for at in range(0, total, _APART):
        studio = busy_studio(fast_path / str(at), TWO_OUTPUTS)
        power = PowerCutDisk(studio.base / "attic")
        with contextlib.suppress(Died):
            studio.run(DyingDisk(at, power))
        studio.run(power)
        places = ("results", "mattes", "done", "review", "rejected")
        before = [studio.tree(place) for place in places]
        power.cut()
        assert [studio.tree(place) for place in places] == before, f"killed at change {at}"
        assert studio.run() in (EXIT_FINE, EXIT_SOME_REJECTED)
        invariants.check(studio)
        evidence(points_killed=1, power_cuts=1)
