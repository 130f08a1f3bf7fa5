"""A job's record is lost: its photo goes on as the journal has it, in its place, with its attempts, and once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bshm_watchd.delivery.render import cost_bytes
from bshm_watchd.ending import EXIT_FINE, EXIT_SOME_REJECTED
from bshm_watchd.matting.photo import Photo
from tests.support import invariants
from tests.support.contracts import Evidence
from tests.support.crashes import TWO_OUTPUTS, busy_studio, changes_of_a_run
from tests.support.damage import record_damages
from tests.support.disks import Died, DyingDisk
from tests.support.studio import Studio, png
from tests.support.workers import HeldWorkers


@pytest.mark.contract("D1", "D3", "D4", "D7")
@pytest.mark.parametrize("damage", ["missing", "garbage", "another job", "a link"])
def test_a_record_lost_at_any_moment_loses_no_photo_and_makes_no_second_set(
    fast_path: Path, damage: str, evidence: Evidence
) -> None:
    total, damaged = changes_of_a_run(fast_path / "count", TWO_OUTPUTS), 0
    for at in range(1, total, 4):
        studio = busy_studio(fast_path / str(at), TWO_OUTPUTS)
        with pytest.raises(Died):
            studio.run(DyingDisk(at))
        known = _is_known_to_the_journal(studio)
        damaged += _damage_all(studio, record_damages(0)[damage])
        assert studio.run() in (EXIT_FINE, EXIT_SOME_REJECTED)
        if known:
            invariants.check(studio)
        invariants.each_original_is_in_one_place(studio.portraits)
    assert damaged > 0
    evidence(damages_done=damaged)


@pytest.mark.contract("D7")
def test_where_record_and_journal_are_both_lost_the_photo_is_not(fast_path: Path, evidence: Evidence) -> None:
    """Only then a second set may be made: nobody knows any more what was published."""
    total, damaged = changes_of_a_run(fast_path / "count", TWO_OUTPUTS), 0
    for at in range(1, total, 6):
        studio = busy_studio(fast_path / str(at), TWO_OUTPUTS)
        with pytest.raises(Died):
            studio.run(DyingDisk(at))
        damaged += _damage_all(studio, record_damages(0)["missing"])
        for path in (studio.base / "state").glob("journal*"):
            path.unlink()
        assert studio.run() in (EXIT_FINE, EXIT_SOME_REJECTED)
        invariants.each_original_is_in_one_place(studio.portraits)
        assert not studio.tree(".bshm/work")
    assert damaged > 0
    evidence(damages_done=damaged)


@pytest.mark.contract("L3")
def test_a_photo_whose_record_is_lost_counts_for_what_it_needs(tmp_path: Path) -> None:
    studio, needed = _with_a_lost_record(tmp_path)
    with studio.start(workers=HeldWorkers) as running:
        running.run(until=lambda: bool(running.workers.started))
        assert running.state.in_flight_bytes == needed


@pytest.mark.contract("L3")
def test_a_photo_whose_record_is_lost_is_rejected_where_it_needs_more_than_all_may_have(tmp_path: Path) -> None:
    studio, needed = _with_a_lost_record(tmp_path)
    studio.limits = "{min_free_mib: 0, in_flight_mib: 64}"
    assert needed > 64 << 20
    assert studio.run() == EXIT_SOME_REJECTED
    assert [(row.state, row.reason) for row in studio.rows()] == [("rejected", "too_large")]
    invariants.check(studio)


def _with_a_lost_record(base: Path) -> tuple[Studio, int]:
    """A studio whose program died over a photo, and what that photo needs."""
    studio = Studio(base)
    content = studio.drop("a.png", png(1, 900, 900))
    with pytest.raises(Died):
        studio.run(spoil=_dies)
    _damage_all(studio, record_damages(0)["garbage"])
    return studio, cost_bytes(900, 900, studio.settings().hot_folders[0].outputs) + len(content)


def _dies(_: Photo) -> None:
    raise Died("over a photo")


def _is_known_to_the_journal(studio: Studio) -> bool:
    """Right after a claim's rename it is not yet: then nobody knows any more from which subdirectory a photo came."""
    known = {row.id for row in studio.rows()}
    works = (studio.hot / ".bshm/work").glob("*/")
    return all(work.name in known for work in works if {path.name for path in work.iterdir()} - {"job.json"})


def _damage_all(studio: Studio, damage: Callable[[Path], None]) -> int:
    """How many records there were to damage."""
    works = [record.parent for record in (studio.hot / ".bshm/work").glob("*/job.json")]
    for work in works:
        damage(work)
    return len(works)
