"""Results as their readers see them, and that a photo's cost is what it really takes."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from bshm_watchd.delivery.render import cost_bytes, render

RNG = np.random.default_rng(9)
PIXELS = RNG.integers(0, 256, (37, 53, 3), np.uint8)
ALPHA = RNG.integers(0, 256, (37, 53), np.uint8)
ALPHA[:5] = 0
PIXELS.flags.writeable = ALPHA.flags.writeable = False


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_a_cutout_has_the_photos_colours_and_the_mattes_alpha() -> None:
    image = opened(render("cutout", PIXELS, ALPHA))
    assert (image.format, image.mode) == ("PNG", "RGBA")
    assert np.array_equal(np.asarray(image)[:, :, :3], PIXELS)
    assert np.array_equal(np.asarray(image)[:, :, 3], ALPHA)


def test_a_matte_is_the_alpha_in_grey() -> None:
    image = opened(render("matte", PIXELS, ALPHA))
    assert (image.format, image.mode) == ("PNG", "L")
    assert np.array_equal(np.asarray(image), ALPHA)


def test_the_cost_grows_with_the_pixels_and_the_dearest_kind() -> None:
    assert cost_bytes(2000, 2000, ["matte"]) < cost_bytes(2000, 2000, ["cutout"])
    assert cost_bytes(2000, 2000, ["matte", "cutout"]) == cost_bytes(2000, 2000, ["cutout"])
    assert cost_bytes(4000, 2000, ["cutout"]) < 2 * cost_bytes(2000, 2000, ["cutout"])


@pytest.mark.parametrize(
    ("picture", "kind", "most"),
    [
        ("photo.jpg", "cutout", 1.6),
        ("noise16.png", "matte", 1.6),
        ("turned.jpg", "matte", 5),
    ],
)
def test_a_photo_of_24_megapixels_takes_no_more_memory_than_its_cost(picture: str, kind: str, most: float) -> None:
    command = [sys.executable, "-m", "tests.support.peak_memory", picture, kind]
    measured = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    cost = cost_bytes(measured["height"], measured["width"], [kind]) + measured["original_bytes"]
    assert measured["peak_bytes"] <= cost <= most * measured["peak_bytes"]
