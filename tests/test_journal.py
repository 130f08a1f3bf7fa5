"""The index and history: it can be lost, damaged or full, and no photo is."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bshm_watchd.disk.ops import Disk
from bshm_watchd.ending import EXIT_FINE
from bshm_watchd.errors import ConfigError, PlaceUnavailable, ProgramEnding
from bshm_watchd.jobs import Job, Place, Problem, Result, State
from bshm_watchd.journal import JOURNAL_NAME, Journal
from tests.support import invariants
from tests.support.clock import FakeClock
from tests.support.disks import Died, DyingDisk
from tests.support.studio import Studio
from tests.support.trees import BROKEN, WALL, TellingDisk, a_job, mode_of, settings_of, tmpfs

_SETTINGS = settings_of(Path("/srv/hot"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / JOURNAL_NAME


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    with Journal(path, FakeClock()) as opened:
        yield opened


def _job(number: int = 0, **changes: object) -> Job:
    """Jobs whose ids sort by their number."""
    return replace(a_job(_SETTINGS), id=f"{number:026d}", **changes)  # type: ignore[arg-type]


def test_a_job_comes_back_as_it_was(journal: Journal) -> None:
    target = Place("/out", "results/\udcff", "a~2.png")
    job = _job(
        name="\udcff\n.png", relative_dir="sub/\udcfe", state=State.REJECTED, attempts=2, suspect=True, sha256="ab",
        results=(Result("cutout", target, ".t", "cd", 7),), filed_as=Place("", "rejected/\udcfe", "\udcff~2.png"),
        problem=BROKEN, finished_wall=WALL + 1,
    )  # fmt: skip
    journal.record(job)
    row = journal.find(job.id)
    assert row is not None
    assert (row.name, row.relative_dir, row.filed_as) == (job.name, job.relative_dir, job.filed_as)
    assert (row.state, row.attempts, row.suspect, row.size_bytes) == ("rejected", 2, True, job.stamp.size)
    assert row.results == ("/out/results/\udcff/a~2.png",)
    assert (row.reason, row.message, row.what_to_do) == ("broken", "it is broken", "send another")
    assert (row.claimed_wall, row.finished_wall, row.requeued_as) == (WALL, WALL + 1, None)


def test_several_jobs_are_remembered_all_or_none(journal: Journal) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        journal.record_all([_job(1), _job(2, folder=None)])
    assert journal.jobs() == []
    journal.record_all([_job(1), _job(2)])
    journal.record_all([_job(2, state=State.REJECTED), _job(3)])
    assert [(row.id[-1], row.state) for row in journal.jobs()] == [
        ("3", "claiming"),
        ("2", "rejected"),
        ("1", "claiming"),
    ]


def test_a_message_that_names_a_file_which_is_no_text_is_remembered_readably(journal: Journal) -> None:
    journal.record(_job(problem=Problem("broken", "\udcff.jpg is broken", "rename \udcff.jpg")))
    row = journal.jobs()[0]
    assert row.message == "\\xff.jpg is broken"


def test_the_same_job_again_replaces_what_was_known_but_not_what_became_of_it(journal: Journal) -> None:
    journal.record(_job(1))
    journal.record_requeued(_job(1).id, _job(2).id)
    journal.record(_job(1, state=State.DONE))
    (row,) = journal.jobs()
    assert (row.state, row.requeued_as) == ("done", _job(2).id)


def test_jobs_are_told_newest_first_a_page_at_a_time(journal: Journal) -> None:
    for number in range(25):
        journal.record(_job(number, state=State.DONE if number % 2 else State.FAILED))
    pages, before = [], "~"
    while page := journal.jobs(limit=10, before=before):
        pages.append([int(row.id) for row in page])
        before = page[-1].id
    assert pages == [list(range(24, 14, -1)), list(range(14, 4, -1)), list(range(4, -1, -1))]
    assert [int(row.id) for row in journal.jobs(states=["failed"], limit=3)] == [24, 22, 20]
    assert journal.jobs(folder="another") == []
    assert len(journal.jobs(folder="portraits", states=["done", "failed"])) == 25


def test_jobs_are_counted_by_folder_and_state(journal: Journal) -> None:
    for number, state in enumerate((State.DONE, State.DONE, State.REJECTED)):
        journal.record(_job(number, state=state))
    journal.record(_job(9, folder="another", state=State.FAILED))
    assert journal.counts("portraits") == {"done": 2, "rejected": 1}
    assert journal.counts("nobody") == {}


def test_only_jobs_under_way_are_unfinished(journal: Journal) -> None:
    for number, state in enumerate(State):
        journal.record(_job(number, state=state))
    unfinished = {row.state for row in journal.jobs() if row.id in journal.unfinished("portraits")}
    assert unfinished == {"claiming", "claimed", "running", "publishing", "published", "rejecting", "failing"}
    assert journal.unfinished("another") == []


def test_a_claim_that_did_not_happen_leaves_no_history(journal: Journal) -> None:
    journal.record(_job())
    journal.forget(_job().id)
    assert journal.jobs() == []


def _marks(path: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM marks")}


@pytest.mark.contract("D5")
def test_a_process_is_remembered_as_long_as_a_job_that_ran_in_it_is_unfinished(journal: Journal, path: Path) -> None:
    journal.record(_job(1, state=State.RUNNING, ran_in="01A"))
    for incarnation in ("01A", "01B", "01C"):
        journal.mark_company(incarnation)
        journal.mark_clean_stop(incarnation)
    assert [journal.stopped_cleanly(each) for each in ("01A", "01B", "01C")] == [True, False, True]
    assert [journal.had_company(each) for each in ("01A", "01B")] == [True, False]
    journal.record(_job(1, state=State.DONE, ran_in="01C"))
    journal.mark_clean_stop("01D")
    assert _marks(path) == {"stopped_cleanly:01D"}


def test_what_was_recorded_is_there_after_a_restart_and_private(path: Path) -> None:
    with Journal(path, FakeClock()) as journal:
        journal.record(_job())
    with Journal(path, FakeClock()) as journal:
        assert len(journal.jobs()) == 1
    assert mode_of(path) == 0o600


@pytest.mark.contract("D7")
def test_what_was_recorded_is_there_although_the_process_was_killed(path: Path) -> None:
    child = os.fork()
    if child == 0:
        journal = Journal(path, FakeClock()).__enter__()
        journal.record(_job())
        os._exit(9)
    os.waitpid(child, 0)
    with Journal(path, FakeClock()) as journal:
        assert len(journal.jobs()) == 1


def test_an_error_of_the_programs_own_damages_no_history(journal: Journal, path: Path) -> None:
    journal.record(_job())
    with pytest.raises(sqlite3.IntegrityError):
        journal.record(_job(1, sha256=None))
    assert len(journal.jobs()) == 1
    assert not list(path.parent.glob("*.damaged-*"))


def test_a_file_emptied_by_a_power_cut_is_a_new_journal(path: Path) -> None:
    path.write_bytes(b"")
    with Journal(path, FakeClock()) as journal:
        assert journal.jobs() == []


def test_a_journal_that_can_not_be_opened_is_the_operators_and_stays_what_it_is(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ConfigError, match=JOURNAL_NAME), Journal(path, FakeClock()):
        pass
    assert path.is_dir()


@pytest.mark.contract("D6", "D7")
def test_a_full_disk_damages_no_history_and_is_the_places_fault(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "state", "size=256k") as state:
        path = state / JOURNAL_NAME
        with Journal(path, FakeClock()) as journal:
            journal.record(_job(0))
            with pytest.raises(PlaceUnavailable, match=r"full.*work resumes by itself"):
                for number in range(1, 5000):
                    journal.record(_job(number))
            kept = len(journal.jobs(limit=5000))
            assert kept > 1
        with Journal(path, FakeClock()) as journal:
            assert len(journal.jobs(limit=5000)) == kept
        assert not list(state.glob("*.damaged-*"))


def test_a_worker_that_comes_after_the_end_is_told_that_the_program_ends(path: Path) -> None:
    with pytest.raises(ProgramEnding, match="closed"):
        Journal(path, FakeClock()).record(_job())


@pytest.mark.contract("D7", "D3")
@pytest.mark.parametrize("damage", ["lost", "damaged"])
def test_losing_the_journal_at_any_moment_loses_no_photo_and_makes_no_second_set(fast_path: Path, damage: str) -> None:
    def crashed(at: int) -> Studio | None:
        studio = Studio(fast_path / str(at))
        studio.drop("a.png")
        try:
            studio.run(DyingDisk(at))
        except Died:
            return studio
        return None

    at = 0
    while (studio := crashed(at)) is not None:
        journal = studio.base / "state" / JOURNAL_NAME
        if damage == "lost":
            for file in journal.parent.glob(f"{JOURNAL_NAME}*"):
                file.unlink()
        else:
            journal.write_bytes(b"x" * 5000)
        assert studio.run(Disk()) == EXIT_FINE
        assert studio.tree("results") == ["a.png"], f"change {at}"
        invariants.check(studio)
        at += 5
    assert at > 40


@pytest.mark.contract("D7")
def test_a_job_under_way_goes_on_under_its_id_in_a_rebuilt_journal(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")

    def die_in_publishing(change: str, arguments: tuple[object, ...]) -> None:
        if change == "write" and b'"publishing"' in bytes(arguments[1]):  # type: ignore[call-overload]
            raise Died

    with pytest.raises(Died):
        studio.run(TellingDisk(die_in_publishing))
    (work,) = (path.name for path in (studio.hot / ".bshm" / "work").iterdir() if path.is_dir())
    for file in (tmp_path / "state").glob(f"{JOURNAL_NAME}*"):
        file.unlink()
    assert studio.run() == EXIT_FINE
    with Journal(tmp_path / "state" / JOURNAL_NAME, FakeClock()) as journal:
        assert [(row.id, row.relative, row.state) for row in journal.jobs()] == [(work, "a.png", "done")]
