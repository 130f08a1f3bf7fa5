"""Portraits composed by this script: a drawn figure on a made-up background, with exactly known opacity.

`pixels = foreground * alpha + background * (1 - alpha)`, so a matte or an estimated foreground can be measured against
the truth instead of against another program's opinion. The same seed and size make the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Points = NDArray[np.float64]
Colour = tuple[float, float, float]

_SKINS: tuple[Colour, ...] = ((238, 200, 172), (222, 178, 146), (198, 148, 114), (148, 100, 72), (104, 68, 50))
_HAIRS: tuple[Colour, ...] = ((34, 26, 22), (72, 46, 30), (118, 78, 44), (182, 146, 92), (132, 58, 32))
_CLOTHES: tuple[Colour, ...] = ((36, 44, 72), (122, 34, 42), (44, 84, 66), (206, 206, 200), (88, 72, 104), (60, 62, 66))
_SHIFT = 4  # fractional bits of the coordinates given to cv2: edges fall between pixels


@dataclass(frozen=True)
class Composed:
    """One composed portrait. `pixels`, `foreground`, `background`: uint8 H x W x 3 RGB; `alpha`: uint8 H x W."""

    pixels: Bytes
    alpha: Bytes
    foreground: Bytes
    background: Bytes


def compose(seed: int, height: int, width: int) -> Composed:
    """A portrait of `height` x `width`, at least 64 pixels each way, wholly decided by its arguments."""
    random = np.random.default_rng([seed, height, width])
    background = _background(random, height, width)
    foreground, alpha = _figure(random, height, width)
    return Composed(_blend(foreground, background, alpha), alpha, foreground, background)


def scene(seed: int, height: int, width: int) -> Bytes:
    """A background with nobody in front of it: uint8 height x width x 3, RGB."""
    return _background(np.random.default_rng(seed), height, width)


def save(path: Path, pixels: Bytes, jpeg_quality: int = 92) -> None:
    """Write `pixels` (uint8, H x W x 3 RGB or H x W x 4 RGBA or H x W) as what the name says: .jpg, .jpeg or .png."""
    ordered = pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    options = [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality] if path.suffix.lower() != ".png" else []
    encoded = cv2.imencode(path.suffix.lower(), np.ascontiguousarray(ordered), options)[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.tobytes())


def _blend(foreground: Bytes, background: Bytes, alpha: Bytes) -> Bytes:
    """In whole numbers and in bands of rows, so that 24 megapixels need no gigabyte."""
    pixels = np.empty_like(foreground)
    for top in range(0, len(alpha), 256):
        rows = slice(top, top + 256)
        opacity = alpha[rows, :, None].astype(np.uint32)
        mixed = foreground[rows] * opacity + background[rows] * (255 - opacity)
        pixels[rows] = (mixed + 127) // 255
    return pixels


# -- backgrounds -------------------------------------------------------------------------------------------


def _background(random: np.random.Generator, height: int, width: int) -> Bytes:
    """A gradient between two colours, out-of-focus discs, and the grain of a wall."""
    ends = (random.uniform(60, 215, (2, 2, 1)) + random.normal(0, 22, (2, 2, 3))).astype(np.float32)
    small = _resized(ends, 128, 192, cv2.INTER_LINEAR)
    for _ in range(int(random.integers(0, 14))):
        _add_disc(random, small)
    softened = cv2.GaussianBlur(small, (0, 0), 2.5)
    return _grained(random, _resized(softened, height, width, cv2.INTER_CUBIC), strength=3.0)


def _resized(picture: NDArray[Any], height: int, width: int, method: int) -> Floats:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), dtype=np.float32)


def _add_disc(random: np.random.Generator, canvas: Floats) -> None:
    height, width = canvas.shape[:2]
    centre = (int(random.integers(0, width)), int(random.integers(0, height)))
    layer = canvas.copy()
    cv2.circle(layer, centre, int(random.integers(5, 22)), random.uniform(30, 250, 3).tolist(), -1)
    strength = float(random.uniform(0.15, 0.5))
    cv2.addWeighted(layer, strength, canvas, 1 - strength, 0, dst=canvas)


def _grained(random: np.random.Generator, picture: Floats, strength: float) -> Bytes:
    """Add grain from one tile (new noise for every pixel of 24 megapixels would take seconds)."""
    height, width = picture.shape[:2]
    tile = cv2.GaussianBlur(random.normal(0, 2 * strength, (256, 256)).astype(np.float32), (0, 0), 0.8)
    grain = np.tile(tile, (height // 256 + 1, width // 256 + 1))[:height, :width]
    picture += grain[..., None]
    return np.clip(picture, 0, 255).astype(np.uint8)


# -- the figure --------------------------------------------------------------------------------------------


class _Canvas:
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


@dataclass(frozen=True)
class _Person:
    skin: Colour
    hair: Colour
    clothes: Colour
    shoulders: float
    hair_length: float
    tilt_radians: float


def _person(random: np.random.Generator) -> _Person:
    return _Person(
        skin=_SKINS[random.integers(len(_SKINS))],
        hair=_HAIRS[random.integers(len(_HAIRS))],
        clothes=_CLOTHES[random.integers(len(_CLOTHES))],
        shoulders=float(random.uniform(1.25, 1.5)),
        hair_length=float(random.uniform(0.3, 1.25)),
        tilt_radians=float(random.uniform(-0.1, 0.1)),
    )


def _figure(random: np.random.Generator, height: int, width: int) -> tuple[Bytes, Bytes]:
    """Colours (known everywhere, also under alpha 0) and opacity of one seated person, cut by the lower edge."""
    person = _person(random)
    unit = min(height / 3.6, width / 3.4) * float(random.uniform(0.92, 1.05))
    centre = (width * float(random.uniform(0.44, 0.56)), max(height * 0.33, unit * 0.85))
    canvas = _Canvas(height, width, centre, unit, person.hair)
    _draw_hair_behind(random, canvas, person)
    _draw_body(canvas, person)
    _draw_head(canvas, person)
    _draw_hair_in_front(random, canvas, person)
    return _lit(random, canvas), _softened(canvas.opacity(), unit)


def _softened(alpha: Bytes, unit: float) -> Bytes:
    """The edge of a lens that is not perfectly sharp: about 1/250 of a head wide."""
    return cv2.GaussianBlur(alpha, (0, 0), max(0.6, unit / 250)).astype(np.uint8, copy=False)


def _ellipse(centre: tuple[float, float], radii: tuple[float, float], tilt: float = 0.0) -> Points:
    turn = np.linspace(0, 2 * np.pi, 180, endpoint=False)
    points = np.stack([radii[0] * np.cos(turn), radii[1] * np.sin(turn)], axis=1)
    cosine, sine = np.cos(tilt), np.sin(tilt)
    turned: Points = points @ np.array([[cosine, sine], [-sine, cosine]]) + np.array(centre)
    return turned


def _curve(*knots: tuple[float, float], steps: int = 24) -> Points:
    """A Catmull-Rom curve through the knots."""
    points = np.array([knots[0], *knots, knots[-1]])
    t = np.linspace(0, 1, steps)[:, None]
    pieces = []
    for a, b, c, d in zip(points, points[1:], points[2:], points[3:], strict=False):
        pieces.append(b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))))
    return np.concatenate(pieces)


def _darker(colour: Colour, factor: float) -> Colour:
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def _draw_hair_behind(random: np.random.Generator, canvas: _Canvas, person: _Person) -> None:
    length = person.hair_length
    right = _curve((0, -0.74), (0.46, -0.55), (0.56, -0.1), (0.6, 0.35 * length), (0.48, 0.75 * length))
    canvas.fill(np.concatenate([right, right[::-1] * [-1, 1]]), _darker(person.hair, 0.8))
    for _ in range(90):
        side = 1 if random.random() < 0.5 else -1
        root, reach = random.uniform(0.3, 0.54), random.uniform(0.02, 0.16)
        start, end = random.uniform(-0.5, 0.2), random.uniform(0.45, 0.85) * length
        strand = _curve(
            (side * root, start), (side * (root + reach), (start + end) / 2), (side * (root + reach / 3), end)
        )
        _draw_strand(random, canvas, strand, person.hair)


def _draw_strand(random: np.random.Generator, canvas: _Canvas, points: Points, hair: Colour) -> None:
    colour = _darker(hair, float(random.uniform(0.7, 1.35)))
    canvas.strand(points, colour, float(random.uniform(0.002, 0.008)), int(random.integers(90, 256)))


def _draw_body(canvas: _Canvas, person: _Person) -> None:
    reach, bottom = person.shoulders, 4.0
    half = _curve((0.2, 0.78), (0.42, 0.92), (reach * 0.75, 1.05), (reach, 1.35), (reach * 1.06, 2.2), (reach, bottom))
    canvas.fill(np.concatenate([half, half[::-1] * [-1, 1]]), person.clothes)
    for side in (-1, 1):
        fold = _curve((side * reach * 0.7, 1.7), (side * reach * 0.74, 2.4), (side * reach * 0.7, bottom))
        canvas.stroke(fold, _darker(person.clothes, 0.6), 0.03)
    neck = _curve((0.24, 0.2), (0.22, 0.62), (0.3, 0.86), (0.0, 1.12))
    canvas.fill(np.concatenate([neck, neck[::-1] * [-1, 1]]), _darker(person.skin, 0.86))
    canvas.stroke(_curve((-0.34, 0.86), (0, 1.2), (0.34, 0.86)), _darker(person.clothes, 1.25), 0.06)


def _draw_head(canvas: _Canvas, person: _Person) -> None:
    tilt = person.tilt_radians
    for side in (-1, 1):
        canvas.fill(_ellipse((side * 0.44, 0.04), (0.07, 0.14), tilt), _darker(person.skin, 0.88))
    canvas.fill(_ellipse((0, 0.02), (0.44, 0.58), tilt), person.skin)
    for side in (-1, 1):
        canvas.fill(_ellipse((side * 0.25, 0.2), (0.1, 0.08)), _blushed(person.skin))
        canvas.fill(_ellipse((side * 0.17, -0.03), (0.08, 0.036)), (244, 242, 238))
        canvas.fill(_ellipse((side * 0.17, -0.03), (0.035, 0.035)), (58, 44, 36))
        brow = _curve((side * 0.08, -0.12), (side * 0.17, -0.16), (side * 0.28, -0.11))
        canvas.stroke(brow, _darker(person.hair, 0.9), 0.028)
    canvas.stroke(_curve((0.02, -0.02), (0.05, 0.15), (0.0, 0.2), (-0.05, 0.18)), _darker(person.skin, 0.78), 0.016)
    canvas.stroke(_curve((-0.13, 0.33), (0, 0.37), (0.13, 0.33)), (168, 72, 70), 0.04)


def _blushed(skin: Colour) -> Colour:
    return (min(255.0, skin[0] * 1.04), skin[1] * 0.93, skin[2] * 0.91)


def _draw_hair_in_front(random: np.random.Generator, canvas: _Canvas, person: _Person) -> None:
    left = _curve((-0.47, 0.12), (-0.56, -0.3), (-0.3, -0.68), (0.05, -0.76), (0.4, -0.6), (0.54, -0.25), (0.47, 0.12))
    inner = _curve((0.42, -0.1), (0.34, -0.32), (0.0, -0.38), (-0.25, -0.3), (-0.4, -0.1))
    canvas.fill(np.concatenate([left, inner]), person.hair)
    for _ in range(110):
        angle = random.uniform(np.pi * 1.05, np.pi * 1.95)
        out = np.array([np.cos(angle) * 0.5, np.sin(angle) * 0.66])
        lift, sway = 1 + random.uniform(0.02, 0.2), random.normal(0, 0.06, 2)
        _draw_strand(random, canvas, _curve(tuple(out * 0.8), tuple(out), tuple(out * lift + sway)), person.hair)


def _lit(random: np.random.Generator, canvas: _Canvas) -> Bytes:
    """Light from one side: a smooth change of brightness over the figure, and the grain of cloth and skin."""
    height, width = canvas.colours.shape[:2]
    side = float(random.choice([-1.0, 1.0])) * float(random.uniform(0.12, 0.28))
    across = 1 + side * np.linspace(-1, 1, width, dtype=np.float32)
    down = np.linspace(1.08, 0.8, height, dtype=np.float32)
    light: Floats = down[:, None, None] * across[None, :, None]
    lit: Floats = np.multiply(canvas.colours, light, dtype=np.float32)
    return _grained(random, lit, strength=2.0)
