"""The control socket: real sockets, a main thread that only answers, proper clients (bad ones: test_control_abuse)."""

from __future__ import annotations

import json
import logging
import os
import socket
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.errors import ConfigError, InstanceRunning, PlaceUnavailable
from bshm_watchd.events import Asked
from bshm_watchd.jobs import State
from bshm_watchd.journal import Journal
from bshm_watchd.ops.asking import ControlError, NotRunning, ask
from bshm_watchd.ops.control import ControlLimits, ControlServer
from tests.support.asked import finished_job, main_thread
from tests.support.clients import connected, echo, line_of, nobody, refused
from tests.support.clock import FakeClock

AN_ID = "01J9ZQ4T2V8W3X5Y6Z7A8B9C0D"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.sqlite3", FakeClock()) as journal:
        yield journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def running(path: Path, journal: Journal) -> Iterator[Path]:
    with main_thread(echo) as put, ControlServer(path, put, journal):
        yield path


# -- asking ------------------------------------------------------------------------------------------------


def test_the_main_thread_answers(running: Path) -> None:
    assert ask(running, "folder_take", {"name": "portraits"}) == {
        "verb": "folder_take",
        "arguments": {"name": "portraits"},
    }


def test_one_connection_may_ask_many_times(running: Path) -> None:
    with connected(running) as client:
        for _ in range(3):
            client.sendall(b'{"verb": "status"}\n')
            assert json.loads(line_of(client))["answer"]["verb"] == "status"


def test_clients_that_ask_at_the_same_time_get_their_own_answers(running: Path) -> None:
    names = [f"folder{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda name: ask(running, "folder_adopt", {"name": name}), names))
    assert [answer["arguments"]["name"] for answer in answers] == names


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (ControlError("not now", 75), 75),
        (ConfigError(["make it writable"]), 78),
        (InstanceRunning("another one has it"), 2),
        (PlaceUnavailable("disk_full", "free some space"), 75),
    ],
)
def test_an_error_says_what_to_do_and_how_to_exit(
    path: Path, journal: Journal, error: Exception, exit_code: int
) -> None:
    def fail(asked: Asked) -> None:
        raise error

    with main_thread(fail) as put, ControlServer(path, put, journal):
        caught = refused(path)
    assert (str(caught), caught.exit_code) == (str(error), exit_code)


def test_an_unexpected_error_is_told_and_ends_nothing(path: Path, journal: Journal) -> None:
    def fail_once(asked: Asked) -> dict[str, Any]:
        if asked.verb == "folder_take":
            raise ZeroDivisionError("of all things")
        return {"fine": True}

    with main_thread(fail_once) as put, ControlServer(path, put, journal):
        assert "of all things" in str(refused(path, "folder_take", {"name": "a"}))
        assert ask(path, "status", {}) == {"fine": True}


def test_a_main_thread_that_does_not_answer_is_called_busy(path: Path, journal: Journal) -> None:
    with ControlServer(path, nobody, journal, ControlLimits(answer_seconds=0.05)):
        caught = refused(path)
    assert "busy" in str(caught)
    assert caught.exit_code == 75


def test_history_is_answered_while_the_main_thread_is_busy(path: Path, journal: Journal) -> None:
    jobs = [finished_job(f"{number}.jpg", wall=1_790_000_000.0 + number) for number in range(3)]
    for job in jobs:
        journal.record(job)
    with ControlServer(path, nobody, journal):
        listed = ask(path, "jobs_list", {"limit": 2})
        shown = ask(path, "jobs_show", {"id": jobs[0].id})
    assert [job["name"] for job in listed["jobs"]] == ["2.jpg", "1.jpg"]
    assert listed["more"]
    assert shown["job"]["filed_as"] == "done/0.jpg"


def test_history_is_chosen_by_folder_state_and_age(path: Path, journal: Journal) -> None:
    old = finished_job("old.jpg", State.REJECTED, wall=1_700_000_000.0)
    for job in (
        old,
        finished_job("new.jpg", State.REJECTED),
        finished_job("done.jpg", wall=1_790_000_001.0),
        finished_job("x.jpg", folder="b", wall=1_790_000_002.0),
    ):
        journal.record(job)
    with ControlServer(path, nobody, journal):
        rejected = ask(path, "jobs_list", {"folder": "portraits", "states": ["rejected"]})["jobs"]
        older = ask(path, "jobs_list", {"before": rejected[0]["id"]})["jobs"]
    assert [job["name"] for job in rejected] == ["new.jpg", "old.jpg"]
    assert [job["id"] for job in older] == [old.id]


def test_a_name_that_is_no_utf8_comes_through_whole(path: Path, journal: Journal) -> None:
    journal.record(finished_job(os.fsdecode(b"caf\xe9.jpg")))
    with ControlServer(path, nobody, journal):
        name = ask(path, "jobs_list", {})["jobs"][0]["name"]
    assert os.fsencode(name) == b"caf\xe9.jpg"


def test_a_job_nobody_knows_is_a_usage_error(running: Path) -> None:
    caught = refused(running, "jobs_show", {"id": AN_ID})
    assert AN_ID in str(caught)
    assert caught.exit_code == 64


@pytest.mark.contract("S3")
def test_who_asks_for_a_change_is_logged(running: Path, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("bshm_watchd")
    level = logger.level
    logger.addHandler(caplog.handler)
    logger.setLevel(logging.INFO)
    try:
        ask(running, "requeue", {"ids": [AN_ID]})
        ask(running, "status", {})
    finally:
        logger.removeHandler(caplog.handler)
        logger.setLevel(level)
    fields = [record.fields for record in caplog.records if record.getMessage() == "asked"]  # type: ignore[attr-defined]
    assert fields[:1] == [{"verb": "requeue", "uid": os.getuid(), "pid": os.getpid()}]
    assert all(found["verb"] != "status" for found in fields)


# -- beginning and end -------------------------------------------------------------------------------------


def test_without_a_daemon_nobody_is_running(path: Path) -> None:
    with pytest.raises(NotRunning) as caught:
        ask(path, "status", {})
    assert caught.value.exit_code == 3
    assert "bshm-watchd run" in str(caught.value)


def test_a_socket_that_a_dead_daemon_left_means_not_running_and_is_replaced(path: Path, journal: Journal) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(path))
    with pytest.raises(NotRunning):
        ask(path, "status", {})
    with main_thread(echo) as put, ControlServer(path, put, journal):
        assert ask(path, "status", {})["verb"] == "status"


@pytest.mark.contract("S3")
def test_the_socket_is_for_its_user_and_group_whatever_the_umask(path: Path, journal: Journal) -> None:
    before = os.umask(0o077)
    try:
        with ControlServer(path, nobody, journal):
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
    finally:
        os.umask(before)


def test_the_socket_is_gone_at_the_end(path: Path, journal: Journal) -> None:
    with ControlServer(path, nobody, journal):
        assert path.exists()
    assert not path.exists()


def test_a_request_under_way_hears_that_the_daemon_stops(path: Path, journal: Journal) -> None:
    asked = threading.Event()
    with connected_after_start(path, journal, asked) as client:
        assert asked.wait(20)
    assert json.loads(line_of(client)) == {"error": "the daemon is stopping", "exit": 3}
    client.close()


@contextmanager
def connected_after_start(path: Path, journal: Journal, asked: threading.Event) -> Iterator[socket.socket]:
    """A client with an open request; at the end the server stops, the client stays open."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(20)
    patient = ControlLimits(answer_seconds=600)
    with ControlServer(path, lambda _: asked.set(), journal, patient):
        client.connect(str(path))
        client.sendall(b'{"verb": "status"}\n')
        yield client


def test_an_idle_client_does_not_hold_up_the_end(path: Path, journal: Journal) -> None:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with ControlServer(path, nobody, journal):
        client.connect(str(path))
        client.sendall(b'{"verb": "jobs_list"}\n')
        line_of(client)
    assert client.recv(1) == b""
    client.close()


def test_a_path_too_long_for_a_socket_address_works(tmp_path: Path, journal: Journal) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    with main_thread(echo) as put, ControlServer(deep / "control.sock", put, journal):
        assert ask(deep / "control.sock", "status", {})["verb"] == "status"
    assert list(deep.iterdir()) == []


def test_a_daemon_that_dies_while_asked_is_no_riddle(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=lambda: listener.accept()[0].close())
        thread.start()
        caught = refused(path)
        thread.join()
    assert "ended before it answered" in str(caught)
