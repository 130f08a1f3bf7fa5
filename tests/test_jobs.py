"""Jobs: the table of moves, ids that sort, names that fit."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bshm_watchd.jobs import FINAL, MOVES, Plan, Stamp, State, is_id, new_id, numbered
from tests.support.trees import a_job, settings_of

_SETTINGS = settings_of(Path("/srv/hot"))
_any_name = st.binary(min_size=1, max_size=255).filter(lambda name: not {0, 47} & set(name)).map(os.fsdecode)


@pytest.mark.contract("O5")
@pytest.mark.parametrize(("before", "after"), list(itertools.product(State, State)))
def test_only_the_moves_of_the_table_are_possible(before: State, after: State) -> None:
    job = a_job(_SETTINGS, state=before)
    if after in MOVES.get(before, ()):
        assert job.moved(after).state is after
    else:
        with pytest.raises(ValueError, match=f"no move from {before} to {after}"):
            job.moved(after)


def test_a_job_that_is_over_moves_nowhere_and_every_other_can_end() -> None:
    assert {state for state in State if not MOVES.get(state)} == FINAL
    for state in State:
        reached = {state}
        for _ in State:
            reached |= {after for before in reached for after in MOVES.get(before, ())}
        assert reached & FINAL, state


def test_a_published_job_can_only_be_done_or_wait_for_review() -> None:
    """Roll-forward only: nothing published is withdrawn."""
    assert MOVES[State.PUBLISHING] == {State.PUBLISHED}
    assert MOVES[State.PUBLISHED] == {State.DONE, State.REVIEW}


def test_ids_sort_by_the_time_they_were_made() -> None:
    ids = [new_id(wall) for wall in (1.0, 1.25, 2.0, 1_790_000_000.0, 1_790_000_000.5)]
    assert ids == sorted(ids)
    assert all(is_id(one) for one in ids)


def test_ids_made_in_the_same_moment_differ() -> None:
    assert len({new_id(1.0) for _ in range(1000)}) == 1000


@pytest.mark.parametrize("text", ["", "lost+found", "0" * 25, "0" * 27, "I" * 26, "o" * 26, "../" + "0" * 23])
def test_other_names_are_no_ids(text: str) -> None:
    assert not is_id(text)


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [
        ("a.jpg", 1, "a.jpg"),
        ("a.jpg", 2, "a~2.jpg"),
        ("a.tar.jpg", 12, "a.tar~12.jpg"),
        ("a~2.jpg", 2, "a~2~2.jpg"),
        ("noextension", 2, "noextension~2"),
        ("n" * 251 + ".jpg", 1, "n" * 251 + ".jpg"),
        ("n" * 251 + ".jpg", 2, "n" * 249 + "~2.jpg"),
        ("é" * 125 + "x.jpg", 2, "é" * 124 + "~2.jpg"),
        ("\udcff" * 251 + ".jpg", 2, "\udcff" * 249 + "~2.jpg"),
        ("x." + "e" * 253, 2, "x." + "e" * 251 + "~2"),
    ],
)
def test_a_number_stands_before_the_extension_and_the_name_stays_within_255_bytes(
    name: str, number: int, expected: str
) -> None:
    assert numbered(name, number) == expected


@given(_any_name, st.integers(1, 10_000), st.integers(64, 255))
def test_any_name_can_be_numbered_within_any_limit(name: str, number: int, limit: int) -> None:
    given_name = numbered(name, number, limit)
    assert len(os.fsencode(given_name)) <= limit
    assert os.fsdecode(os.fsencode(given_name)) == given_name
    if number == 1 and len(os.fsencode(name)) <= limit:
        assert given_name == name
    if number > 1:
        assert given_name != name
        assert f"~{number}" in given_name


def test_a_rename_alone_does_not_change_what_a_file_is() -> None:
    stamp = Stamp(device=1, inode=2, size=3, mtime_ns=4, ctime_ns=5)
    assert stamp.same_content(replace(stamp, ctime_ns=9))
    for changed in ({"size": 9}, {"mtime_ns": 9}, {"inode": 9}, {"device": 9}):
        assert not stamp.same_content(replace(stamp, **changed))


def test_made_up_inode_numbers_are_left_out_of_the_comparison() -> None:
    stamp = Stamp(device=1, inode=2, size=3, mtime_ns=4, ctime_ns=5)
    assert stamp.same_content(replace(stamp, inode=9, device=9), stable_inodes=False)
    assert not stamp.same_content(replace(stamp, size=9), stable_inodes=False)


def test_a_plan_names_the_root_of_each_output() -> None:
    outputs = [
        {"kind": "cutout", "path": "results/{stem}.png"},
        {"kind": "matte", "path": "/srv/out//mattes/{date}/{stem}.png"},
    ]
    assert Plan.of(settings_of(Path("/srv/hot"), outputs=outputs)).output_roots == ("", "/srv/out/mattes")
