"""The verb `matte` when the daemon can't, when clients go away, and when they are hostile."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.errors import PlaceUnavailable, ProgramEnding, RuntimeBroken
from bshm_watchd.events import Asked, Event, ModelFailed
from bshm_watchd.matting.photo import Photo
from bshm_watchd.ops.asking import Busy, ControlError, ask
from bshm_watchd.ops.control import ControlLimits
from tests.support.clients import connected
from tests.support.photos import (
    MATTE,
    a_maker,
    answer_to,
    content_of,
    granting,
    made,
    open_descriptors,
    opened,
    sent_with,
    serving,
    until,
    waiting_client,
)
from tests.support.studio import png


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "anna.png"
    file.write_bytes(png(1, 30, 40))
    return file


@pytest.fixture
def running(path: Path) -> Iterator[Path]:
    with serving(path, a_maker()):
        yield path


# -- when the daemon can't -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "exit_code", "words"),
    [
        (ControlError("the daemon is not ready yet; try again in a moment", 75), 75, "not ready yet"),
        (ProgramEnding("the daemon is stopping"), 75, "is stopping; try again"),
    ],
)
def test_a_daemon_that_can_not_take_it_now_says_so(
    path: Path, photo: Path, error: Exception, exit_code: int, words: str
) -> None:
    def refuse(asked: Asked) -> dict[str, Any]:
        if asked.verb == "photo_begins":
            raise error
        return {}

    with serving(path, a_maker(), refuse), pytest.raises(ControlError) as caught:
        made(path, photo)
    assert (caught.value.exit_code, words in str(caught.value)) == (exit_code, True)


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (ProgramEnding("the matting is closing"), 75),
        (PlaceUnavailable("disk_full", "no room"), 75),
        (OSError(errno.EMFILE, "Too many open files"), 75),
        (RuntimeBroken("device lost"), 70),
    ],
)
def test_what_is_no_fault_of_the_photo_is_an_error_of_the_daemon(
    path: Path, photo: Path, error: Exception, exit_code: int
) -> None:
    def spoil(_: Photo) -> None:
        raise error

    seen: list[Event] = []
    with serving(path, a_maker(spoil), seen=seen), pytest.raises(ControlError) as caught:
        made(path, photo)
    assert caught.value.exit_code == exit_code
    assert [type(event) for event in seen if isinstance(event, ModelFailed)] == [ModelFailed] * (exit_code == 70)


def test_a_photo_waits_for_its_memory_for_as_long_as_it_takes_and_gives_it_back(path: Path, photo: Path) -> None:
    held, answers = threading.Event(), []
    seen: list[Event] = []

    def hold(asked: Asked) -> dict[str, Any]:
        assert asked.verb != "photo_begins" or held.wait(20)
        return {}

    hasty = ControlLimits(answer_seconds=0.01, request_seconds=0.5)
    with serving(path, a_maker(), hold, hasty, seen):
        asking = threading.Thread(target=lambda: answers.append(made(path, photo)))
        asking.start()
        asking.join(0.7)  # longer than the socket waits for anything else
        assert asking.is_alive()
        held.set()
        asking.join(20)
    begun, over = [event for event in seen if isinstance(event, Asked)]
    assert begun.arguments["cost_bytes"] > 30 * 40 * 16
    assert (over.verb, over.arguments["of"] is begun.answer) == ("photo_over", True)
    assert len(answers) == 1


def test_a_client_that_goes_while_it_waits_frees_its_place(path: Path, photo: Path) -> None:
    with waiting_client(path, photo) as (client, seen):
        client.close()
        until(lambda: len(seen) == 2)
    assert [event.verb for event in seen if isinstance(event, Asked)] == ["photo_begins", "photo_over"]


def test_a_client_that_only_says_nothing_more_still_gets_its_photo(path: Path, photo: Path) -> None:
    with waiting_client(path, photo) as (client, seen):
        client.shutdown(socket.SHUT_WR)
        client.settimeout(0.5)  # longer than it takes to miss one that is gone
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(20)
        assert isinstance(seen[0], Asked)
        seen[0].answer.set_result({})
        answer, came = answer_to(client)
        assert "answer" in answer
        content_of(came[0])


def test_a_photo_that_waits_for_memory_does_not_hold_up_the_end(path: Path, photo: Path) -> None:
    with waiting_client(path, photo) as (client, _):
        kept = client.dup()
    kept.settimeout(20)
    assert answer_to(kept)[0] == {"error": "the daemon is stopping; try again", "exit": 75}
    kept.close()


def test_a_client_that_goes_while_its_photo_is_made_frees_everything(path: Path, photo: Path) -> None:
    matting, gone = threading.Event(), threading.Event()

    def wait_until_gone(_: Photo) -> None:
        matting.set()
        assert gone.wait(20)

    seen: list[Event] = []
    with serving(path, a_maker(wait_until_gone), seen=seen):
        before = open_descriptors()
        with connected(path) as client:
            with opened(photo) as fd:
                socket.send_fds(client, [MATTE], [fd])
            assert matting.wait(20)
        gone.set()
        until(lambda: len(seen) == 2)
        until(lambda: open_descriptors() == before)


def test_too_many_photos_at_once_leave_room_for_other_questions(path: Path, photo: Path) -> None:
    with waiting_client(path, photo, limits=ControlLimits(photos=1)) as (_, seen):
        with pytest.raises(ControlError) as caught:
            made(path, photo)
        assert caught.value.exit_code == 75
        assert ask(path, "jobs_list", {})["jobs"] == []
        assert len(seen) == 1


def test_a_result_that_nobody_takes_keeps_its_place_and_memory_until_it_is_hung_up_on(path: Path, photo: Path) -> None:
    seen: list[Event] = []
    limits = ControlLimits(request_seconds=0.5, photos=1)
    with serving(path, a_maker(), limits=limits, seen=seen), connected(path) as client, opened(photo) as fd:
        for _ in range(3):
            socket.send_fds(client, [MATTE], [fd])
        until(lambda: bool(select.select([client], [], [], 0)[0]))
        assert verbs(seen) == ["photo_begins"]
        with pytest.raises(Busy):
            made(path, photo)
        until(lambda: len(seen) == 2)
        assert verbs(seen) == ["photo_begins", "photo_over"]
        made(path, photo)
        assert verbs(seen).count("photo_begins") == 2  # the requests behind the first were never read


def test_a_result_that_is_taken_frees_its_place_while_the_client_stays(path: Path, photo: Path) -> None:
    with serving(path, a_maker(), limits=ControlLimits(photos=1)), connected(path) as client:
        for _ in range(3):
            with opened(photo) as fd:
                socket.send_fds(client, [MATTE], [fd])
            content_of(answer_to(client)[1][0])


def verbs(seen: list[Event]) -> list[str]:
    return [event.verb for event in seen if isinstance(event, Asked)]


# -- hostile clients ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", ['{"kind": "ghost"}', '{"format": "bmp"}', '{"background": "red"}',
    '{"background": "/etc/passwd"}', '{"kind": "composite"}', '{"kind": "composite", "background": "#12345"}',
    '{"kind": "matte", "format": "jpeg"}', '{"quality": 0}', '{"quality": "9"}', '{"path": "/etc/passwd"}',
    '{"strip_gps": "yes"}', '{"background": "#ffffff"}'])  # fmt: skip
def test_arguments_that_make_no_sense_are_refused(running: Path, photo: Path, arguments: str) -> None:
    line = b'{"verb": "matte", "arguments": ' + arguments.encode() + b"}\n"
    with opened(photo) as fd:
        assert sent_with(running, line, [fd])["exit"] == 64


@pytest.mark.parametrize("verb", ["photo_begins", "photo_over"])
def test_what_the_socket_asks_the_main_thread_is_nothing_a_client_may_ask(running: Path, verb: str) -> None:
    line = b'{"verb": "' + verb.encode() + b'", "arguments": {"cost_bytes": 1}}\n'
    assert sent_with(running, line, [])["exit"] == 64


def test_a_request_without_a_descriptor_is_refused(running: Path) -> None:
    with connected(running) as client:
        client.sendall(MATTE)
        answer, _ = answer_to(client)
    assert (answer["exit"], "descriptor" in answer["error"]) == (64, True)


def test_a_descriptor_that_is_no_file_is_refused_without_being_read(running: Path, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    ours, theirs = socket.socketpair()
    directory = os.open(tmp_path, os.O_RDONLY)
    device = os.open("/dev/zero", os.O_RDONLY)
    try:
        for fd in (reading, writing, ours.fileno(), directory, device):
            answer = sent_with(running, MATTE, [fd])
            assert (answer["exit"], "must be a file's" in answer["error"]) == (64, True)
    finally:
        for fd in (reading, writing, directory, device):
            os.close(fd)
        ours.close()
        theirs.close()


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_PATH])
def test_a_descriptor_that_can_not_be_read_is_refused(running: Path, photo: Path, flags: int) -> None:
    with opened(photo, flags) as fd:
        answer = sent_with(running, MATTE, [fd])
    assert (answer["exit"], "open for reading" in answer["error"]) == (64, True)


def test_no_descriptor_stays_open_whatever_a_client_does(running: Path, photo: Path) -> None:
    before = open_descriptors()
    with opened(photo) as fd:
        for _ in range(5):
            made(running, photo)
            sent_with(running, b'{"verb": "status"}\n', [fd])  # with a verb that wants none
            sent_with(running, b"no request at all\n", [fd, fd])
            sent_with(running, MATTE, [fd, fd])  # a background for a cutout
            assert sent_with(running, MATTE, [fd] * 3)["exit"] == 64
            assert sent_with(running, MATTE, [fd] * 200)["exit"] == 64
            with connected(running) as client:  # in the middle of a line
                socket.send_fds(client, [b'{"verb'], [fd])
            with connected(running) as client:  # one with each byte
                with contextlib.suppress(ConnectionError):
                    for byte in MATTE:
                        socket.send_fds(client, [bytes([byte])], [fd])
                answer_or_end(client)
    until(lambda: open_descriptors() == before)


def answer_or_end(client: socket.socket) -> None:
    with contextlib.suppress(ConnectionError, json.JSONDecodeError):
        while client.recv(4096):
            pass


def test_an_answer_without_its_result_is_an_error(path: Path, photo: Path) -> None:
    def serve(listener: socket.socket) -> None:
        with listener.accept()[0] as connection:
            connection.recv(4096)
            connection.sendall(b'{"answer": {}}\n')

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        with pytest.raises(ControlError) as caught:
            made(path, photo)
        thread.join()
    assert "can't be read" in str(caught.value)


def test_the_main_thread_is_not_asked_for_more_than_memory(path: Path, photo: Path) -> None:
    """Nothing of a photo's work is the main thread's."""
    seen: list[Event] = []
    with serving(path, a_maker(), granting, seen=seen):
        made(path, photo)
    assert [event.verb for event in seen if isinstance(event, Asked)] == ["photo_begins", "photo_over"]
