"""Shape buckets: few sizes, every photo fits one, and nothing of a photo is lost or moved."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bshm_watchd.matting.buckets import buckets, cropped, fitted, padded, placed

SIDES = st.integers(1, 20_000)


@given(SIDES, SIDES)
def test_every_photo_fits_its_bucket(height: int, width: int) -> None:
    (tall, wide), size = placed(height, width, 1920, 32)
    assert size in buckets(1920, 32)
    assert tall <= size[0]
    assert wide <= size[1]


@given(SIDES, SIDES)
def test_no_photo_is_made_larger_or_squeezed_by_more_than_a_hundredth(height: int, width: int) -> None:
    tall, wide = placed(height, width, 1920, 32)[0]
    natural = fitted(height, width, 1920)
    assert natural[0] * 0.99 - 1 <= tall <= natural[0] <= height
    assert natural[1] * 0.99 - 1 <= wide <= natural[1] <= width


@given(SIDES, SIDES)
def test_no_smaller_bucket_would_do(height: int, width: int) -> None:
    (tall, wide), size = placed(height, width, 1920, 32)
    area = size[0] * size[1]
    assert not any(tall <= h and wide <= w and h * w < area for h, w in buckets(1920, 32))


@pytest.mark.parametrize(("longest_side", "stride"), [(1920, 32), (960, 16), (256, 32)])
def test_every_side_is_a_multiple_of_the_stride(longest_side: int, stride: int) -> None:
    for height, width in buckets(longest_side, stride):
        assert height % stride == width % stride == 0
        assert max(height, width) <= longest_side


@pytest.mark.parametrize(
    ("height", "width", "bucket"),
    [
        (4000, 6000, (1280, 1920)), (5304, 7952, (1280, 1920)), (7952, 5304, (1920, 1280)), (3456, 4608, (1440, 1920)),
        (1080, 1920, (1088, 1920)), (2048, 2048, (1920, 1920)), (800, 1200, (1088, 1920)), (300, 400, (320, 480)),
    ],
)  # fmt: skip
def test_what_cameras_make_needs_next_to_no_padding(height: int, width: int, bucket: tuple[int, int]) -> None:
    assert placed(height, width, 1920, 32)[1] == bucket


def test_padding_repeats_the_last_row_and_column_and_is_cut_off_again() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    filled = padded(pixels, (8, 16))
    assert np.array_equal(filled[:5, :7], pixels)
    assert np.array_equal(filled[5:, :7], np.broadcast_to(pixels[-1], (3, 7, 3)))
    assert np.array_equal(filled[:5, 7:], np.broadcast_to(pixels[:, -1:], (5, 9, 3)))
    assert np.array_equal(cropped(filled[..., 0], 5, 7), pixels[..., 0])


def test_a_picture_of_a_buckets_size_is_not_copied() -> None:
    pixels = np.zeros((32, 64, 3), np.uint8)
    assert padded(pixels, (32, 64)) is pixels
