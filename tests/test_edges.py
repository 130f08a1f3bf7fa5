"""The edge pass, on composed portraits whose alpha is known: does it find what a network's few pixels cannot show?"""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from bshm_watchd.bench.drawn import Composed, compose
from bshm_watchd.matting.edge_pass import EdgePass
from bshm_watchd.matting.edges import refined
from bshm_watchd.matting.scaling import enlarged

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha

RULE = EdgePass()


def coarse(composed: Composed) -> Alpha:
    """What a good network would say: the truth, 320 x 320, a little out of focus."""
    small = cv2.resize(composed.alpha, (320, 320), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 1.2), np.uint8)


def edge_error(alpha: Alpha, composed: Composed) -> float:
    """Mean absolute difference (0 to 1) where the true alpha is neither 0 nor 255."""
    edge = (composed.alpha > 0) & (composed.alpha < 255)
    return float(np.abs(alpha[edge] / 255 - composed.alpha[edge] / 255).mean())


@pytest.mark.parametrize("size", [(600, 800), (1080, 1920)], ids=["at its own size", "carried to a larger one"])
@pytest.mark.parametrize("seed", [1, 2])
def test_edges_are_several_times_nearer_to_the_truth_than_an_enlarged_alpha(seed: int, size: tuple[int, int]) -> None:
    composed = compose(seed, *size)
    plain = enlarged(coarse(composed), *size)
    found = refined(composed.pixels, coarse(composed), RULE)
    assert found.shape == size
    assert found.dtype == np.uint8
    assert edge_error(found, composed) < edge_error(plain, composed) / 2.5


def matting_laplacian(colours: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """Of Levin, Lischinski and Weiss, equation 12, by its definition: over all windows that lie inside the picture."""
    height, width = colours.shape[:2]
    at = np.arange(height * width).reshape(height, width)
    laplacian = np.zeros((height * width,) * 2)
    for y in range(radius, height - radius):
        for x in range(radius, width - radius):
            window = at[y - radius : y + radius + 1, x - radius : x + radius + 1].ravel()
            apart = colours.reshape(-1, 3)[window] - colours.reshape(-1, 3)[window].mean(axis=0)
            inverse = np.linalg.inv(apart.T @ apart / len(window) + epsilon * np.eye(3))
            laplacian[np.ix_(window, window)] += np.eye(len(window)) - (1 + apart @ inverse @ apart.T) / len(window)
    return laplacian


@pytest.mark.parametrize("radius", [1, 2])
def test_the_band_is_solved_as_the_closed_form_says(radius: int) -> None:
    rule = EdgePass(radius=radius, epsilon=1e-2, trust=0.05, widened=0, rounds=100, sharpened=0)
    random = np.random.default_rng(7)
    pixels = random.integers(60, 190, (22, 22, 3), dtype=np.uint8)
    alpha = np.where(np.arange(22) < 11, 0, 255).astype(np.uint8) * np.ones((22, 1), np.uint8)
    alpha[7:15, 7:15] = random.integers(100, 156, (8, 8))
    band, guess = np.zeros((22, 22), bool), alpha.ravel() / 255
    band[7:15, 7:15] = True
    inside = band.ravel()
    system = matting_laplacian(pixels / 255, radius, rule.epsilon) / (2 * radius + 1) ** 2
    system += rule.trust * np.eye(len(guess))
    known = rule.trust * guess[inside] - system[np.ix_(inside, ~inside)] @ guess[~inside]
    expected = np.clip(np.linalg.solve(system[np.ix_(inside, inside)], known), 0, 1)
    assert expected.std() > 0.1
    assert refined(pixels, alpha, rule)[band] / 255 == pytest.approx(expected, abs=0.003)


def test_left_and_right_are_treated_alike() -> None:
    composed = compose(6, 777, 1301)
    mirrored = refined(
        np.ascontiguousarray(composed.pixels[:, ::-1]), np.ascontiguousarray(coarse(composed)[:, ::-1]), RULE
    )
    apart = np.abs(refined(composed.pixels, coarse(composed), RULE).astype(int) - mirrored[:, ::-1])
    assert apart.max() <= 16
    assert apart.mean() < 0.002


def test_what_is_sure_stays_as_it_is() -> None:
    composed = compose(3, 720, 1280)
    found = refined(composed.pixels, coarse(composed), RULE)
    far = np.ones((61, 61), np.uint8)
    inside = cv2.erode((composed.alpha == 255).astype(np.uint8), far) > 0
    outside = cv2.erode((composed.alpha == 0).astype(np.uint8), far) > 0
    assert inside.any()
    assert outside.any()
    assert (found[inside] == 255).all()
    assert (found[outside] == 0).all()


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("size", [(1, 1), (2, 900), (70, 50), (1200, 1600)])
def test_nobody_and_nothing_but_a_person_stay_so(value: int, size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    alpha = refined(pixels, np.full((320, 320), value, np.uint8), RULE)
    assert alpha.shape == size
    assert (alpha == value).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (3, 2), (5, 3000), (40, 40), (961, 17)])
def test_pictures_of_any_shape_get_an_alpha(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    half = np.zeros((320, 320), np.uint8)
    half[:, 100:160] = 255
    alpha = refined(pixels, half, RULE)
    assert alpha.shape == size
    assert alpha.dtype == np.uint8


@pytest.mark.parametrize("size", [(500, 700), (1500, 2100)])
def test_a_picture_of_one_colour_keeps_its_coarse_alpha(size: tuple[int, int]) -> None:
    pixels = np.full((*size, 3), 90, np.uint8)
    ramp = np.tile(np.linspace(0, 255, 320).astype(np.uint8), (320, 1))
    apart = np.abs(refined(pixels, ramp, EdgePass(sharpened=0)).astype(int) - enlarged(ramp, *size))
    assert apart.max() <= 12
    assert apart.mean() < 2


def test_two_edges_next_to_a_border_are_found() -> None:
    pixels = np.full((1600, 2400, 3), 200, np.uint8)
    pixels[:, :333] = (20, 30, 40)
    pixels[-77:] = (20, 30, 40)
    truth = np.where(pixels[..., 0] < 100, 255, 0).astype(np.uint8)
    unsure = cv2.GaussianBlur(cv2.resize(truth, (320, 320), interpolation=cv2.INTER_AREA), (0, 0), 2)
    alpha = refined(pixels, np.asarray(unsure, np.uint8), RULE)
    assert (np.abs(alpha.astype(int) - truth) > 40).mean() < 1e-3


def test_the_same_photo_gives_the_same_alpha_on_any_thread_and_is_not_changed() -> None:
    composed = compose(4, 700, 900)
    pixels, alpha = composed.pixels.copy(), coarse(composed)
    pixels.setflags(write=False)
    alpha.setflags(write=False)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: refined(pixels, alpha, RULE), range(8)))
    assert all(np.array_equal(found[0], other) for other in found)


def test_memory_stays_within_what_is_promised() -> None:
    composed = compose(5, 3000, 4000)
    alpha = coarse(composed)
    tracemalloc.start()
    refined(composed.pixels, alpha, RULE)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 80 * 960 * 720 + 2 * 3000 * 4000


def test_the_band_fades_out_in_a_photo_many_times_larger_than_the_working_copy() -> None:
    """A pixel of the working copy is 8 of the photo: where the band ends, alpha must not jump by that much at once."""
    pixels = np.full((1024, 1024, 3), 30, np.uint8)
    pixels[:, 600:] = 220
    coarse = np.repeat(np.clip(np.linspace(-2500, 4000, 128), 0, 255).astype(np.uint8)[None], 128, axis=0)
    alpha = refined(pixels, coarse, EdgePass(longest_side=128)).astype(int)
    assert (alpha[:, 350].max(), alpha[:, 480:].min()) == (0, 255)
    assert np.abs(np.diff(alpha[:, 380:590], axis=1)).max() < 20
