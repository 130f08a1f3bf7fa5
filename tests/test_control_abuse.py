"""Clients of the control socket that behave as badly as they can: the server outlives them all."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bshm_watchd.errors import RuntimeBroken
from bshm_watchd.events import Asked
from bshm_watchd.journal import Journal
from bshm_watchd.ops.asking import MAX_REQUEST_BYTES, ask
from bshm_watchd.ops.control import ControlLimits, ControlServer
from tests.support.asked import finished_job, main_thread
from tests.support.clients import connected, echo, line_of, nobody, refused, sent
from tests.support.clock import FakeClock
from tests.support.threads import no_new_threads


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


BAD = [
    b"",
    b"status",
    b"[]",
    b"null",
    b'"status"',
    b"{",
    b"\xff\xfe",
    b"\x00" * 100,
    b"[" * 50_000,
    b"1" * 60_000,
    b'{"verb": 1}',
    b'{"verb": "shutdown"}',
    b'{"verb": "__class__"}',
    b'{"verb": "status", "arguments": []}',
    b'{"verb": "status", "arguments": {"x": 1}}',
    b'{"verb": "requeue"}',
    b'{"verb": "requeue", "arguments": {"ids": []}}',
    b'{"verb": "requeue", "arguments": {"ids": "all"}}',
    b'{"verb": "requeue", "arguments": {"ids": ["../../etc"]}}',
    b'{"verb": "requeue", "arguments": {"ids": [null, 1, {}]}}',
    b'{"verb": "folder_take", "arguments": {"name": {"a": 1}}}',
    b'{"verb": "folder_take", "arguments": {"name": "\\ud800"}}',
    b'{"verb": "jobs_list", "arguments": {"limit": -1}}',
    b'{"verb": "jobs_list", "arguments": {"limit": 1000000}}',
    b'{"verb": "jobs_list", "arguments": {"limit": NaN}}',
    b'{"verb": "jobs_list", "arguments": {"states": ["done\' OR 1=1"]}}',
]


@pytest.mark.contract("S3")
@pytest.mark.parametrize("line", BAD, ids=lambda line: repr(line[:50]))
def test_a_bad_request_is_refused_and_the_next_one_is_answered(running: Path, line: bytes) -> None:
    with connected(running) as client:
        client.sendall(line + b"\n")
        answer = json.loads(line_of(client))
        assert answer["exit"] == 64
        assert answer["error"]
        client.sendall(b'{"verb": "status"}\n')
        assert json.loads(line_of(client))["answer"]["verb"] == "status"


@pytest.mark.contract("S3")
@given(line=st.binary(max_size=200).filter(lambda line: b"\n" not in line))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_line_gets_one_answer(running: Path, line: bytes) -> None:
    assert set(sent(running, line)) in ({"answer"}, {"error", "exit"})


@pytest.mark.contract("S3")
def test_a_request_without_an_end_is_refused_at_the_limit(running: Path) -> None:
    with connected(running) as client:
        client.sendall(b"x" * (MAX_REQUEST_BYTES + 1))
        assert json.loads(line_of(client))["exit"] == 64
        assert client.recv(1) == b""
    assert ask(running, "status", {})["verb"] == "status"


@pytest.mark.contract("S3")
def test_a_client_that_goes_in_the_middle_of_a_request_disturbs_nobody(running: Path) -> None:
    with connected(running) as client:
        client.sendall(b'{"verb": "sta')
    assert ask(running, "status", {})["verb"] == "status"


@pytest.mark.contract("S3")
def test_a_client_that_goes_before_its_answer_disturbs_nobody(path: Path, journal: Journal) -> None:
    gone = threading.Event()

    def late(asked: Asked) -> dict[str, Any]:
        assert gone.wait(20)
        return {"verb": asked.verb}

    with main_thread(late) as put, ControlServer(path, put, journal):
        with connected(path) as client:
            client.sendall(b'{"verb": "status"}\n')
        gone.set()
        assert ask(path, "status", {}) == {"verb": "status"}


@pytest.mark.contract("S3")
def test_a_request_that_does_not_come_to_its_end_is_hung_up_on(path: Path, journal: Journal) -> None:
    with ControlServer(path, nobody, journal, ControlLimits(request_seconds=0.05)), connected(path) as client:
        client.sendall(b'{"verb": ')
        assert client.recv(1) == b""


@pytest.mark.contract("S3")
def test_a_client_that_takes_no_answers_is_hung_up_on(path: Path, journal: Journal) -> None:
    for number in range(300):
        journal.record(finished_job(f"{number}.jpg"))
    question = b'{"verb": "jobs_list", "arguments": {"limit": 300}}\n'
    with ControlServer(path, nobody, journal, ControlLimits(request_seconds=0.3)), connected(path) as client:
        client.sendall(question * 20)
        with pytest.raises(ConnectionError):
            while True:
                client.sendall(question * 20)


@pytest.mark.contract("S3")
def test_too_many_clients_at_once_are_told_so_and_a_place_becomes_free(path: Path, journal: Journal) -> None:
    server = ControlServer(path, nobody, journal, ControlLimits(connections=2))
    with server, connected(path) as first, connected(path) as second:
        for client in (first, second):
            client.sendall(b'{"verb": "jobs_list"}\n')
            line_of(client)
        assert refused(path, "jobs_list").exit_code == 75
        first.shutdown(socket.SHUT_WR)
        assert first.recv(1) == b""
        assert ask(path, "jobs_list", {})["jobs"] == []


@pytest.mark.contract("S3")
def test_a_client_that_no_thread_can_be_had_for_is_told_so_and_the_next_is_answered(running: Path) -> None:
    with no_new_threads():
        caught = refused(running)
    assert (str(caught), caught.exit_code) == ("the daemon can't start a thread right now; try again", 75)
    assert ask(running, "status", {})["verb"] == "status"


def test_an_answer_that_makes_no_sense_is_an_error(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            with listener.accept()[0] as connection:
                line_of(connection)
                connection.sendall(b"hello\n")

        thread = threading.Thread(target=serve)
        thread.start()
        caught = refused(path)
        thread.join()
    assert "can't be read" in str(caught)


def test_a_broken_model_is_no_reason_to_end_a_connection(path: Path, journal: Journal) -> None:
    def fail(asked: Asked) -> None:
        raise RuntimeBroken("device lost")

    with main_thread(fail) as put, ControlServer(path, put, journal):
        assert "device lost" in str(refused(path))
