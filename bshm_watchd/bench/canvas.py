"""What figures are drawn on: colours and opacity together, so that every pixel's true alpha is known."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Points = NDArray[np.float64]
Colour = tuple[float, float, float]

_SHIFT = 4  # fractional bits of the coordinates given to cv2: edges fall between pixels


class Canvas:
    """Colours and opacity drawn together, in units of the figure: (0, 0) is the middle of the face, 1 the head."""

    def __init__(self, height: int, width: int, centre: tuple[float, float], unit_pixels: float, base: Colour) -> None:
        self.colours = np.full((height, width, 3), base, dtype=np.uint8)
        self._shapes = np.zeros((height, width), dtype=np.uint8)
        self._strands = np.zeros((height, width), dtype=np.uint8)
        self._centre = np.array(centre)
        self._unit_pixels = unit_pixels

    def opacity(self) -> Bytes:
        return np.maximum(self._shapes, self._strands)

    def fill(self, points: Points, colour: Colour) -> None:
        """A closed opaque shape. Its colour reaches a little further than its opacity: no rim of what lies under it."""
        outline = [self._at(points)]
        cv2.fillPoly(self.colours, outline, colour, cv2.LINE_AA, _SHIFT)
        cv2.polylines(self.colours, outline, True, colour, self._pixels(1 / 40), cv2.LINE_AA, _SHIFT)
        cv2.fillPoly(self._shapes, outline, 255, cv2.LINE_AA, _SHIFT)

    def stroke(self, points: Points, colour: Colour, thickness: float) -> None:
        """An open opaque line."""
        line = [self._at(points)]
        cv2.polylines(self.colours, line, False, colour, self._pixels(thickness), cv2.LINE_AA, _SHIFT)
        cv2.polylines(self._shapes, line, False, 255, self._pixels(thickness), cv2.LINE_AA, _SHIFT)

    def strand(self, points: Points, colour: Colour, thickness: float, opacity: int) -> None:
        """A hair: thin, and opaque only as far as `opacity` (0..255) says where no shape lies under it."""
        line, pixels = [self._at(points)], self._pixels(thickness)
        cv2.polylines(self.colours, line, False, colour, pixels + 2, cv2.LINE_AA, _SHIFT)
        cv2.polylines(self._strands, line, False, opacity, pixels, cv2.LINE_AA, _SHIFT)

    def _at(self, points: Points) -> NDArray[np.int32]:
        return np.round((self._centre + points * self._unit_pixels) * (1 << _SHIFT)).astype(np.int32)

    def _pixels(self, length: float) -> int:
        return max(1, round(length * self._unit_pixels))


def softened(alpha: Bytes, unit: float) -> Bytes:
    """The edge of a lens that is not perfectly sharp: about 1/250 of a head wide."""
    return cv2.GaussianBlur(alpha, (0, 0), max(0.6, unit / 250)).astype(np.uint8, copy=False)


def ellipse(centre: tuple[float, float], radii: tuple[float, float], tilt: float = 0.0) -> Points:
    turn = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    points = np.stack([radii[0] * np.cos(turn), radii[1] * np.sin(turn)], axis=1)
    cosine, sine = np.cos(tilt), np.sin(tilt)
    turned: Points = points @ np.array([[cosine, sine], [-sine, cosine]]) + np.array(centre)
    return turned


def curve(*knots: tuple[float, float], steps: int = 24) -> Points:
    """A Catmull-Rom curve through the knots."""
    points = np.array([knots[0], *knots, knots[-1]])
    t = np.linspace(0, 1, steps)[:, None]
    pieces = []
    for a, b, c, d in zip(points, points[1:], points[2:], points[3:], strict=False):
        pieces.append(b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))))
    return np.concatenate(pieces)


def darker(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def grained(random: np.random.Generator, picture: Floats, strength: float) -> Bytes:
    """Add grain from one tile (new noise for every pixel of 24 megapixels would take seconds)."""
    height, width = picture.shape[:2]
    tile = cv2.GaussianBlur(random.normal(0, 2 * strength, (256, 256)).astype(np.float32), (0, 0), 0.8)
    grain = np.tile(tile, (height // 256 + 1, width // 256 + 1))[:height, :width]
    picture += grain[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


def resized(picture: NDArray[Any], height: int, width: int, method: int) -> Floats:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), dtype=np.float32)
