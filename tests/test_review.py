"""Photos whose matte is doubtful: published all the same, and put where somebody looks."""

from __future__ import annotations

import contextlib
import itertools
import json
from pathlib import Path

from bshm_watchd.ending import EXIT_FINE
from bshm_watchd.jobs import State
from tests.support import invariants
from tests.support.disks import Died, DyingDisk
from tests.support.studio import Studio, nobody


def test_a_doubtful_photo_is_published_and_its_original_waits_in_review_with_a_note(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("sub/wall.png", nobody())
    assert studio.run() == EXIT_FINE
    assert studio.tree("results") == ["sub/wall.png"]
    assert studio.tree("review") == ["sub/wall.png", "sub/wall.png.error.json"]
    assert studio.tree("done") == []
    note = json.loads((studio.hot / "review/sub/wall.png.error.json").read_text())
    assert (note["reason"], note["what_to_do"].split(";")[0]) == ("empty", "look at the result")
    assert note["message"] == "nobody was found: the matte covers 0.00% of the picture"
    (row,) = studio.rows()
    assert (row.state, row.reason, row.results) == ("review", "empty", ("results/sub/wall.png",))
    invariants.check(studio)


def test_a_folder_may_do_without_review(tmp_path: Path) -> None:
    studio = Studio(tmp_path, "    review: false\n")
    studio.drop("wall.png", nobody())
    assert studio.run() == EXIT_FINE
    assert studio.tree("review") == []
    assert len(studio.tree("done")) == 1


def test_a_doubtful_original_is_never_deleted(tmp_path: Path) -> None:
    studio = Studio(tmp_path, "    originals: {done: delete}\n")
    studio.drop("wall.png", nobody())
    studio.drop("anna.png")
    assert studio.run() == EXIT_FINE
    assert studio.tree("review") == ["wall.png", "wall.png.error.json"]
    assert studio.tree("results") == ["anna.png", "wall.png"]


def test_a_name_taken_in_review_is_not_overwritten(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    for _ in range(2):
        studio.drop("wall.png", nobody())
        studio.run()
    assert [name for name in studio.tree("review") if name.endswith(".png")] == ["wall.png", "wall~2.png"]
    assert studio.tree("results") == ["wall.png", "wall~2.png"]
    invariants.check(studio)


def test_a_note_that_was_left_behind_takes_its_number_for_result_and_original_alike(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    (studio.hot / "review").mkdir()
    (studio.hot / "review" / "wall.png.error.json").write_text("{}")
    studio.drop("wall.png", nobody())
    assert studio.run() == EXIT_FINE
    assert studio.tree("results") == ["wall~2.png"]
    assert studio.tree("review") == ["wall.png.error.json", "wall~2.png", "wall~2.png.error.json"]


def test_a_doubtful_photo_can_be_requeued_and_its_old_note_goes(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    content = studio.drop("wall.png", nobody())
    studio.run()
    (row,) = studio.rows()
    with studio.start(once=None) as running:
        running.run(until=lambda: running.state.mode == "watching")
        assert len(running.requeue(row.id)["requeued"]) == 1
        running.run(until=lambda: running.state.is_idle)
        assert running.daemon.tally.count(State.REVIEW) == 1
    assert studio.tree("review") == ["wall~2.png", "wall~2.png.error.json"]
    assert studio.tree("results") == ["wall.png", "wall~2.png"]
    assert (studio.hot / "review/wall~2.png").read_bytes() == content


def test_a_death_at_any_change_never_deletes_a_doubtful_original(fast_path: Path) -> None:
    for at in itertools.count():
        studio, disk = Studio(fast_path / str(at), "    originals: {done: delete}\n"), DyingDisk(at)
        studio.drop("wall.png", nobody())
        with contextlib.suppress(Died):
            studio.run(disk)
        assert studio.run() == EXIT_FINE
        invariants.each_original_is_in_one_place(studio.portraits)
        assert studio.tree("review") == ["wall.png", "wall.png.error.json"]
        assert studio.tree("results") == ["wall.png"]
        if not disk.dead:
            break
    assert at > 30
