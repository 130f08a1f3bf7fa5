"""The main job, end to end, in one thread and with fake time."""

from __future__ import annotations

from pathlib import Path

import pytest

from bshm_watchd.ending import EXIT_FINE, EXIT_SOME_REJECTED
from tests.support import invariants
from tests.support.studio import Studio


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def test_a_dropped_photo_becomes_a_cutout_and_is_filed(studio: Studio) -> None:
    studio.drop("anna.png")
    assert studio.run() == EXIT_FINE
    assert studio.tree("results") == ["anna.png"]
    assert studio.tree("drop") == []
    assert [path.name for path in (studio.hot / "done").rglob("*.png")] == ["anna.png"]
    invariants.check(studio)


def test_strange_names_come_through_unchanged(studio: Studio) -> None:
    names = ["été (1).PNG", "-rf.png", "two\nlines.png", "\udcff\udcfe.png", "{stem}.png", "n" * 251 + ".png"]
    for name in names:
        studio.drop(name)
    assert studio.run() == EXIT_FINE
    assert {path.name for path in (studio.hot / "done").rglob("*") if path.is_file()} == set(names)
    invariants.check(studio)


def test_photos_of_the_same_stem_do_not_meet(studio: Studio) -> None:
    studio.drop("a.png")
    studio.drop("a.PNG")
    assert studio.run() == EXIT_FINE
    assert studio.tree("results") == ["a.png", "a~2.png"]
    invariants.check(studio)


def test_broken_photos_are_rejected_and_the_others_done(studio: Studio) -> None:
    studio.drop("good.png")
    studio.drop("cut.png", studio.drop("whole.png")[:-20])
    studio.drop("text.jpg", b"this is no photo")
    assert studio.run() == EXIT_SOME_REJECTED
    assert studio.tree("rejected") == ["cut.png", "cut.png.error.json", "text.jpg", "text.jpg.error.json"]
    assert studio.tree("results") == ["good.png", "whole.png"]
    invariants.check(studio)


def test_trees_are_mirrored(studio: Studio) -> None:
    studio.drop("shoot 1/raw/a.png")
    assert studio.run() == EXIT_FINE
    assert studio.tree("results") == ["shoot 1/raw/a.png"]
    invariants.check(studio)


def test_a_rejected_photo_leaves_no_empty_directories_among_the_results(studio: Studio) -> None:
    studio.drop("shoot/text.jpg", b"this is no photo")
    assert studio.run() == EXIT_SOME_REJECTED
    assert not (studio.hot / "results").exists()


def test_a_foreign_file_in_a_work_directory_stops_nobody(studio: Studio) -> None:
    studio.drop("anna.png")

    def meddle(_: object) -> None:
        for work in (studio.hot / ".bshm" / "work").iterdir():
            (work / "Thumbs.db").write_bytes(b"left by a file browser")

    assert studio.run(spoil=meddle) == EXIT_FINE
    assert studio.tree("results") == ["anna.png"]
