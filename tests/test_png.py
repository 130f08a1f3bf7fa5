"""PNG: every value comes back, as another program reads it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from bshm_watchd.delivery.png import encode_png

RNG = np.random.default_rng(5)


def read(content: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(content))
    image.load()
    return np.asarray(image)


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (1, 300), (300, 1), (64, 64)])
@pytest.mark.parametrize("channels", [0, 3, 4])
def test_every_value_comes_back(shape: tuple[int, int], channels: int) -> None:
    array = RNG.integers(0, 256, (*shape, channels) if channels else shape, np.uint8)
    assert np.array_equal(read(encode_png(array)), array)


def test_colours_are_in_rgb_order() -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[:, :, 0] = 255
    assert Image.open(io.BytesIO(encode_png(red))).getpixel((0, 0)) == (255, 0, 0)


def test_colours_under_alpha_0_are_kept() -> None:
    clear = np.full((4, 4, 4), 200, np.uint8)
    clear[:, :, 3] = 0
    assert np.array_equal(read(encode_png(clear)), clear)


def test_views_and_read_only_arrays_are_fine_and_not_changed() -> None:
    whole = RNG.integers(0, 256, (40, 40, 4), np.uint8)
    view = whole[::2, 5:17]
    before = view.copy()
    view.flags.writeable = False
    assert np.array_equal(read(encode_png(view)), before)
    assert np.array_equal(view, before)


def test_a_smooth_picture_becomes_small() -> None:
    smooth = np.repeat(np.linspace(0, 255, 500).astype(np.uint8)[:, np.newaxis], 500, axis=1)
    assert len(encode_png(smooth)) < smooth.size / 20
