"""Alpha between the model's size and the photo's."""

from __future__ import annotations

import numpy as np

from bshm_watchd.matting.scaling import enlarged, shrunk


def test_nothing_is_copied_where_nothing_is_to_do() -> None:
    alpha, pixels = np.zeros((4, 6), np.uint8), np.zeros((4, 6, 3), np.uint8)
    assert enlarged(alpha, 4, 6) is alpha
    assert shrunk(pixels, 4, 6) is pixels


def test_a_photo_smaller_than_its_alpha_misses_no_thin_line_of_it() -> None:
    alpha = np.zeros((320, 320), np.uint8)
    alpha[3::10] = 250
    assert np.abs(enlarged(alpha, 32, 32).astype(int) - 25).max() <= 1


def test_one_pixel_can_be_enlarged_and_shrunk_to() -> None:
    assert enlarged(np.full((320, 320), 200, np.uint8), 1, 1).tolist() == [[200]]
    assert shrunk(np.full((1, 1, 3), 9, np.uint8), 320, 320).shape == (320, 320, 3)
