"""A journal that is damaged is put aside, never removed, and a new one begun: it costs history, and holds nobody up."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from bshm_watchd.jobs import Job, Place, State
from bshm_watchd.journal import JOURNAL_NAME, Journal
from tests.support.clock import FakeClock
from tests.support.contracts import Evidence
from tests.support.trees import BROKEN, a_job, settings_of

_SETTINGS = settings_of(Path("/srv/hot"))
_FLIPS = 300


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / JOURNAL_NAME


def _job(number: int = 0, **changes: object) -> Job:
    """Jobs whose ids sort by their number."""
    return replace(a_job(_SETTINGS), id=f"{number:026d}", **changes)  # type: ignore[arg-type]


def _full_journal(path: Path) -> None:
    with Journal(path, FakeClock()) as journal:
        for number in range(500):
            journal.record(_job(number))


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _spoil_the_beginning(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 100 + path.read_bytes()[2100:])


def _spoil_all_but_the_beginning(path: Path) -> None:
    _spoil_pages(path, 2)


def _spoil_pages(path: Path, first: int) -> None:
    content = bytearray(path.read_bytes())
    for page in range(first, len(content) // 4096):
        content[page * 4096 : page * 4096 + 200] = b"\xaa" * 200
    path.write_bytes(bytes(content))


@pytest.mark.contract("D7")
@pytest.mark.parametrize("damage", [_cut, _spoil_the_beginning, _spoil_all_but_the_beginning])
def test_a_damaged_journal_is_put_aside_and_a_new_one_begun(path: Path, damage: object) -> None:
    _full_journal(path)
    damage(path)  # type: ignore[operator]
    damaged = path.read_bytes()
    with Journal(path, FakeClock(wall=7.0)) as journal:
        assert journal.jobs() == []
        journal.record(_job())
    assert path.with_name(f"{JOURNAL_NAME}.damaged-7").read_bytes() == damaged
    with Journal(path, FakeClock()) as journal:
        assert len(journal.jobs()) == 1


@pytest.mark.contract("D7")
@pytest.mark.parametrize("first", [3, 8, 20])
def test_damage_that_only_shows_while_working_begins_a_new_journal_too(path: Path, first: int) -> None:
    """Also when opening it again would not show it: else no restart would ever get past it."""
    _full_journal(path)
    _spoil_pages(path, first)
    with Journal(path, FakeClock()) as journal:
        for number in range(500, 600):
            journal.record(_job(number, state=State.DONE))
        journal.counts("portraits")
        assert len(journal.jobs(limit=100)) == 100
    assert len(list(path.parent.glob("*.damaged-*"))) == 1


def _flipped(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice((1, 3, 20))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


@pytest.mark.contract("D7")
def test_whatever_bits_are_flipped_the_journal_answers_or_is_begun_anew(fast_path: Path, evidence: Evidence) -> None:
    """Also where SQLite sees nothing wrong: a text that is none, a list that is none, a name that is a number."""
    whole = fast_path / JOURNAL_NAME
    with Journal(whole, FakeClock()) as journal:
        for number, state in enumerate([*State] * 8):
            journal.record(_job(number, state=state, filed_as=Place("", "done", "a.png"), problem=BROKEN))
    content, chance, begun = whole.read_bytes(), random.Random(7), 0
    for number in range(_FLIPS):
        path = fast_path / str(number) / JOURNAL_NAME
        path.parent.mkdir()
        path.write_bytes(_flipped(content, chance))
        with Journal(path, FakeClock()) as journal:
            for job_id in journal.unfinished("portraits"):
                journal.find(job_id)
            journal.jobs(limit=1000)
            journal.record(_job(3, state=State.DONE))
            journal.record(_job(1000))
            journal.find(_job(1000).id)
            journal.counts("portraits")
        begun += bool(list(path.parent.glob("*.damaged-*")))
        shutil.rmtree(path.parent)
    assert 0 < begun < _FLIPS
    evidence(damages_done=_FLIPS)


@pytest.mark.contract("D7")
@pytest.mark.parametrize("value", ["'no list'", "'[\"torn'", "7", "x'ff'", "CAST(x'ff41' AS TEXT)"])
@pytest.mark.parametrize("column", ["results", "filed_as", "name", "message"])
def test_a_row_that_makes_no_sense_holds_nobody_up(path: Path, column: str, value: str) -> None:
    with Journal(path, FakeClock()) as journal:
        journal.record(_job())
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"UPDATE jobs SET {column} = {value}")
    with Journal(path, FakeClock()) as journal:
        journal.jobs()
        journal.record(_job(1))
        assert journal.find(_job(1).id) is not None


@pytest.mark.contract("D7")
def test_the_database_of_another_program_is_put_aside_with_all_that_belongs_to_it(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("CREATE TABLE jobs (id TEXT, boss TEXT); INSERT INTO jobs VALUES ('1', 'me')")
    with Journal(path, FakeClock(wall=7.0)) as journal:
        journal.record(_job())
        assert len(journal.jobs()) == 1
    with contextlib.closing(sqlite3.connect(path.with_name(f"{JOURNAL_NAME}.damaged-7"))) as connection:
        assert connection.execute("SELECT boss FROM jobs").fetchall() == [("me",)]


@pytest.mark.contract("D7")
def test_damage_twice_in_a_second_overwrites_nothing_that_was_put_aside(path: Path) -> None:
    for content in (b"one" * 1000, b"two" * 1000):
        path.write_bytes(content)
        with Journal(path, FakeClock(wall=7.0)):
            pass
    aside = {file.read_bytes() for file in path.parent.glob(f"{JOURNAL_NAME}.damaged-7*") if file.suffix != ".wal"}
    assert {b"one" * 1000, b"two" * 1000} <= aside
