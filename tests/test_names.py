"""Where results and originals go."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bshm_watchd.delivery.names import filed_place, names
from bshm_watchd.jobs import Job, Place, Problem, State
from tests.support.trees import WALL, a_job, settings_of

_any_name = st.binary(min_size=1, max_size=255).filter(lambda name: not {0, 47} & set(name)).map(os.fsdecode)


@pytest.fixture
def in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def _job(name: str, relative_dir: str = "", path: str = "results/{relative_dir}/{stem}.png", **options: Any) -> Job:
    settings = settings_of(Path("/srv/hot"), outputs=[{"kind": "cutout", "path": path}], **options)
    return a_job(settings, name, relative_dir)


@pytest.mark.parametrize(
    ("path", "name", "relative_dir", "expected"),
    [
        ("results/{relative_dir}/{stem}.png", "a.jpg", "", "results/a.png"),
        ("results/{relative_dir}/{stem}.png", "a.jpg", "shoot 1/raw", "results/shoot 1/raw/a.png"),
        ("cut/{relative_dir}/{stem}-cut.png", "a.b.jpg", "", "cut/a.b-cut.png"),
        ("{stem}.png", "{stem}.jpg", "", "{stem}.png"),
        (
            "a/{relative_dir}/{stem}.png",
            "{date}{x}.jpg",
            "{stem}/{relative_dir}",
            "a/{stem}/{relative_dir}/{date}{x}.png",
        ),
        ("results/{stem}.png", "\udcff\udcfe.jpg", "", "results/\udcff\udcfe.png"),
        ("results/{stem}.png", "two\nlines.jpg", "", "results/two\nlines.png"),
    ],
)
def test_a_result_is_named_by_its_template(path: str, name: str, relative_dir: str, expected: str) -> None:
    (target,) = names(_job(name, relative_dir, path), 1).targets
    assert target.path == expected


@pytest.mark.parametrize(
    ("path", "root", "directory"),
    [
        ("/srv/out/{relative_dir}/{stem}.png", "/srv/out", "sub"),
        ("/srv/out/{stem}.png", "/srv/out", ""),
        ("/srv/out/by-{relative_dir}/{stem}.png", "/srv/out", "by-sub"),
        ("/srv//out/./mattes/{relative_dir}/{stem}.png", "/srv/out/mattes", "sub"),
        ("/srv/out/pre-{stem}.png", "/srv/out", ""),
    ],
)
def test_an_absolute_template_leads_below_its_own_root(path: str, root: str, directory: str) -> None:
    (target,) = names(_job("a.jpg", "sub", path), 1).targets
    assert (target.root, target.directory) == (root, directory)
    assert target.name.endswith("a.png")


def test_a_number_is_shared_by_all_results_and_the_original() -> None:
    chosen = names(_job("a.jpg", "sub"), 3)
    assert [place.name for place in chosen.places] == ["a~3.png", "a~3.jpg"]


def test_the_original_goes_to_done_by_the_date_of_its_claim(in_berlin: None) -> None:
    late = a_job(settings_of(Path("/srv/hot")), "a.jpg", "sub", claimed_wall=1_782_856_799.0)  # 23:59:59 there
    assert filed_place(late, 1) == Place("", "done/2026-06-30/sub", "a.jpg")


def test_a_deleted_original_has_no_name() -> None:
    chosen = names(_job("a.jpg", originals={"done": "delete"}), 1)
    assert chosen.filed is None
    assert chosen.places == chosen.targets


def test_a_doubtful_photo_is_kept_for_review_even_where_originals_are_deleted() -> None:
    job = replace(_job("a.jpg", "sub", originals={"done": "delete"}), problem=Problem("empty", "nobody", "look"))
    assert names(job, 2).filed == Place("", "review/sub", "a~2.jpg")


def test_a_long_name_leaves_room_for_its_sidecar() -> None:
    place = filed_place(replace(_job("é" * 125 + ".jpg", "sub"), state=State.REJECTING), 1)
    assert place is not None
    assert place.directory == "rejected/sub"
    assert place.name == "é" * 120 + ".jpg"
    assert len(os.fsencode(place.name + ".error.json")) <= 255


@pytest.mark.contract("P9")
@given(_any_name, st.integers(1, 1000))
def test_every_name_of_any_photo_fits_and_stays_in_its_directory(name: str, number: int) -> None:
    job = _job(name, "sub")
    chosen = names(job, number)
    for place in (*chosen.places, filed_place(replace(job, state=State.FAILING), number)):
        assert place is not None
        assert "/" not in place.name and place.name not in ("", ".", "..")
        assert len(os.fsencode(place.name)) <= 255
    assert [place.directory for place in chosen.targets] == ["results/sub"]
    assert job.claimed_wall == WALL
