"""The verb `matte` of the control socket: a client's open file goes in, a sealed memory file comes back."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bshm_watchd.errors import RejectedPhoto
from bshm_watchd.events import Asked, Event
from bshm_watchd.matting.photo import Photo
from bshm_watchd.ops.asking import ask_for_photo
from tests.support.clients import connected
from tests.support.photos import (
    MATTE,
    a_maker,
    answer_to,
    content_of,
    green_of,
    made,
    opened,
    pixels_of,
    serving,
)
from tests.support.studio import cutout_of, png


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


# -- what comes back ---------------------------------------------------------------------------------------


def test_a_photo_comes_back_as_its_cutout(running: Path, photo: Path) -> None:
    facts, content = made(running, photo)
    assert (pixels_of(content) == cutout_of(photo.read_bytes())).all()
    assert (facts["width"], facts["height"], facts["pages"]) == (40, 30, 1)
    assert facts["coverage"] == pytest.approx(green_of(photo.read_bytes()).mean() / 255, abs=1e-3)
    assert set(facts["seconds"]) == {"decode", "matte", "render"}


def test_what_is_asked_for_is_what_is_made(running: Path, photo: Path) -> None:
    _, content = made(running, photo, kind="matte", format="png")
    assert (pixels_of(content) == green_of(photo.read_bytes())).all()


def test_nobody_can_change_a_result_after_it_was_made(running: Path, photo: Path) -> None:
    with opened(photo) as fd:
        _, result_fd = ask_for_photo(running, {}, [fd])
    try:
        with pytest.raises(PermissionError):
            os.write(result_fd, b"x")
        with pytest.raises(PermissionError):
            os.ftruncate(result_fd, 0)
        assert fcntl.fcntl(result_fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SEAL
    finally:
        os.close(result_fd)


def test_a_memory_file_is_taken_wherever_its_offset_is(running: Path, photo: Path) -> None:
    fd = os.memfd_create("photo")
    try:
        os.write(fd, photo.read_bytes())
        _, result_fd = ask_for_photo(running, {}, [fd])
        assert (pixels_of(content_of(result_fd)) == cutout_of(photo.read_bytes())).all()
    finally:
        os.close(fd)


def test_one_connection_may_bring_many_photos(running: Path, photo: Path) -> None:
    with connected(running) as client:
        for _ in range(3):
            with opened(photo) as fd:
                socket.send_fds(client, [MATTE], [fd])
            answer, came = answer_to(client)
            assert "answer" in answer
            assert (pixels_of(content_of(came[0])) == cutout_of(photo.read_bytes())).all()


def test_a_doubtful_matte_is_made_and_said(path: Path, tmp_path: Path) -> None:
    nobody = tmp_path / "nobody.png"

    cv2.imwrite(str(nobody), np.zeros((40, 40, 3), np.uint8))
    with serving(path, a_maker()):
        facts, _ = made(path, nobody)
    assert facts["doubt"]["reason"] == "empty"


def test_a_composite_is_put_on_the_picture_in_the_second_descriptor(running: Path, photo: Path) -> None:
    background = photo.with_name("grey.png")
    cv2.imwrite(str(background), np.full((10, 10, 3), 77, np.uint8))
    with opened(photo) as fd, opened(background) as background_fd:
        facts, result_fd = ask_for_photo(running, {"kind": "composite"}, [fd, background_fd])
    found = pixels_of(content_of(result_fd))
    assert (facts["width"], facts["height"], found.shape) == (40, 30, (30, 40, 3))
    nobody = green_of(photo.read_bytes()) < 3
    assert nobody.any()
    assert np.abs(found[nobody].astype(int) - 77).max() <= 3


def test_a_composite_is_put_on_a_colour(running: Path, photo: Path) -> None:
    _, content = made(running, photo, kind="composite", format="jpeg", background="#ffffff", quality=95)
    assert pixels_of(content).shape == (30, 40, 3)
    assert content.startswith(b"\xff\xd8")


def test_a_background_at_fault_is_told_as_such(running: Path, photo: Path) -> None:
    background = photo.with_name("text.jpg")
    background.write_bytes(b"this is no picture")
    with opened(photo) as fd, opened(background) as background_fd, pytest.raises(RejectedPhoto) as caught:
        ask_for_photo(running, {"kind": "composite"}, [fd, background_fd])
    assert caught.value.message.startswith("the background picture can't be used: ")


# -- photos that are at fault: the words of a sidecar -----------------------------------------------------


@pytest.mark.parametrize(
    ("content", "limits", "reason"),
    [
        (b"this is no photo", {}, "not_a_photo"),
        (png(1, 30, 40)[:-20], {}, "incomplete"),
        (b"", {}, "incomplete"),
        (png(1, 30, 40), {"max_pixels": 100}, "too_large"),
        (png(1, 1000, 500), {"in_flight_mib": 128}, None),
        (png(1, 2000, 2000), {"in_flight_mib": 64}, "too_large"),
        (png(1, 1200, 1200), {"max_file_mib": 1}, "too_large"),
    ],
)
def test_a_photo_at_fault_is_refused_before_it_is_decoded(
    path: Path, tmp_path: Path, content: bytes, limits: dict[str, int], reason: str | None
) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(content)
    seen: list[Event] = []
    with serving(path, a_maker(**limits), seen=seen):
        if reason is None:
            made(path, file)
            return
        with pytest.raises(RejectedPhoto) as caught:
            made(path, file)
    assert caught.value.reason == reason
    assert caught.value.what_to_do
    assert seen == []  # nothing was reserved for it


def test_a_photo_that_the_model_fails_on_is_told_and_the_next_one_is_made(path: Path, photo: Path) -> None:
    failing = [True]

    def fail_once(_: Photo) -> None:
        if failing.pop() if failing else False:
            raise ValueError("no alpha")

    with serving(path, a_maker(fail_once)):
        with pytest.raises(RejectedPhoto) as caught:
            made(path, photo)
        assert (caught.value.reason, "no alpha" in caught.value.message) == ("attempts_used_up", True)
        made(path, photo)


def test_a_file_that_shrinks_under_the_decoder_is_told_and_the_next_one_is_made(path: Path, photo: Path) -> None:
    whole = photo.read_bytes()

    def cut_first(asked: Asked) -> dict[str, Any]:
        if asked.verb == "photo_begins" and photo.stat().st_size == len(whole):
            os.truncate(photo, 20)
        return {}

    with serving(path, a_maker(), cut_first):
        with pytest.raises(RejectedPhoto) as caught:
            made(path, photo)
        assert caught.value.reason == "changed"
        other = photo.with_name("other.png")
        other.write_bytes(whole)
        assert made(path, other)


def test_a_photo_that_grew_after_it_was_looked_at_is_told(path: Path, photo: Path) -> None:
    """Else a small one could be measured, and a huge one decoded."""

    def grow(asked: Asked) -> dict[str, Any]:
        if asked.verb == "photo_begins":
            photo.write_bytes(png(2, 400, 400).ljust(2_000_000, b"\0"))
        return {}

    photo.write_bytes(photo.read_bytes().ljust(2_000_000, b"\0"))
    with serving(path, a_maker(), grow), pytest.raises(RejectedPhoto) as caught:
        made(path, photo)
    assert caught.value.reason == "changed"
