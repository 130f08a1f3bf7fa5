"""The errors of mattes, where they can be worked out by hand; and the pictures that the mattes are judged on."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bshm_watchd.bench.drawn import compose
from bshm_watchd.bench.figures import own_colours
from bshm_watchd.bench.pack import Alpha, part_of, read_pack
from bshm_watchd.bench.quality_errors import connectivity_error, errors, gradient_error
from bshm_watchd.matting.edge_error import edge_psnr
from tests.quality.scenes import empty_scenes, scenes


def flat(value: int, height: int = 40, width: int = 50) -> Alpha:
    return np.full((height, width), value, np.uint8)


def half(height: int = 40, width: int = 50, at: int = 25) -> Alpha:
    alpha = flat(0, height, width)
    alpha[:, at:] = 255
    return alpha


def test_a_matte_has_no_error_against_itself() -> None:
    found = errors(half(), half())
    assert (found.sad, found.mse, found.mad, found.gradient, found.connectivity) == (0, 0, 0, 0, 0)
    assert found.edge_psnr == 60


def test_differences_of_a_flat_matte() -> None:
    found = errors(flat(51), flat(0))
    assert found.sad == pytest.approx(0.2 * 2000 / 1000)
    assert found.mse == pytest.approx(0.04)
    assert found.mad == pytest.approx(0.2)
    assert found.gradient == pytest.approx(0, abs=1e-12)


def test_one_wrong_row_counts_by_its_pixels() -> None:
    wrong = half()
    wrong[7] = 255 - wrong[7]
    found = errors(wrong, half())
    assert found.sad == pytest.approx(50 / 1000)
    assert found.mad == pytest.approx(1 / 40)
    assert found.mse == pytest.approx(1 / 40)


def test_the_gradient_of_a_step_is_that_of_the_gaussian() -> None:
    """Along a step the filter answers with the Gaussian itself over the filter's length, 1 / (sigma^2 sqrt(8 pi))."""
    sigma, height = 1.4, 40
    x = np.arange(-3, 4)
    squares = (np.exp(-((x + 0.5) ** 2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))) ** 2
    expected = height * squares.sum() * (sigma**4 * 8 * np.pi) / 1000
    assert gradient_error(half() / 255.0, flat(0) / 255.0) == pytest.approx(expected, rel=0.05)


def test_a_steeper_edge_has_a_gradient_error_and_a_shifted_one_a_larger() -> None:
    true = half() / 255.0
    soft = np.asarray(cv2.GaussianBlur(true, (0, 0), 1), np.float64)
    assert 0 < gradient_error(soft, true) < gradient_error(half(at=35) / 255.0, true)


def test_a_part_that_hangs_together_with_the_rest_has_no_connectivity_error() -> None:
    assert connectivity_error(half() / 255.0, half(at=20) / 255.0) == pytest.approx(5 * 40 * 1 / 1000)
    assert connectivity_error(half() / 255.0, half() / 255.0) == 0


def test_an_island_is_an_error_by_how_far_it_rises_above_nothing() -> None:
    true, island = half(), half()
    island[10:14, 5:9] = 204
    assert connectivity_error(island / 255.0, true / 255.0) == pytest.approx(16 * 0.8 / 1000)


def test_what_touches_at_a_corner_only_does_not_hang_together() -> None:
    """Were it joined, a difference of 0.1 would be within what is tolerated."""
    true = half()
    true[:20, 25:], true[16:20, 21:25] = 0, 255
    fainter = true.copy()
    fainter[16:20, 21:25] = 230
    assert connectivity_error(fainter / 255.0, true / 255.0) == pytest.approx(16 * (25 / 255) / 1000)
    true[16:21, 24] = fainter[16:21, 24] = 255
    assert connectivity_error(fainter / 255.0, true / 255.0) == 0


def test_faint_haze_is_below_what_the_connectivity_counts() -> None:
    hazy = half()
    hazy[10:14, 5:9] = 30
    assert connectivity_error(hazy / 255.0, half() / 255.0) == 0


def test_the_edge_psnr_looks_at_the_edge_only() -> None:
    true = half() / 255.0
    far, near = true.copy(), true.copy()
    far[:, :10] = 1
    near[:, 24] = 0.1
    assert edge_psnr(far, true) == 60
    columns = 6  # three on either side of the step
    assert edge_psnr(near, true) == pytest.approx(-10 * np.log10(0.1**2 / columns))


def test_where_the_truth_has_no_edge_the_psnr_is_of_the_whole_picture() -> None:
    assert edge_psnr(flat(51) / 255.0, flat(0) / 255.0) == pytest.approx(-10 * np.log10(0.04))


# -- the pictures ------------------------------------------------------------------------------------------


@pytest.fixture
def pack_dir(tmp_path: Path) -> Path:
    """A pack of drawn people: three sources of a different size, grey ones among them, and scenes."""
    for name in ("photos", "mattes", "backgrounds"):
        (tmp_path / name).mkdir()
    rows = ["id\tkind\tcolour"]
    for number in range(24):
        id, drawn = f"{'abc'[number % 7 % 3]}_{number:02}", compose(number, 200, 160)
        cv2.imwrite(str(tmp_path / "photos" / f"{id}.jpg"), drawn.pixels[..., ::-1])
        cv2.imwrite(str(tmp_path / "mattes" / f"{id}.png"), drawn.alpha)
        cv2.imwrite(str(tmp_path / "backgrounds" / f"bg_{number:02}.jpg"), drawn.background[..., ::-1])
        rows += [f"{id}\tphoto\t{int(number % 8 > 0)}", f"bg_{number:02}\tbackground\t1"]
    (tmp_path / "manifest.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path


def test_the_parts_of_a_pack_share_nobody_and_no_scene(pack_dir: Path) -> None:
    tuning, held_back = read_pack(pack_dir, "tuning"), read_pack(pack_dir, "held-back")
    assert {person.id for person in tuning.people}.isdisjoint(person.id for person in held_back.people)
    assert set(tuning.backgrounds).isdisjoint(held_back.backgrounds)
    assert len(tuning.backgrounds) + len(held_back.backgrounds) == 24
    assert all(part_of(person.id) == "held-back" for person in held_back.people)


def test_grey_photos_are_left_out(pack_dir: Path) -> None:
    people = [person.id for part in ("tuning", "held-back") for person in read_pack(pack_dir, part).people]
    assert len(people) == 21


def test_sources_take_turns(pack_dir: Path) -> None:
    first = [person.id[0] for person in read_pack(pack_dir, "tuning").people[:3]]
    assert sorted(first) == ["a", "b", "c"]


def test_a_scene_is_the_same_each_time_and_another_with_another_seed(pack_dir: Path) -> None:
    pack = read_pack(pack_dir, "tuning")
    one, again, other = (scenes(pack, seed, 6)[3]() for seed in (1, 1, 2))
    assert np.array_equal(one.pixels, again.pixels)
    assert np.array_equal(one.alpha, again.alpha)
    assert one.pixels.shape != other.pixels.shape or not np.array_equal(one.pixels, other.pixels)


def test_a_scene_has_somebody_in_it_and_an_empty_one_nobody(pack_dir: Path) -> None:
    pack = read_pack(pack_dir, "tuning")
    for make in scenes(pack, 1, 5):
        scene = make()
        assert scene.alpha.shape == scene.pixels.shape[:2]
        assert 0.02 < (scene.alpha > 128).mean() < 0.95
    assert all(not make().alpha.any() for make in empty_scenes(pack, 3))


def test_a_persons_own_colours_are_free_of_the_old_background() -> None:
    alpha = np.tile(np.clip(np.linspace(-1, 2, 60), 0, 1), (60, 1)).astype(np.float32)
    red, green = np.array([220, 30, 40.0]), np.array([10, 200, 30.0])
    mixed = red * alpha[..., None] + green * (1 - alpha[..., None])
    own = own_colours(np.round(mixed).astype(np.uint8), alpha)
    seen = alpha > 0.2
    assert np.abs(own[seen] - red).mean() < np.abs(mixed[seen] - red).mean() / 3
