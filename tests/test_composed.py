"""The composed portraits: their opacity is the truth that mattes are measured against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bshm_watchd.bench import drawn
from tests.support import astronaut, contact_sheet


def test_the_pixels_are_the_foreground_over_the_background_by_alpha() -> None:
    made = drawn.compose(seed=5, height=360, width=480)
    opacity = made.alpha[..., None] / 255
    expected = made.foreground * opacity + made.background * (1 - opacity)
    assert np.abs(made.pixels - expected).max() <= 0.5 + 1e-9


def test_the_same_seed_makes_the_same_picture_and_another_seed_another() -> None:
    first, again = drawn.compose(1, 240, 320), drawn.compose(1, 240, 320)
    other = drawn.compose(2, 240, 320)
    assert np.array_equal(first.pixels, again.pixels) and np.array_equal(first.alpha, again.alpha)
    assert not np.array_equal(first.alpha, other.alpha)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (97, 131), (480, 270), (1080, 1920)])
def test_a_portrait_of_any_size_has_a_figure_a_background_and_soft_edges(height: int, width: int) -> None:
    made = drawn.compose(3, height, width)
    assert made.pixels.shape == (height, width, 3) and made.alpha.shape == (height, width)
    assert made.pixels.dtype == made.alpha.dtype == np.uint8
    opaque, clear = np.mean(made.alpha == 255), np.mean(made.alpha == 0)
    assert 0.1 < opaque < 0.8 and 0.1 < clear < 0.9
    assert np.mean((made.alpha > 0) & (made.alpha < 255)) > 0.002


def test_the_face_is_opaque_and_the_upper_corners_are_clear() -> None:
    for seed in range(6):
        alpha = drawn.compose(seed, 400, 300).alpha
        assert alpha[130, 150] == 255
        assert alpha[2, 2] == alpha[2, -3] == 0


def test_a_saved_png_holds_the_same_pixels_and_a_jpeg_nearly(tmp_path: Path) -> None:
    made = drawn.compose(4, 120, 160)
    cutout = np.dstack([made.foreground, made.alpha])
    for name, pixels in (("a.png", made.pixels), ("b.png", cutout), ("c.png", made.alpha)):
        drawn.save(tmp_path / name, pixels)
        assert np.array_equal(np.asarray(Image.open(tmp_path / name)), pixels)
    drawn.save(tmp_path / "sub" / "D.JPG", made.pixels)
    assert np.mean(np.abs(np.asarray(Image.open(tmp_path / "sub" / "D.JPG")) - made.pixels.astype(int))) < 8


def test_a_sitting_shows_the_same_person_in_eight_different_ways() -> None:
    pictures = dict(astronaut.shoot())
    assert len(pictures) == 8
    assert len({pixels.tobytes() for pixels in pictures.values()}) == 8
    assert all(pixels.dtype == np.uint8 and pixels.shape[2] == 3 for pixels in pictures.values())


def test_a_contact_sheet_shows_each_photo_its_matte_and_its_cutout(tmp_path: Path) -> None:
    made = drawn.compose(6, 260, 260)
    drawn.save(tmp_path / "before.png", made.pixels)
    drawn.save(tmp_path / "after.png", np.dstack([made.foreground, made.alpha]))
    frame = contact_sheet.Frame("été (1).JPG", tmp_path / "before.png", tmp_path / "after.png")
    one, three = contact_sheet.draw([frame]), contact_sheet.draw([frame] * 3)
    cells = [np.asarray(one.crop((left, 28, left + 260, 288))) for left in range(10, 10 + 4 * 270, 270)]
    assert np.array_equal(cells[0], made.pixels)
    assert np.array_equal(cells[1], np.repeat(made.alpha[..., None], 3, axis=2))
    assert np.array_equal(cells[2][made.alpha == 255], made.foreground[made.alpha == 255])
    assert set(cells[2][made.alpha == 0].flatten()) == {204, 255}
    assert len(np.unique(cells[3][made.alpha == 0], axis=0)) == 1
    assert three.width == 2 * one.width and three.height > one.height
