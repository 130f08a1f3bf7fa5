"""`bshm-watchd jobs`: history through the daemon and without one, and trying again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.events import Asked
from bshm_watchd.jobs import State
from bshm_watchd.journal import JOURNAL_NAME, Journal
from tests.support.asked import WALL, Configured, a_daemon, configured, finished_job, typed, write_journal
from tests.support.clock import FakeClock
from tests.support.studio import png
from tests.support.terminal import on_a_terminal

DONE = finished_job("anna.jpg")
REJECTED = finished_job("half.jpg", State.REJECTED, reason="incomplete", wall=WALL + 10)
FAILED = finished_job("odd.jpg", State.FAILED, folder="school", reason="attempts_used_up", wall=WALL + 20)


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configured:
    studio = configured(tmp_path, monkeypatch)
    studio.add(f"  - name: school\n    path: {tmp_path}/school\n")
    write_journal(studio.state_dir, DONE, REJECTED, FAILED)
    return studio


def listed(*options: str) -> list[str]:
    told = typed("jobs", "list", *options, "--json")
    assert told.code == 0, told.err
    return [job["name"] for job in json.loads(told.out)["jobs"]]


def refuse(asked: Asked) -> Any:
    raise AssertionError(f"history is not the main thread's: {asked}")


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ((), ["odd.jpg", "half.jpg", "anna.jpg"]),
        (("--rejected",), ["half.jpg"]),
        (("--rejected", "--failed"), ["odd.jpg", "half.jpg"]),
        (("--folder", "school"), ["odd.jpg"]),
        (("--state", "done", "--state", "failed"), ["odd.jpg", "anna.jpg"]),
        (("--limit", "1"), ["odd.jpg"]),
        (("--before", REJECTED.id), ["anna.jpg"]),
    ],
)
def test_list_tells_the_same_with_and_without_a_daemon(
    studio: Configured, options: tuple[str, ...], names: list[str]
) -> None:
    assert listed(*options) == names
    with a_daemon(studio.state_dir, refuse):
        assert listed(*options) == names


def test_list_shows_what_a_person_needs(studio: Configured) -> None:
    lines = typed("jobs", "list").out.splitlines()
    assert lines[0].split() == ["id", "when", "folder", "photo", "state"]
    assert lines[2].startswith(REJECTED.id)
    assert lines[2].endswith("half.jpg  rejected: incomplete")


def test_an_id_is_never_folded(studio: Configured) -> None:
    """On a terminal of 80 columns; a photo's name is."""
    write_journal(studio.state_dir, finished_job("a long name of a photo indeed " * 3 + ".jpg", wall=WALL + 30))
    output = on_a_terminal("-m", "bshm_watchd.cli.main", "jobs", "list")
    assert [line.split()[0] for line in output.splitlines() if FAILED.id in line] == [FAILED.id]
    assert max(map(len, output.splitlines())) <= 80


def test_list_says_how_to_see_older_ones(studio: Configured) -> None:
    assert f"--before {FAILED.id}" in typed("jobs", "list", "--limit", "1").err
    assert "--before" not in typed("jobs", "list").err


def test_nothing_found_is_said_in_words(studio: Configured) -> None:
    assert typed("jobs", "list", "--state", "running").out == "no such jobs\n"


@pytest.mark.contract("S4")
def test_names_are_shown_as_printable_text(studio: Configured) -> None:
    write_journal(studio.state_dir, finished_job("\x1b[31m\n" + os.fsdecode(b"\xff.jpg"), wall=WALL + 30))
    line = typed("jobs", "list").out.splitlines()[1]
    assert "\\x1b[31m\\n\\xff.jpg" in line
    told = typed("jobs", "show", line.split()[0])
    assert "\x1b" not in told.out


def test_show_tells_why_and_what_to_do(studio: Configured) -> None:
    told = typed("jobs", "show", REJECTED.id.lower())
    assert told.code == 0
    for text in (REJECTED.id, "half.jpg", "rejected/half.jpg", "incomplete", "the file is cut short", "copy it again"):
        assert text in told.out


def test_show_of_a_job_nobody_knows_ends_with_64(studio: Configured) -> None:
    nobody = "01J9ZQ4T2V8W3X5Y6Z7A8B9C0D"
    for daemon_runs in (False, True):
        if daemon_runs:
            with a_daemon(studio.state_dir, refuse):
                told = typed("jobs", "show", nobody)
        else:
            told = typed("jobs", "show", nobody)
        assert told.code == 64
        assert nobody in told.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "nonsense"),
        ("list", "--state", "dun"),
        ("list", "--folder", "scool"),
        ("requeue",),
        ("requeue", DONE.id, "--failed"),
        ("requeue", DONE.id, "--folder", "school"),
        ("requeue", "nonsense"),
    ],
)
def test_what_makes_no_sense_ends_with_64(studio: Configured, arguments: tuple[str, ...]) -> None:
    told = typed("jobs", *arguments)
    assert told.code == 64
    assert "Error" in told.err


def test_without_any_history_nothing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = configured(tmp_path, monkeypatch)
    told = typed("jobs", "list")
    assert (told.code, told.out) == (0, "no such jobs\n")
    told = typed("jobs", "show", "01J9ZQ4T2V8W3X5Y6Z7A8B9C0D")
    assert (told.code, "nothing was ever processed" in told.err) == (64, True)
    assert list(studio.state_dir.iterdir()) == []


# -- requeue -----------------------------------------------------------------------------------------------


def requeueing(asked: Asked) -> dict[str, Any]:
    new = "01J9ZQ4T2V8W3X5Y6Z7A8B9C0D"
    return {"requeued": [{"id": one, "new_id": new} for one in asked.arguments["ids"]], "failed": []}


def test_requeue_asks_the_daemon_for_the_named_jobs(studio: Configured) -> None:
    with a_daemon(studio.state_dir, requeueing):
        told = typed("jobs", "requeue", DONE.id, FAILED.id.lower(), "--json")
    assert told.code == 0
    assert [one["id"] for one in json.loads(told.out)["requeued"]] == [DONE.id, FAILED.id]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (("--rejected",), [REJECTED.id]),
        (("--rejected", "--failed"), [FAILED.id, REJECTED.id]),
        (("--failed", "--folder", "portraits"), []),
    ],
)
def test_requeue_finds_the_jobs_in_trouble(studio: Configured, options: tuple[str, ...], ids: list[str]) -> None:
    with a_daemon(studio.state_dir, requeueing):
        told = typed("jobs", "requeue", *options, "--json")
    assert told.code == 0
    assert [one["id"] for one in json.loads(told.out)["requeued"]] == ids


def test_what_was_requeued_already_is_not_found_again(studio: Configured) -> None:
    with Journal(studio.state_dir / JOURNAL_NAME, FakeClock()) as journal:
        journal.record_requeued(REJECTED.id, "01J9ZQ4T2V8W3X5Y6Z7A8B9C0D")
    with a_daemon(studio.state_dir, requeueing):
        told = typed("jobs", "requeue", "--rejected")
    assert (told.code, told.out) == (0, "there is nothing to requeue\n")


def test_requeue_of_thousands_asks_for_a_few_at_a_time(studio: Configured) -> None:
    jobs = [finished_job(f"{number}.jpg", State.FAILED, wall=WALL + 100 + number) for number in range(1203)]
    write_journal(studio.state_dir, *jobs)
    sizes = []

    def count(asked: Asked) -> dict[str, Any]:
        sizes.append(len(asked.arguments["ids"]))
        return requeueing(asked)

    with a_daemon(studio.state_dir, count):
        told = typed("jobs", "requeue", "--failed", "--json")
    ids = [one["id"] for one in json.loads(told.out)["requeued"]]
    assert len(set(ids)) == len(ids) == 1204
    assert max(sizes) <= 50


def test_requeue_ends_with_1_and_says_which_could_not_be_had(studio: Configured) -> None:
    def refuse_them(asked: Asked) -> dict[str, Any]:
        return {
            "requeued": [],
            "failed": [{"id": one, "why": "it is no longer there"} for one in asked.arguments["ids"]],
        }

    with a_daemon(studio.state_dir, refuse_them):
        told = typed("jobs", "requeue", DONE.id)
    assert told.code == 1
    assert f"{DONE.id}: it is no longer there" in told.err


@pytest.mark.e2e
def test_requeue_works_without_a_daemon_and_once_processes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    studio = configured(tmp_path, monkeypatch)
    assert typed("model", "fetch", "arithmetic").code == 0
    assert typed("check").code == 0
    (studio.folder / "drop" / "anna.png").write_bytes(png(1))
    assert typed("once").code == 0
    (job,) = json.loads(typed("jobs", "list", "--json").out)["jobs"]
    told = typed("jobs", "requeue", job["id"])
    assert (told.code, "the next run works on them" in told.out) == (0, True)
    assert typed("jobs", "list", "--state", "done").out.count("requeued") == 1
    assert typed("once").code == 0
    assert sorted(path.name for path in (studio.folder / "results").iterdir()) == ["anna.png", "anna~2.png"]
