"""The program or the power fails while photos are rejected together: none is lost, none is without its sidecar."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from pathlib import Path

import pytest

from bshm_watchd.ending import EXIT_FINE, EXIT_SOME_REJECTED
from tests.support import invariants
from tests.support.contracts import Evidence
from tests.support.crashes import changes_of_a_run, die_everywhere
from tests.support.disks import (
    Died,
    DyingDisk,
    NoReplaceMissing,
)
from tests.support.lots import TAKES_ALL_FILES, broken_studio
from tests.support.power_cut import PowerCutDisk


@pytest.mark.slow
@pytest.mark.contract("D1", "D4", "D8", "P9", "L1")
def test_dying_at_any_change_of_a_lot_loses_nothing(fast_path: Path, evidence: Evidence) -> None:
    evidence(points_killed=die_everywhere(fast_path, TAKES_ALL_FILES, make=broken_studio))


@pytest.mark.slow
@pytest.mark.contract("D1", "D4")
def test_dying_again_while_a_lot_is_put_in_order_loses_nothing(fast_path: Path, evidence: Evidence) -> None:
    total, deaths = changes_of_a_run(fast_path / "count", TAKES_ALL_FILES, make=broken_studio), 0
    for at in range(0, total, 17):
        studio, again = broken_studio(fast_path / str(at)), 4
        with pytest.raises(Died):
            studio.run(DyingDisk(at))
        while True:
            disk = DyingDisk(again)
            try:
                studio.run(disk)
                break
            except Died:
                again, deaths = again + 7, deaths + 1
                invariants.each_original_is_in_one_place(studio.portraits)
        invariants.check(studio)
    evidence(points_killed=deaths)


@pytest.mark.slow
@pytest.mark.contract("D1", "D4", "L1")
def test_a_power_cut_at_any_change_of_a_lot_loses_nothing(fast_path: Path, evidence: Evidence) -> None:
    evidence(power_cuts=die_everywhere(fast_path, TAKES_ALL_FILES, make=broken_studio, kept=PowerCutDisk))


@pytest.mark.contract("D1", "D4")
@pytest.mark.parametrize("filed", [0, 2], ids=["none of it filed", "half of it filed"])
def test_a_power_cut_while_a_lot_is_put_in_order_loses_nothing(
    fast_path: Path, filed: int, evidence: Evidence
) -> None:  # fmt: skip
    cut, at = True, 0
    while cut:
        studio = broken_studio(fast_path / str(at))
        with pytest.raises(Died):
            studio.run(_DyingWhenFiled(filed))
        kept = PowerCutDisk(studio.base / "attic")
        disk = DyingDisk(at, kept)
        with contextlib.suppress(Died):
            studio.run(disk)
        kept.cut()
        invariants.each_original_is_in_one_place(studio.portraits)
        assert studio.run() in (EXIT_FINE, EXIT_SOME_REJECTED)
        invariants.check(studio)
        cut, at = disk.dead, at + 5
    evidence(power_cuts=at // 5)


class _DyingWhenFiled(DyingDisk):
    """Dies when so many photos have got their names in rejected/."""

    def __init__(self, photos: int) -> None:
        super().__init__(-1)
        self._photos = photos
        rename = self.rename

        def counted(from_fd: int, name: str, to_fd: int, new_name: str) -> None:
            if from_fd != to_fd and os.readlink(f"/proc/self/fd/{to_fd}").endswith("/rejected"):
                self.at = self.changes if self._photos == 0 else -1
                self._photos -= 1
            rename(from_fd, name, to_fd, new_name)

        self.rename = counted  # type: ignore[method-assign]


@pytest.mark.contract("L1")
def test_all_sidecars_of_a_lot_are_durable_before_the_first_of_its_photos_has_its_name(fast_path: Path) -> None:
    studio, disk = broken_studio(fast_path), _Witness(fast_path / "attic")
    assert studio.run(disk) == EXIT_SOME_REJECTED
    assert disk.seen == {"rejected": 5, "sub": 2}
    assert not disk.early


class _Witness(PowerCutDisk):
    """Notes each photo that gets a name in rejected/ while the name of a sidecar there may still be lost."""

    def __init__(self, attic: Path) -> None:
        super().__init__(attic)
        self.seen: Counter[str] = Counter()
        self.early: list[str] = []

    def rename(self, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
        directory = os.readlink(f"/proc/self/fd/{to_fd}")
        if from_fd != to_fd and "/rejected" in directory:
            status = os.fstat(to_fd)
            of_names = {(status.st_dev, status.st_ino)}
            self.early += [new_name for pending in self._pending if pending.waits_for == of_names]
            self.seen[Path(directory).name] += 1
        super().rename(from_fd, name, to_fd, new_name)


class _LinksOnly(NoReplaceMissing, PowerCutDisk):
    """The power of a machine fails whose share can't rename without replacing."""


@pytest.mark.slow
@pytest.mark.contract("D1", "P9")
def test_a_power_cut_at_any_change_of_a_lot_loses_nothing_where_a_rename_may_replace(
    fast_path: Path, evidence: Evidence
) -> None:  # fmt: skip
    restarted = {"disk": NoReplaceMissing()}
    total = die_everywhere(fast_path, TAKES_ALL_FILES, make=broken_studio, kept=_LinksOnly, restarted=restarted)
    evidence(power_cuts=total)
