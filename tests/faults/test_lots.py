"""Photos that are rejected together: whatever happens to a lot, each of them ends as if it had been rejected alone."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bshm_watchd.disk.ops import Disk
from bshm_watchd.ending import EXIT_FINE, EXIT_SOME_REJECTED
from bshm_watchd.jobs import State
from bshm_watchd.logs import shown
from tests.support import invariants
from tests.support.contracts import Evidence
from tests.support.crashes import changes_of_a_run
from tests.support.disks import (
    Died,
    DyingDisk,
    ErringDisk,
    InterruptedDisk,
    LostAnswerDisk,
    MeddledDisk,
    NoReplaceMissing,
)
from tests.support.job_log import noted, replayed
from tests.support.lots import TAKES_ALL_FILES, SyncCountingDisk, broken_studio, index_commits
from tests.support.studio import Studio, png, sha256

_BROKEN = b"this is no photo"


def _rejected(studio: Studio) -> list[str]:
    return [path for path in studio.tree("rejected") if not path.endswith(".error.json")]


@pytest.mark.contract("L1", "P9", "O5")
def test_a_lot_ends_as_if_each_of_its_photos_had_been_rejected_alone(fast_path: Path) -> None:
    studio = broken_studio(fast_path)
    with noted() as lines:
        assert studio.run() == EXIT_SOME_REJECTED
    invariants.check(studio)
    assert len(_rejected(studio)) == 8  # with the one that was there before
    assert {"taken~2.jpg", "noted~2.jpg", "sub/a.jpg"} <= set(_rejected(studio))
    for row in studio.rows():
        if row.state == "rejected":
            note = json.loads((studio.hot / f"{row.filed_as.path}.error.json").read_bytes())
            assert (note["job"], note["reason"], note["name"]) == (row.id, row.reason, shown(row.relative))
            assert replayed(lines)[row.id] == [State.CLAIMED, State.REJECTING, State.REJECTED]


@pytest.mark.contract("D5", "D6")
@pytest.mark.parametrize(("first", "code"), list(enumerate([errno.EIO, errno.ENOSPC, errno.ESTALE, errno.EACCES])))
def test_an_error_of_the_place_at_any_change_of_a_lot_loses_nothing(
    fast_path: Path, first: int, code: int, evidence: Evidence
) -> None:  # fmt: skip
    """Every change meets one of the errors."""
    total = changes_of_a_run(fast_path / "count", TAKES_ALL_FILES, make=broken_studio)
    moments = range(first, total, 4)
    for at in moments:
        studio, disk = broken_studio(fast_path / str(at)), ErringDisk(at, code)
        counted = _counted_in_a_run(studio, disk)
        assert disk.erred
        disk.mended = True
        counted += _counted_in_a_run(studio, disk)
        invariants.check(studio)
        assert len(_rejected(studio)) == 8
        assert counted == 7, f"change {at}: {counted} were counted"
    evidence(errors_injected=len(moments))


def _counted_in_a_run(studio: Studio, disk: Disk) -> int:
    with studio.start(disk) as running:
        running.run()
        return running.daemon.tally.count(State.REJECTED)


@pytest.mark.contract("D6")
def test_a_lot_waits_for_space_and_goes_on_by_itself(fast_path: Path) -> None:
    total = changes_of_a_run(fast_path / "count", TAKES_ALL_FILES, make=broken_studio)
    for at in range(25, total, 9):
        studio, disk = broken_studio(fast_path / str(at)), ErringDisk(at, errno.ENOSPC, once=False)
        with studio.start(disk) as running:
            running.run(until=lambda state=running.state: state.mode == "held")
            invariants.each_original_is_in_one_place(studio.portraits)
            disk.mended = True
            assert running.run() == EXIT_SOME_REJECTED
        invariants.check(studio)


@pytest.mark.contract("D3", "D4")
@pytest.mark.parametrize("repeated", [False, True], ids=["lost", "asked again"])
def test_an_answer_lost_at_any_change_of_a_lot_loses_nothing(fast_path: Path, repeated: bool) -> None:
    total = changes_of_a_run(fast_path / "count", TAKES_ALL_FILES, make=broken_studio)
    for at in range(0, total, 3):
        studio = broken_studio(fast_path / str(at))
        studio.run(LostAnswerDisk(at, repeated=repeated))
        assert studio.run() in (EXIT_FINE, EXIT_SOME_REJECTED)
        invariants.check(studio)


@pytest.mark.contract("P9")
def test_a_lot_overwrites_nothing_where_only_a_reservation_keeps_a_name(fast_path: Path) -> None:
    studio = broken_studio(fast_path)
    assert studio.run(NoReplaceMissing()) == EXIT_SOME_REJECTED
    invariants.check(studio)


@pytest.mark.contract("P2", "P9")
@pytest.mark.parametrize("name", ["a.jpg", "a.jpg.error.json"], ids=["its own", "its sidecar's"])
def test_a_name_that_is_taken_in_the_last_moment_is_left_and_the_next_one_used(fast_path: Path, name: str) -> None:
    studio = broken_studio(fast_path)

    def take_it(change: str, new_name: str) -> None:
        if change == "rename" and new_name == name and "rejected/" + name not in studio.portraits.foreign:
            studio.portraits.put_foreign(f"rejected/{name}")

    assert studio.run(InterruptedDisk(take_it)) == EXIT_SOME_REJECTED
    assert f"rejected/{name}" in studio.portraits.foreign
    assert "a~2.jpg" in _rejected(studio)
    invariants.check(studio)


_ANOTHER = b"another photo that is none"


def _changed(path: Path) -> None:
    path.write_bytes(_ANOTHER)


def _replaced(path: Path) -> None:
    path.with_name("new").write_bytes(_ANOTHER)
    path.with_name("new").rename(path)


class _Meddler:
    """Does something to `taken.jpg`, if it still lies in drop/."""

    def __init__(self, studio: Studio, meddle: Callable[[Path], None]) -> None:
        self.met = 0
        self._studio = studio
        self._meddle = meddle

    def __call__(self) -> None:
        path, tree = self._studio.hot / "drop" / "taken.jpg", self._studio.portraits
        if path.exists():
            self.met += 1
            tree.forget("taken.jpg")
            self._meddle(path)
            if path.exists():
                tree.originals.setdefault(sha256(_ANOTHER), []).append("taken.jpg")


@pytest.mark.contract("I2", "I4")
@pytest.mark.parametrize("meddle", [_changed, _replaced, os.unlink], ids=["changed", "replaced", "taken back"])
def test_what_its_owner_does_meanwhile_to_a_photo_of_a_lot_is_respected(
    fast_path: Path, meddle: Callable[[Path], None], evidence: Evidence
) -> None:  # fmt: skip
    """At each call, looks included: what is filed is what was judged, and what came instead is judged anew."""
    count = MeddledDisk(-1, lambda: None)
    broken_studio(fast_path / "count").run(count)
    met = 0
    for at in range(count.calls // 4, count.calls, 9):
        studio = broken_studio(fast_path / str(at))
        meddler = _Meddler(studio, meddle)
        assert studio.run(MeddledDisk(at, meddler)) == EXIT_SOME_REJECTED
        invariants.check(studio)
        met += meddler.met
    assert met > 10
    evidence(meddled=met)


@pytest.mark.contract("I2")
def test_a_photo_that_is_whole_in_the_last_moment_is_not_rejected_for_what_it_was(fast_path: Path) -> None:
    """Between the last look at it and the rename that claims it."""
    studio = Studio(fast_path)
    for name in ("a.jpg", "b.jpg"):
        studio.drop(name, _BROKEN)
    whole = png(1)

    def finish_it(change: str, new_name: str) -> None:
        path = studio.hot / "drop" / "a.jpg"
        if (change, new_name) == ("replace", "a.jpg") and path.read_bytes() == _BROKEN:
            studio.drop("a.jpg", whole)

    assert studio.run(InterruptedDisk(finish_it)) == EXIT_SOME_REJECTED
    assert {row.name: row.state for row in studio.rows()} == {"a.jpg": "done", "b.jpg": "rejected"}
    invariants.check(studio)


@pytest.mark.parametrize("count", [50, 200])
@pytest.mark.contract("L1")
def test_a_lot_costs_as_many_commits_and_synced_directories_however_many_photos_it_has(
    fast_path: Path, count: int
) -> None:  # fmt: skip
    studio, disk = Studio(fast_path), SyncCountingDisk()
    with studio.start(disk, once=None) as running:
        running.live(5)
        for number in range(count):
            studio.drop(f"{number}.jpg", _BROKEN + b"%d" % number)
        running.state.lot_size = 200
        disk.synced.clear()
        commits = index_commits(studio)
        running.live(60)
        assert running.daemon.tally.count(State.REJECTED) == count
        assert index_commits(studio) - commits == 1
        assert disk.synced == {"file": count + 2, "directory": 8}
    invariants.check(studio)


@pytest.mark.contract("D7")
@pytest.mark.parametrize("content", [None, b"\0" * 4096, b"[1, 2]"])
def test_a_lot_whose_record_is_lost_loses_no_photo(fast_path: Path, content: bytes | None, evidence: Evidence) -> None:
    total, damaged = changes_of_a_run(fast_path / "count", TAKES_ALL_FILES, make=broken_studio), 0
    for at in range(1, total, 6):
        studio = broken_studio(fast_path / str(at))
        with pytest.raises(Died):
            studio.run(DyingDisk(at))
        for path in (studio.hot / ".bshm/work").glob("*.lot.json"):
            damaged += 1
            path.unlink() if content is None else path.write_bytes(content)
        assert studio.run() in (EXIT_FINE, EXIT_SOME_REJECTED)
        invariants.each_original_is_in_one_place(studio.portraits)
        assert not list((studio.hot / ".bshm/work").iterdir())
        before = studio.everything()
        assert studio.run() == EXIT_FINE
        assert {p: h for p, h in studio.everything().items() if not p.endswith("owner")} == {
            p: h for p, h in before.items() if not p.endswith("owner")
        }
    assert damaged > 5
    evidence(damages_done=damaged)


def test_photos_of_a_lot_can_be_requeued(fast_path: Path) -> None:
    studio = broken_studio(fast_path)
    studio.run()
    rejected = [row.id for row in studio.rows() if row.state == "rejected"]
    with studio.start(once=None) as running:
        running.live(5)
        assert len(running.requeue(*rejected)["requeued"]) == len(rejected)
        running.live(60)
    studio.run()
    invariants.check(studio)
    assert [row.state for row in studio.rows() if row.id not in rejected].count("rejected") == len(rejected)
