"""The colours of the person alone: near the truth in the edge, and untouched everywhere else."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from bshm_watchd.bench.drawn import Composed, compose
from bshm_watchd.delivery.foreground import foreground

Bytes = npt.NDArray[np.uint8]
RNG = np.random.default_rng(5)


def disc(height: int, width: int, softness: int) -> Bytes:
    alpha = np.zeros((height, width), np.uint8)
    cv2.circle(alpha, (width // 2, height // 2), min(height, width) // 4, 255, -1)
    return np.asarray(cv2.blur(alpha, (softness, softness)), np.uint8)


def soft(alpha: Bytes) -> npt.NDArray[np.bool_]:
    return (alpha > 0) & (alpha < 255)


def estimated_there(alpha: Bytes) -> npt.NDArray[np.bool_]:
    """Nearer to clear or opaque than that it is haze, whose colour next to nothing shows."""
    return (alpha > 2) & (alpha < 253)


def error(composed: Composed, colours: Bytes) -> float:
    """Mean colour error in the edge, in levels, as any background would show it: weighted by alpha."""
    difference = np.abs(colours.astype(np.float32) - composed.foreground) * (composed.alpha[..., None] / 255)
    return float(difference[soft(composed.alpha)].mean())


@pytest.mark.parametrize("seed", range(4))
def test_the_old_background_is_gone_from_the_edge(seed: int) -> None:
    composed = compose(seed, 720, 560)
    estimated = error(composed, foreground(composed.pixels, composed.alpha))
    assert estimated < 1.5
    assert estimated < error(composed, composed.pixels) / 3


def test_a_flat_colour_comes_back_exactly_however_wide_the_edge() -> None:
    alpha = disc(300, 400, 61)
    red, blue = np.array([200, 30, 20]), np.array([10, 60, 180])
    share = alpha[..., None] / 255
    pixels = np.rint(red * share + blue * (1 - share)).astype(np.uint8)
    visible = alpha > 25
    off = np.abs(foreground(pixels, alpha).astype(int) - red).max(axis=2) * (alpha / 255)
    assert off[visible].max() <= 6


def test_pixels_that_are_not_soft_stay_bit_for_bit() -> None:
    pixels, alpha = RNG.integers(0, 256, (90, 120, 3), np.uint8), disc(90, 120, 9)
    before = pixels.copy()
    estimated = foreground(pixels, alpha)
    assert np.array_equal(estimated[~estimated_there(alpha)], pixels[~estimated_there(alpha)])
    assert not np.array_equal(estimated, pixels)
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("alpha", [disc(40, 50, 1), np.zeros((40, 50), np.uint8), np.full((40, 50), 255, np.uint8)])
def test_a_matte_without_soft_pixels_gives_the_same_array_back(alpha: Bytes) -> None:
    pixels = RNG.integers(0, 256, (40, 50, 3), np.uint8)
    assert foreground(pixels, alpha) is pixels


def test_a_matte_that_knows_neither_person_nor_background_changes_next_to_nothing() -> None:
    pixels = RNG.integers(0, 256, (200, 300, 3), np.uint8)
    estimated = foreground(pixels, np.full((200, 300), 128, np.uint8))
    assert np.abs(estimated.astype(int) - pixels).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (2, 2), (3, 1031), (513, 511)])
def test_a_photo_of_any_size_is_taken(size: tuple[int, int]) -> None:
    pixels, alpha = RNG.integers(0, 256, (*size, 3), np.uint8), RNG.integers(0, 256, size, np.uint8)
    estimated = foreground(pixels, alpha)
    assert estimated.shape == pixels.shape
    assert np.array_equal(estimated[~estimated_there(alpha)], pixels[~estimated_there(alpha)])


def test_the_estimate_is_the_same_every_time() -> None:
    composed = compose(3, 400, 300)
    assert np.array_equal(*(foreground(composed.pixels, composed.alpha) for _ in range(2)))


def test_a_large_photo_is_estimated_as_well_as_a_small_one() -> None:
    composed = compose(1, 2400, 1800)
    assert error(composed, foreground(composed.pixels, composed.alpha)) < 1.5


def test_known_colours_are_carried_straight_across_the_edge() -> None:
    """Colours change along the edge, and must not slip along it: in large photos they are carried in coarse cells."""
    along = 40 + np.abs(np.arange(6144) % 400 - 200.0)
    alpha = np.repeat(np.array([255, 128, 0], np.uint8), [36, 24, 60])[:, None] + np.zeros(6144, np.uint8)
    share = alpha[..., None] / 255
    mixed = np.rint(along[None, :, None] * share + 30 * (1 - share)).astype(np.uint8)
    estimated = foreground(np.repeat(mixed, 3, axis=2), alpha)[soft(alpha)].reshape(24, 6144, 3)
    assert np.median(np.abs(estimated - along[None, :, None])) <= 1  # where the wave turns, more


def test_noise_is_not_blown_up() -> None:
    alpha = disc(300, 300, 31)
    flat = np.full((300, 300, 3), 128, np.uint8)
    noisy = np.clip(flat + RNG.normal(0, 8, flat.shape), 0, 255).astype(np.uint8)
    assert foreground(noisy, alpha)[soft(alpha)].std() < 1.3 * noisy[soft(alpha)].std()


def test_colours_that_the_photo_itself_keeps_apart_are_left_as_they_are() -> None:
    """A cutout that is dropped as a photo: straight alpha, black under it."""
    alpha = disc(120, 120, 15)
    pixels = np.where(alpha[..., None] > 0, np.uint8(150), np.uint8(0)) * np.ones(3, np.uint8)
    assert np.array_equal(foreground(pixels, alpha, opacity=alpha), pixels)
    half = alpha.copy()
    half[:, :60] = 255  # the left half is an ordinary photo
    assert np.array_equal(foreground(pixels, alpha, opacity=half)[:, 60:], pixels[:, 60:])


def test_a_photo_that_is_soft_only_where_it_is_transparent_itself_stays_as_it_is() -> None:
    pixels, alpha = RNG.integers(0, 256, (60, 80, 3), np.uint8), disc(60, 80, 1)
    opacity = np.full((60, 80), 255, np.uint8)
    alpha[28:32], opacity[28:32] = np.minimum(alpha[28:32], 128), 128
    assert soft(alpha).any()
    assert np.array_equal(foreground(pixels, alpha, opacity), pixels)
