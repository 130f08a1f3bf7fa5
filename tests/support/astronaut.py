"""A real portrait that everybody may use: NASA's picture of Eileen Collins, public domain, from scikit-image."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def astronaut() -> Pixels:
    """uint8, 512 x 512 x 3, RGB."""
    from skimage import data

    pixels: Pixels = data.astronaut()  # type: ignore[no-untyped-call]
    return pixels


def shoot() -> Iterator[tuple[str, Pixels]]:
    """What one sitting gives: (title, pixels) of the same person, framed and lit in different ways."""
    portrait = astronaut()
    yield "straight", portrait
    yield "mirrored", np.ascontiguousarray(portrait[:, ::-1])
    yield "close", _enlarged(portrait[0:320, 60:380], 1200, 1200)
    yield "upright", _enlarged(portrait[:, 40:424], 1600, 1200)
    yield "wide", _enlarged(portrait[20:308], 1080, 1920)
    yield "bright", _exposed(portrait, gamma=0.65)
    yield "dark", _exposed(portrait, gamma=1.5)
    yield "warm", _tinted(portrait, (1.08, 1.0, 0.82))


def _enlarged(pixels: Pixels, height: int, width: int) -> Pixels:
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _exposed(pixels: Pixels, gamma: float) -> Pixels:
    curve = np.round(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    return np.asarray(curve[pixels], dtype=np.uint8)


def _tinted(pixels: Pixels, gains: tuple[float, float, float]) -> Pixels:
    return np.asarray(np.clip(np.round(pixels * np.array(gains)), 0, 255), dtype=np.uint8)
