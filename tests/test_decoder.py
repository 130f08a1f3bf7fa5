"""What the child processes add to decoding: their deaths, their limits, their end."""

from __future__ import annotations

import contextlib
import io
import math
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bshm_watchd.errors import PlaceUnavailable, RejectedPhoto
from bshm_watchd.matting.decoder import ChildDecoder, DecoderClosed, DecoderDied
from bshm_watchd.matting.room import Parts, map_photo
from bshm_watchd.metadata import MAX_EXIF_BYTES, MAX_ICC_BYTES, Metadata
from tests.support.decoders import InProcessDecoder, decode, decode_children, holding

PICTURE = np.random.default_rng(3).integers(0, 256, (40, 30, 3), np.uint8)


def written(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PICTURE).save(file, kind)
    return file.getvalue()


PNG = written("PNG")
JPEG = written("JPEG")


@pytest.mark.contract("S1", "L2")
def test_a_child_that_crashes_fails_its_photo_only() -> None:
    with ChildDecoder(1, 10_000, 30) as decoder:
        with holding(PNG) as fd, pytest.raises(DecoderDied, match=r"exit status 1: ValueError"):
            decoder.decode(fd, len(PNG) + 10_000_000)  # says more bytes than there are
        assert np.array_equal(decode(decoder, PNG).pixels, PICTURE)


@pytest.mark.contract("S1", "L2")
def test_a_decode_that_takes_too_long_is_stopped_and_the_next_one_works() -> None:
    with ChildDecoder(1, 10_000, timeout_seconds=4) as decoder:
        decode(decoder, PNG)
        (hung,) = decode_children()
        os.kill(hung, signal.SIGSTOP)
        with pytest.raises(DecoderDied, match="longer than 4 seconds"):
            decode(decoder, PNG)
        assert np.array_equal(decode(decoder, PNG).pixels, PICTURE)
        assert hung not in decode_children()


@pytest.mark.contract("S1")
def test_a_child_that_died_while_idle_costs_no_photo() -> None:
    with ChildDecoder(1, 10_000, 30) as decoder:
        decode(decoder, PNG)
        (idle,) = decode_children()
        os.kill(idle, signal.SIGKILL)
        os.waitid(os.P_PID, idle, os.WEXITED | os.WNOWAIT)
        assert np.array_equal(decode(decoder, PNG).pixels, PICTURE)


@pytest.mark.contract("S1")
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


@pytest.mark.contract("S1")
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
        decode(decoder, PNG)
        os.kill(decode_children()[0], signal.SIGSTOP)
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(failed) == 3


@pytest.fixture
def pose_as_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Every child started from now on runs this program; its end of the socket is `parent`."""

    def pose(program: str) -> None:
        package = tmp_path / "bshm_watchd" / "matting"
        package.mkdir(parents=True)
        for directory in (package.parent, package):
            (directory / "__init__.py").write_text("")
        connected = "import os, socket, sys, time\nparent = socket.socket(fileno=int(sys.argv[1]))\n"
        (package / "decode_child.py").write_text(connected + program)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    return pose


@pytest.mark.contract("S1")
def test_a_child_that_hangs_up_and_does_not_end_is_ended(pose_as_child: Callable[[str], None]) -> None:
    pose_as_child("parent.send(b'ready'); parent.recv(8); parent.close(); time.sleep(30)")
    with ChildDecoder(1, 10_000, 30) as decoder:
        with pytest.raises(DecoderDied, match=r"ended by signal 9 \(Killed\)"):
            decode(decoder, PNG)
        assert decode_children() == []


@pytest.mark.contract("S1")
def test_a_child_may_end_by_a_signal_without_a_name(pose_as_child: Callable[[str], None]) -> None:
    pose_as_child("parent.send(b'ready'); parent.recv(8); os.kill(os.getpid(), 40)")
    with ChildDecoder(1, 10_000, 30) as decoder, pytest.raises(DecoderDied, match="ended by signal 40"):
        decode(decoder, PNG)


@pytest.mark.contract("D5")
def test_a_child_that_never_comes_up_costs_no_photo_an_attempt(pose_as_child: Callable[[str], None]) -> None:
    pose_as_child("sys.exit('no module named decoding')")
    with ChildDecoder(1, 10_000, 30) as decoder:
        for _ in range(2):
            with pytest.raises(PlaceUnavailable, match="exit status 1: no module named decoding") as caught:
                decode(decoder, PNG)
            assert caught.value.reason == "decoder_unavailable"


@pytest.mark.contract("D5", "D6")
def test_an_interpreter_that_is_gone_costs_no_photo_and_work_goes_on_with_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ChildDecoder(1, 10_000, 30, photos_per_child=1) as decoder:
        decode(decoder, PNG)
        with monkeypatch.context() as gone:
            gone.setattr(sys, "executable", "/nowhere/python")
            with pytest.raises(PlaceUnavailable, match="/nowhere/python"):
                decode(decoder, PNG)
        assert np.array_equal(decode(decoder, PNG).pixels, PICTURE)


class _EmptiedMeanwhile:
    """A slot whose child is retired by its worker once somebody else has looked at it."""

    def __init__(self, child: object) -> None:
        self._looks = iter([child])

    @property
    def child(self) -> object:
        return next(self._looks, None)


@pytest.mark.contract("S1")
def test_a_child_that_is_retired_during_the_close_keeps_no_other_alive() -> None:
    with ChildDecoder(2, 10_000, 30) as decoder:
        decode(decoder, PNG)
        decoder._slots = [_EmptiedMeanwhile(slot.child) for slot in decoder._slots]  # type: ignore[misc]
    assert decode_children() == []


def test_children_do_not_get_the_terminals_interrupt() -> None:
    with ChildDecoder(1, 10_000, 30) as decoder:
        decode(decoder, PNG)
        assert os.getsid(decode_children()[0]) != os.getsid(0)


@pytest.mark.contract("S1")
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


@pytest.mark.contract("S1")
@pytest.mark.parametrize(("claimed", "there"), [((10, 10), 299), ((10, 10), 301), ((0, 10), 0), ((200, 200), 120_000)])
def test_a_child_that_lies_about_the_size_ends_no_daemon(claimed: tuple[int, int], there: int) -> None:
    with shared(bytes(there)) as target, pytest.raises(DecoderDied, match="another size"):
        map_photo(target, *claimed, 10_000, Parts().pack())


@pytest.mark.contract("S1")
@pytest.mark.parametrize(
    "parts",
    [
        Parts(opacity=100),
        Parts(icc=1),
        Parts(exif=1),
        Parts(exif_without_gps=1),
        Parts(opacity=100, icc=5, exif=5, exif_without_gps=6),
    ],
)
def test_a_child_that_lies_about_the_length_of_a_part_ends_no_daemon(parts: Parts) -> None:
    with shared(bytes(300 + 115)) as target, pytest.raises(DecoderDied, match="another size"):
        map_photo(target, 10, 10, 10_000, parts.pack())


@pytest.mark.contract("S1")
@pytest.mark.parametrize(
    "parts",
    [
        Parts(opacity=99),
        Parts(opacity=101),
        Parts(opacity=2**64 - 300),
        Parts(icc=MAX_ICC_BYTES + 1),
        Parts(exif=MAX_EXIF_BYTES + 1),
        Parts(exif_without_gps=MAX_EXIF_BYTES + 1),
        Parts(pages=0),
        Parts(across_dpi=math.nan, down_dpi=300),
        Parts(across_dpi=300, down_dpi=math.nan),
        Parts(across_dpi=math.inf, down_dpi=math.inf),
        Parts(across_dpi=-300, down_dpi=-300),
        Parts(across_dpi=300, down_dpi=0),
        Parts(across_dpi=0, down_dpi=300),
        Parts(across_dpi=0.5, down_dpi=300),
        Parts(across_dpi=100_001, down_dpi=300),
    ],
    ids=str,
)
def test_parts_that_cannot_be_are_not_believed(parts: Parts) -> None:
    lengths = 300 + parts.opacity % 2**20 + parts.icc + parts.exif + parts.exif_without_gps
    with shared(bytes(lengths)) as target, pytest.raises(DecoderDied, match="makes no sense"):
        map_photo(target, 10, 10, 10_000, parts.pack())


@pytest.mark.contract("S1")
@pytest.mark.parametrize("packed", [b"", b"x", Parts().pack()[:-1], Parts().pack() + b"x"])
def test_an_answer_of_another_length_is_not_believed(packed: bytes) -> None:
    with shared(bytes(300)) as target, pytest.raises(DecoderDied, match="makes no sense"):
        map_photo(target, 10, 10, 10_000, packed)


def test_the_parts_are_told_apart() -> None:
    whole = b"\1" * 300 + b"\2" * 100 + b"profile" + b"exif+gps" + b"exif"
    parts = Parts(opacity=100, icc=7, exif=8, exif_without_gps=4, pages=3, across_dpi=300, down_dpi=150)
    with shared(whole) as target:
        photo = map_photo(target, 10, 10, 10_000, parts.pack())
        assert (photo.pixels == 1).all()
        assert photo.opacity is not None
        assert (photo.opacity == 2).all()
        assert photo.metadata == Metadata(b"profile", b"exif+gps", b"exif", (300, 150), 3)


@pytest.mark.contract("S1")
def test_the_pixels_cannot_be_taken_away_later() -> None:
    with shared(bytes(400)) as target:
        photo = map_photo(target, 10, 10, 10_000, Parts(opacity=100).pack())
        with pytest.raises(PermissionError):
            os.ftruncate(target, 0)
        assert photo.pixels.sum() == 0
        assert photo.opacity is not None
        assert photo.opacity.sum() == 0


@contextlib.contextmanager
def shared(content: bytes) -> Iterator[int]:
    """A file in memory as a child leaves it behind."""
    target = os.memfd_create("pixels", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.write(target, content)
        yield target
    finally:
        os.close(target)


@pytest.mark.contract("S1")
@settings(max_examples=150, deadline=None)
@given(st.sampled_from([PNG, JPEG]), st.lists(st.tuples(st.integers(0, 4000), st.binary(max_size=6)), max_size=8))
def test_any_damage_gives_a_photo_or_a_reason(content: bytes, damages: list[tuple[int, bytes]]) -> None:
    damaged = bytearray(content)
    for position, replacement in damages:
        damaged[position : position + len(replacement)] = replacement
    try:
        photo = decode(InProcessDecoder(10_000), bytes(damaged))
    except RejectedPhoto as error:
        assert error.reason in ("broken", "too_large", "not_a_photo", "unsupported")
    else:
        assert photo.pixels.dtype == np.uint8
