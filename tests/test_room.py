"""What a child leaves in the buffer that it shares with its parent, and what the parent believes of it."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator

import numpy as np
import pytest

from bshm_watchd.matting.decoding import Decoded, decode_picture
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.room import MAX_METADATA_BYTES, DecoderDied, Parts, Room, fits, new_buffer, photo_in
from bshm_watchd.metadata import MAX_ICC_BYTES, Metadata
from tests.test_formats_in import TABLE

pytestmark = pytest.mark.contract("S1")

SIZE_BYTES = MAX_METADATA_BYTES + 400  # for 100 pixels


@pytest.fixture
def buffer() -> Iterator[tuple[mmap.mmap, mmap.mmap]]:
    """The child's end, and the parent's."""
    fd = new_buffer(SIZE_BYTES)
    try:
        yield mmap.mmap(fd, SIZE_BYTES), mmap.mmap(fd, SIZE_BYTES, prot=mmap.PROT_READ)
    finally:
        os.close(fd)


def left(buffer: tuple[mmap.mmap, mmap.mmap], decoded: Decoded, level: int) -> Photo:
    """A 10 x 10 photo of one level."""
    theirs, ours = buffer
    room = Room(theirs, -1)
    room.pixels(10, 10)[:] = level
    packed = room.append(decoded).pack()
    return photo_in(ours, -1, 10, 10, 100, packed)


def test_a_photo_comes_through_the_buffer_whole(buffer: tuple[mmap.mmap, mmap.mmap]) -> None:
    metadata = Metadata(b"profile", b"exif+gps", b"exif", (300, 150), 3)
    photo = left(buffer, Decoded(np.full((10, 10), 9, np.uint8), metadata), 7)
    assert (photo.pixels == 7).all() and photo.opacity is not None and (photo.opacity == 9).all()
    assert photo.metadata == metadata


def test_a_child_that_writes_later_changes_no_photo(buffer: tuple[mmap.mmap, mmap.mmap]) -> None:
    photo = left(buffer, Decoded(None, Metadata()), 7)
    buffer[0][:300] = bytes(300)
    assert (photo.pixels == 7).all()
    assert not photo.pixels.flags.writeable


def test_nobody_can_make_the_buffer_smaller() -> None:
    fd = new_buffer(SIZE_BYTES)
    try:
        with pytest.raises(PermissionError):
            os.ftruncate(fd, 0)
    finally:
        os.close(fd)


def test_what_is_too_large_for_the_buffer_goes_elsewhere() -> None:
    assert fits(10, 10, SIZE_BYTES)
    assert not fits(10, 11, SIZE_BYTES)


@pytest.mark.parametrize(
    ("height", "width", "parts"),
    [(0, 10, Parts()), (11, 10, Parts()), (10, 10, Parts(opacity=101)), (10, 10, Parts(icc=MAX_ICC_BYTES + 1))],
)
def test_a_child_that_lies_about_the_buffer_is_not_believed(
    buffer: tuple[mmap.mmap, mmap.mmap], height: int, width: int, parts: Parts
) -> None:
    with pytest.raises(DecoderDied):
        photo_in(buffer[1], -1, height, width, 100, parts.pack())


@pytest.mark.contract("L2")
@pytest.mark.parametrize("name", TABLE)
def test_every_pixel_is_written_over_whatever_was_there(name: str) -> None:
    """A child's buffer still holds the photo before."""
    content = memoryview(TABLE[name].content)
    height, width = TABLE[name].pixels.shape[:2]
    first, second = (np.full((height, width, 3), level, np.uint8) for level in (0x5A, 0xA5))
    for target in (first, second):
        decode_picture(content, 120_000_000, lambda *_, target=target: target)
    assert np.array_equal(first, second)
