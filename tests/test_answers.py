"""What the control socket's requests get from the daemon."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.answers import BadRequest
from bshm_watchd.events import Asked, StopAsked
from bshm_watchd.jobs import State
from bshm_watchd.status import DeviceStatus, FolderMode, GpuFigures
from tests.support.studio import Running, Studio
from tests.support.workers import HeldWorkers


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


def _ask(running: Running, verb: str, **arguments: Any) -> dict[str, Any]:
    asked = Asked(verb, arguments, Future())
    running.inbox.put(asked)
    running.step()
    return asked.answer.result(timeout=0)


def _folder(running: Running) -> dict[str, Any]:
    (folder,) = _ask(running, "status")["folders"]
    return dict(folder)


def _idle(studio: Studio, **options: Any) -> Running:
    """A daemon that stays when all is done."""
    return studio.start(once=None, **options)


def _until_idle(running: Running) -> None:
    running.run(until=lambda: running.daemon.ready and running.state.is_idle)


@pytest.mark.contract("O6")
def test_a_daemon_that_has_just_begun_is_starting(studio: Studio) -> None:
    with _idle(studio) as running:
        running.inbox.take(0)  # the model is not there yet
        status = _ask(running, "status")
        assert (status["state"], status["ready"], status["model"], status["device"]["kind"]) == (
            "starting", False, "arithmetic", "cpu",
        )  # fmt: skip


@pytest.mark.contract("O6")
def test_a_daemon_with_nothing_to_do_is_idle(studio: Studio) -> None:
    with _idle(studio) as running:
        _until_idle(running)
        status = _ask(running, "status")
        assert (status["state"], status["ready"], status["in_flight_bytes"], status["finished"]) == ("idle", True, 0, 0)


def test_what_was_done_is_counted_also_what_earlier_lives_did(studio: Studio) -> None:
    studio.drop("a.png")
    studio.drop("text.jpg", b"this is no photo")
    with _idle(studio) as running:
        _until_idle(running)
        assert _ask(running, "status")["finished"] == 2
        assert (_folder(running)["done"], _folder(running)["rejected"], _folder(running)["failed"]) == (1, 1, 0)


@pytest.mark.contract("O6")
def test_a_photo_that_waits_makes_the_daemon_busy_and_its_age_is_told(studio: Studio) -> None:
    with _idle(studio) as running:
        _until_idle(running)
        studio.drop("a.png")
        running.run(until=lambda: running.state.waiting > 0)
        studio.clock.advance(0.5)
        assert _ask(running, "status")["state"] == "busy"
        folder = _folder(running)
        assert folder["waiting"] == 1
        assert 0.5 <= folder["oldest_waiting_seconds"] <= 5


def test_a_photo_in_work_is_told_with_its_memory(studio: Studio) -> None:
    studio.drop("a.png")
    with _idle(studio, workers=HeldWorkers) as running:
        running.run(until=lambda: running.state.in_flight > 0)
        status = _ask(running, "status")
        assert (status["state"], status["folders"][0]["in_flight"]) in [("starting", 1), ("busy", 1)]
        assert status["in_flight_bytes"] > 0


def test_files_that_are_no_photos_or_can_not_be_taken_are_told(studio: Studio) -> None:
    (studio.hot / "drop" / "notes.txt").write_bytes(b"x")
    (studio.hot / "drop" / "empty.png").write_bytes(b"")
    with _idle(studio) as running:
        _until_idle(running)
        assert (_folder(running)["not_photos"], _folder(running)["left"]) == (1, 1)


@pytest.mark.contract("O6")
def test_a_folder_that_is_gone_degrades_the_daemon_and_says_why(studio: Studio) -> None:
    with _idle(studio) as running:
        _until_idle(running)
        shutil.move(studio.hot, studio.base / "away")
        running.run(until=lambda: running.state.mode == "unreachable")
        assert _ask(running, "status")["state"] == "degraded"
        assert (_folder(running)["state"], str(studio.hot) in _folder(running)["reason"]) == ("unreachable", True)
        shutil.move(studio.base / "away", studio.hot)
        running.run(until=lambda: running.state.mode == "watching")
        assert _ask(running, "status")["state"] == "idle"


@pytest.mark.contract("G1", "O6")
def test_a_daemon_that_computes_on_the_cpu_instead_of_a_gpu_is_degraded_and_says_why(studio: Studio) -> None:
    with _idle(studio, device=DeviceStatus("cpu", "on the CPU", fell_back="no driver")) as running:
        _until_idle(running)
        status = _ask(running, "status")
        assert (status["state"], status["device"]["fell_back"]) == ("degraded", "no driver")


def test_a_gpu_is_told_with_its_figures(studio: Studio) -> None:
    device = DeviceStatus("gpu", "on GPU 1", 1, "RTX 4090", None, GpuFigures(5100, 24564, 89))
    with _idle(studio, device=device) as running:
        _until_idle(running)
        status = _ask(running, "status")
        assert status["state"] == "idle"
        assert status["device"] == {
            "kind": "gpu", "computed": "on GPU 1", "index": 1, "name": "RTX 4090", "fell_back": None,
            "gpu": {"memory_used_mib": 5100, "memory_total_mib": 24564, "utilisation_percent": 89, "problem": None},
        }  # fmt: skip


def test_a_daemon_that_is_about_to_end_says_so(studio: Studio) -> None:
    studio.drop("a.png")
    with _idle(studio, workers=HeldWorkers) as running:
        running.run(until=lambda: running.state.in_flight > 0)
        running.inbox.put(StopAsked(15))
        assert _ask(running, "status")["state"] == "draining"


@pytest.mark.parametrize(
    ("verb", "arguments", "why"),
    [
        ("dance", {}, "unknown request 'dance'"),
        ("folder_take", {"name": "portrait"}, "no hot folder is named portrait; did you mean portraits?"),
        ("folder_adopt", {"name": "xyz"}, "no hot folder is named xyz; there are: portraits"),
        ("folder_take", {}, "no hot folder is named None"),
        ("folder_take", {"name": "portraits"}, "is being watched already; there is nothing to do"),
        ("folder_adopt", {"name": "portraits"}, "is being watched already; there is nothing to do"),
    ],
)
def test_a_request_that_can_not_be_done_says_what_to_change(
    studio: Studio, verb: str, arguments: dict[str, str], why: str
) -> None:
    with _idle(studio) as running:
        _until_idle(running)
        with pytest.raises(BadRequest) as caught:
            _ask(running, verb, **arguments)
        assert why in str(caught.value)
        assert _ask(running, "status")["state"] == "idle"


def _strip_marker(studio: Studio) -> None:
    (studio.hot / ".bshm" / "folder.json").unlink()


def _foreign_owner(studio: Studio) -> None:
    record = studio.hot / ".bshm" / "owner"
    theirs = record.read_text().replace('"machine_id": "', '"machine_id": "another').replace('"host": "', '"host": "x')
    record.write_text(theirs.replace('"incarnation": "', '"incarnation": "another'))


@pytest.mark.parametrize(
    ("spoil", "mode", "verb"),
    [(_strip_marker, "unreachable", "folder_adopt"), (_foreign_owner, "owned_elsewhere", "folder_take")],
)
def test_a_folder_is_watched_again_once_it_is_adopted_or_taken(
    studio: Studio, spoil: Callable[[Studio], None], mode: str, verb: str
) -> None:
    with _idle(studio) as running:
        _until_idle(running)
        spoil(studio)
        running.state.trouble(FolderMode.HELD, "so that it is attached again", studio.clock.monotonic())
        running.run(until=lambda: running.state.mode == mode)
        assert _ask(running, verb, name="portraits") == {"name": "portraits", "asked": verb.removeprefix("folder_")}
        running.step()
        assert running.state.mode == "watching"
        studio.drop("a.png")
        _until_idle(running)
        running.run(until=lambda: studio.tree("results") == ["a.png"])


def _job_id(running: Running) -> str:
    (row,) = running.journal.jobs()
    return row.id


def test_a_rejected_photo_that_is_requeued_is_worked_on_again(studio: Studio) -> None:
    studio.drop("text.jpg", b"this is no photo")
    with _idle(studio) as running:
        _until_idle(running)
        old = _job_id(running)
        (done,) = _ask(running, "requeue", ids=[old])["requeued"]
        assert done["id"] == old
        running.run(until=lambda: running.daemon.tally.count(State.REJECTED) == 2)
        again = _ask(running, "requeue", ids=[old])
        assert again["requeued"] == []
        assert again["failed"] == [{"id": old, "why": f"already requeued, as job {done['new_id']}"}]


def test_every_id_of_a_requeue_is_answered_for(studio: Studio) -> None:
    studio.drop("a.png")
    with _idle(studio) as running:
        _until_idle(running)
        old, unknown = _job_id(running), "0" * 26
        answer = _ask(running, "requeue", ids=[unknown, old, unknown])
        assert [one["id"] for one in answer["requeued"]] == [old]
        assert [one["id"] for one in answer["failed"]] == [unknown, unknown]
        assert "jobs list shows them" in answer["failed"][0]["why"]


def test_a_requeue_of_nothing_is_answered_too(studio: Studio) -> None:
    with _idle(studio) as running:
        _until_idle(running)
        assert _ask(running, "requeue") == {"requeued": [], "failed": []}


def test_an_original_that_was_moved_away_can_not_be_requeued_and_nothing_changes(studio: Studio) -> None:
    studio.drop("a.png")
    with _idle(studio) as running:
        _until_idle(running)
        (filed,) = (studio.hot / "done").rglob("a.png")
        filed.rename(studio.base / "taken.png")
        before = studio.everything()
        (failed,) = _ask(running, "requeue", ids=[_job_id(running)])["failed"]
        assert "the original is no longer at done/" in failed["why"]
        assert studio.everything() == before


def test_a_photo_that_is_still_in_work_can_not_be_requeued(studio: Studio) -> None:
    studio.drop("a.png")
    with _idle(studio, workers=HeldWorkers) as running:
        running.run(until=lambda: bool(running.journal.jobs()))
        (failed,) = _ask(running, "requeue", ids=[_job_id(running)])["failed"]
        assert "only done, review, rejected and failed ones can be requeued" in failed["why"]
