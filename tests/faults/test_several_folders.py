"""Several hot folders in one daemon, and several daemons at one hot folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.disk.ops import Disk
from bshm_watchd.ending import EXIT_FINE, EXIT_LEFT, EXIT_OWNED
from bshm_watchd.matting.photo import Photo
from tests.support import invariants
from tests.support.crashes import TWO_OUTPUTS
from tests.support.disks import Died, ErringDisk, InterruptedDisk
from tests.support.studio import Studio, sha256
from tests.support.workers import HeldHand, HeldWorkers


def _two_folders(base: Path, photos: int = 3, extra: str = "", other: str = "") -> Studio:
    studio = Studio(base, extra, others={"weddings": other})
    for number in range(photos):
        for tree in studio.trees.values():
            tree.drop(f"{number}.png")
    return studio


@pytest.mark.contract("D6", "L6")
@pytest.mark.parametrize("at", [0, 25, 40])
@pytest.mark.contract("D6", "L6", "O6")
def test_a_full_disk_holds_one_folder_and_the_others_finish(tmp_path: Path, at: int) -> None:
    studio = _two_folders(tmp_path)
    full = ErringDisk(at, errno.ENOSPC, once=False)
    with studio.start(disks={"weddings": full}, once=None) as running:
        running.run(until=lambda: len(studio.tree("done")) == 3 and running.states["weddings"].mode == "held")
        assert "space" in running.states["weddings"].reason
        assert len(studio.trees["weddings"].tree("done")) < 3
        full.mended = True
        running.run(until=lambda: len(studio.trees["weddings"].tree("done")) == 3)
    assert {row.attempts for row in studio.rows()} == {0}
    invariants.check(studio)


@pytest.mark.contract("I7", "L6")
def test_a_folder_whose_root_is_gone_is_left_and_the_others_finish(tmp_path: Path) -> None:
    studio = _two_folders(tmp_path)
    assert studio.run() == EXIT_FINE
    for tree in studio.trees.values():
        tree.drop("new.png")
    away = studio.trees["weddings"].path.rename(tmp_path / "away")
    studio.trees["weddings"].path.mkdir()  # an empty mount point
    assert studio.run() == EXIT_LEFT
    assert "new.png" in studio.tree("results")
    assert list(studio.trees["weddings"].path.iterdir()) == []
    studio.trees["weddings"].path.rmdir()
    away.rename(studio.trees["weddings"].path)
    assert studio.run() == EXIT_FINE
    invariants.check(studio)


@pytest.mark.parametrize(("weight", "of_24"), [(1, 12), (3, 6), (7, 3)])
@pytest.mark.contract("L6")
def test_folders_are_served_by_their_weight_where_not_all_can_be(tmp_path: Path, weight: int, of_24: int) -> None:
    studio = _two_folders(tmp_path, photos=24, extra=f"    weight: {weight}\n")
    served: list[str] = []
    with studio.start(workers=HeldWorkers) as running:
        workers = running.workers
        while len(served) < 24:
            running.run(until=lambda: len(workers.started) == 8)  # all that may be under way
            served.append(workers.started[0].folder)
            workers.begin_next()
        while running.daemon.exit_code is None:
            running.run(until=lambda: bool(workers.started))
            workers.begin_next()
    assert abs(served.count("weddings") - of_24) <= 1
    invariants.check(studio)


# -- who is to blame, over several folders ------------------------------------------------------------------


@pytest.mark.contract("D5")
def test_company_in_another_folder_makes_a_suspect_and_costs_nothing(tmp_path: Path) -> None:
    studio = _two_folders(tmp_path, photos=1)
    _die_together(studio)
    assert studio.run() == EXIT_FINE
    assert {(row.state, row.attempts) for row in studio.rows()} == {("done", 0)}
    invariants.check(studio)


@pytest.mark.contract("D5")
@pytest.mark.parametrize("gone", ["portraits", "weddings"])
def test_company_in_a_folder_that_is_gone_at_the_restart_costs_nothing(tmp_path: Path, gone: str) -> None:
    """Who was in company is known as well when the company can't be seen yet."""
    studio = _two_folders(tmp_path, photos=1)
    _die_together(studio)
    path = studio.trees[gone].path
    away = path.rename(tmp_path / "away")
    with studio.start(once=None) as running:
        running.run(until=lambda: "done" in [row.state for row in studio.rows()])
        away.rename(path)
        running.run(until=lambda: [row.state for row in studio.rows()] == ["done", "done"])
    assert {row.attempts for row in studio.rows()} == {0}
    invariants.check(studio)


@pytest.mark.contract("D5")
def test_company_that_ended_the_next_life_too_costs_nothing_when_its_folder_is_back(tmp_path: Path) -> None:
    """By then what it ran beside has another end to answer for, and is found no more beside it."""
    studio = _two_folders(tmp_path, photos=1)
    _die_together(studio)
    path = studio.trees["weddings"].path
    away = path.rename(tmp_path / "away")

    def spoil(_: Photo) -> None:
        raise Died("alone")

    with pytest.raises(Died):
        studio.run(spoil=spoil)
    away.rename(path)
    assert studio.run() == EXIT_FINE
    assert {row.folder: (row.state, row.attempts) for row in studio.rows()} == {
        "portraits": ("done", 1),
        "weddings": ("done", 0),
    }
    invariants.check(studio)


@pytest.mark.contract("D5")
def test_company_in_a_folder_that_is_attached_later_than_the_other_costs_nothing(tmp_path: Path) -> None:
    studio = _two_folders(tmp_path, photos=1)
    _die_together(studio)
    slow = {"portraits": "look", "weddings": "attach"}  # which call takes a while, once

    class Slow(HeldHand):
        def ask(self, call: str, work: Callable[[], Any]) -> None:
            if slow.get(self._folder) == call:
                del slow[self._folder]
                self.held = True
            super().ask(call, work)

    with studio.start(hand=Slow, once=None) as running:
        for name in ("weddings", "portraits"):
            running.step()
            running.states[name].hand.go_on()  # type: ignore[attr-defined]
        running.run(until=lambda: [row.state for row in studio.rows()] == ["done", "done"])
    assert {row.attempts for row in studio.rows()} == {0}
    invariants.check(studio)


@pytest.mark.contract("D5", "D6")
def test_company_whose_judgement_can_not_be_written_at_first_costs_nothing(tmp_path: Path) -> None:
    studio = _two_folders(tmp_path, photos=1)
    _die_together(studio)
    full: list[str] = []

    def no_space_once(change: str, name: str) -> None:
        if (change, name) == ("create", ".job.json.tmp") and not full:
            full.append(name)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)

    assert studio.run(disks={"portraits": InterruptedDisk(no_space_once)}) == EXIT_FINE
    assert full
    assert {(row.state, row.attempts) for row in studio.rows()} == {("done", 0)}
    invariants.check(studio)


def _die_together(studio: Studio) -> None:
    """The process dies while a photo of each folder is in its matte."""
    begin: list[Callable[[], None]] = []

    def spoil(_: Photo) -> None:
        begin[0]()
        raise Died("in a matte")

    with pytest.raises(Died), studio.start(spoil=spoil, workers=HeldWorkers) as running:
        begin.append(running.workers.begin_next)
        running.run(until=lambda: len(running.workers.started) == 2)
        running.workers.begin_next()


# -- photos that change, owners that change -----------------------------------------------------------------


class _ChangesWhileRead(Disk):
    """Somebody who still has a claimed photo open writes to it, once, while it is being read."""

    def __init__(self, change: Callable[[Path], None]) -> None:
        self._change = change
        self._changed = False

    def read_at(self, fd: int, length_bytes: int, offset: int) -> bytes:
        path = Path(f"/proc/self/fd/{fd}").readlink()
        if not self._changed and ".bshm/work" in str(path) and path.suffix == ".png":
            self._changed = True
            self._change(path)
        return super().read_at(fd, length_bytes, offset)


def _replace_in_place(path: Path) -> None:
    """Other bytes, as many, and the times as they were: only the time of change tells."""
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-20] ^= 0xFF
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


@pytest.mark.contract("I2")
@pytest.mark.parametrize("change", [_replace_in_place, _append])
def test_a_photo_that_changes_while_it_is_read_is_released_and_settles_anew(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    studio = Studio(tmp_path)
    before = studio.drop("sub/a.png")
    contents: list[bytes] = []

    def changed(path: Path) -> None:
        change(path)
        contents.append(path.read_bytes())

    studio.run(_ChangesWhileRead(changed))
    studio.portraits.originals = {sha256(contents[0]): ["sub/a.png"]}
    assert sha256(before) not in studio.portraits.originals
    (row,) = studio.rows()
    assert (row.attempts, row.sha256) == (0, sha256(contents[0]))
    assert studio.tree("drop") == []
    if row.state == "done":
        invariants.check(studio)


def _with_a_rival(studio: Studio, when: Callable[[str, str], bool]) -> tuple[InterruptedDisk, list[int]]:
    """A disk ahead of one of whose changes another daemon takes the folder, works everything off, and ends."""
    exits: list[int] = []

    def before(change: str, name: str) -> None:
        if not exits and when(change, name):
            exits.append(-1)
            exits[0] = studio.run(state="rival")

    return InterruptedDisk(before), exits


_MOMENTS: dict[str, Callable[[str, str], bool]] = {
    "before its results are written": lambda change, name: change == "create" and name.endswith("-0.part"),
    "before its second result is written": lambda change, name: change == "create" and name.endswith("-1.part"),
}


@pytest.mark.contract("I3")
@pytest.mark.parametrize("moment", _MOMENTS.values(), ids=_MOMENTS)
@pytest.mark.contract("I3", "D3")
def test_an_owner_that_is_lost_on_the_way_lets_go_and_the_other_finishes_once(
    tmp_path: Path, moment: Callable[[str, str], bool]
) -> None:
    studio = Studio(tmp_path, TWO_OUTPUTS)
    studio.drop("a.png")
    studio.drop("b.png")
    disk, rival = _with_a_rival(studio, moment)
    assert studio.run(disk) == EXIT_FINE
    assert rival == [EXIT_FINE]
    assert (studio.tree("results"), studio.tree("mattes")) == (["a.png", "b.png"], ["a.png", "b.png"])
    invariants.check(studio)


@pytest.mark.contract("I3")
def test_a_folder_that_a_living_daemon_owns_is_left_alone(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")
    with studio.start(once=None, living=True) as owner:
        owner.run(until=lambda: owner.state.mode == "watching")
        before = studio.everything()
        assert studio.run(state="rival") == EXIT_OWNED
        assert studio.everything() == before
        owner.run(until=lambda: owner.state.is_idle and not studio.tree("drop"))
    assert studio.tree("results") == ["a.png"]
    invariants.check(studio)
