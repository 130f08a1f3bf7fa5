"""What the child processes add to decoding: their deaths, their limits, their end."""

from __future__ import annotations

import io
import os
import select
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bshm_watchd.errors import RejectedPhoto
from bshm_watchd.matting.decoder import ChildDecoder, DecoderClosed, DecoderDied, map_photo
from tests.support.decoders import InProcessDecoder, decode, decode_children, holding

PICTURE = np.random.default_rng(3).integers(0, 256, (40, 30, 3), np.uint8)


def written(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, kind)
    return file.getvalue()


PNG = written("PNG")
JPEG = written("JPEG")


def test_a_child_that_crashes_fails_its_photo_only() -> None:
    with ChildDecoder(1, 10_000, 30) as decoder:
        with holding(PNG) as fd, pytest.raises(DecoderDied, match=r"exit status 1: ValueError"):
            decoder.decode(fd, len(PNG) + 10_000_000)  # says more bytes than there are
        assert np.array_equal(decode(decoder, PNG).pixels, PICTURE)


def test_a_decode_that_takes_too_long_is_stopped_and_the_next_one_works() -> None:
    with ChildDecoder(1, 10_000, timeout_seconds=4) as decoder:
        decode(decoder, PNG)
        (hung,) = decode_children()
        os.kill(hung, signal.SIGSTOP)
        with pytest.raises(DecoderDied, match="longer than 4 seconds"):
            decode(decoder, PNG)
        assert np.array_equal(decode(decoder, PNG).pixels, PICTURE)
        assert hung not in decode_children()


def test_a_child_that_died_while_idle_costs_no_photo() -> None:
    with ChildDecoder(1, 10_000, 30) as decoder:
        (idle,) = decode_children()
        os.kill(idle, signal.SIGKILL)
        os.waitid(os.P_PID, idle, os.WEXITED | os.WNOWAIT)
        assert np.array_equal(decode(decoder, PNG).pixels, PICTURE)


def test_children_are_replaced_after_their_share_of_photos() -> None:
    with ChildDecoder(1, 10_000, 30, photos_per_child=2) as decoder:
        seen = []
        for _ in range(5):
            decode(decoder, PNG)
            seen += decode_children()
    assert len(seen) == 5
    assert len(set(seen)) == 3


def test_a_child_outlives_the_thread_that_needed_it() -> None:
    with ChildDecoder(1, 10_000, 30, photos_per_child=2) as decoder:
        decode(decoder, PNG)
        decode(decoder, PNG)
        thread = threading.Thread(target=decode, args=(decoder, PNG))
        thread.start()
        thread.join()
        (child,) = decode_children()
        assert not ended(child, within_seconds=0.2)
        decode(decoder, PNG)
        assert decode_children() == [child]


def test_no_child_and_no_descriptor_is_left_behind() -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    with ChildDecoder(2, 10_000, 30) as decoder:
        decode(decoder, PNG)
        with pytest.raises(RejectedPhoto):
            decode(decoder, PNG[:60])
    assert decode_children() == []
    assert len(os.listdir("/proc/self/fd")) == descriptors
    with pytest.raises(DecoderClosed):
        decode(decoder, PNG)


def test_closing_wakes_the_one_at_work_and_those_that_wait() -> None:
    failed: list[BaseException] = []

    def try_decode() -> None:
        try:
            decode(decoder, PNG)
        except DecoderClosed as error:
            failed.append(error)

    threads = [threading.Thread(target=try_decode) for _ in range(3)]
    with ChildDecoder(1, 10_000, 30) as decoder:
        os.kill(decode_children()[0], signal.SIGSTOP)
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(failed) == 3


def test_children_do_not_get_the_terminals_interrupt() -> None:
    with ChildDecoder(1, 10_000, 30):
        assert os.getsid(decode_children()[0]) != os.getsid(0)


@pytest.mark.parametrize("stopped", [False, True])
def test_children_die_with_a_parent_that_is_killed(stopped: bool) -> None:
    program = (
        "from bshm_watchd.matting.decoder import ChildDecoder\n"
        "from tests.support.decoders import decode, decode_children\n"
        "from tests.test_decoder import PNG\n"
        "with ChildDecoder(1, 10_000, 30) as decoder:\n"
        "    decode(decoder, PNG)\n"
        "    print(decode_children()[0], flush=True)\n"
        "    input()\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        if stopped:
            os.kill(child, signal.SIGSTOP)  # it hangs in a codec: the end of its socket would not reach it
        parent.kill()
        parent.wait()
    if not ended(child, within_seconds=20):
        os.kill(child, signal.SIGKILL)
        pytest.fail("the child lived on")


def ended(pid: int, within_seconds: float) -> bool:
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], within_seconds)[0])
    finally:
        os.close(pidfd)


@pytest.mark.parametrize(("claimed", "there"), [((10, 10), 299), ((10, 10), 301), ((0, 10), 0), ((200, 200), 120_000)])
def test_a_child_that_lies_about_the_size_ends_no_daemon(claimed: tuple[int, int], there: int) -> None:
    target = os.memfd_create("pixels", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(target, there)
        with pytest.raises(DecoderDied, match="another size"):
            map_photo(target, *claimed, max_pixels=10_000)
    finally:
        os.close(target)


def test_the_pixels_cannot_be_taken_away_later() -> None:
    target = os.memfd_create("pixels", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(target, 300)
        photo = map_photo(target, 10, 10, max_pixels=10_000)
        with pytest.raises(PermissionError):
            os.ftruncate(target, 0)
        assert photo.pixels.sum() == 0
    finally:
        os.close(target)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([PNG, JPEG]), st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=6)), max_size=8))
def test_any_damage_gives_a_photo_or_a_reason(content: bytes, damages: list[tuple[int, bytes]]) -> None:
    damaged = bytearray(content)
    for position, replacement in damages:
        damaged[position : position + len(replacement)] = replacement
    try:
        photo = decode(InProcessDecoder(10_000), bytes(damaged))
    except RejectedPhoto as error:
        assert error.reason in ("broken", "too_large", "not_a_photo")
    else:
        assert photo.pixels.dtype == np.uint8
