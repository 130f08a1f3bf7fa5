"""Portraits composed by this script: a drawn figure on a made-up background, with exactly known opacity.

`pixels = foreground * alpha + background * (1 - alpha)`, so a matte or an estimated foreground can be measured against
the truth instead of against another program's opinion. The same seed and size make the same picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from bshm_watchd.bench.canvas import (
    Bytes,
    Canvas,
    Colour,
    Floats,
    Points,
    curve,
    darker,
    ellipse,
    grained,
    resized,
    softened,
)

_SKINS: tuple[Colour, ...] = ((238, 200, 172), (222, 178, 146), (198, 148, 114), (148, 100, 72), (104, 68, 50))
_HAIRS: tuple[Colour, ...] = ((34, 26, 22), (72, 46, 30), (118, 78, 44), (182, 146, 92), (132, 58, 32))
_CLOTHES: tuple[Colour, ...] = ((36, 44, 72), (122, 34, 42), (44, 84, 66), (206, 206, 200), (88, 72, 104), (60, 62, 66))


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
    return Composed(blend(foreground, background, alpha), alpha, foreground, background)


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


def blend(foreground: Bytes, background: Bytes, alpha: Bytes) -> Bytes:
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
    small = resized(ends, 128, 192, cv2.INTER_LINEAR)
    for _ in range(int(random.integers(0, 14))):
        _add_disc(random, small)
    blurred = cv2.GaussianBlur(small, (0, 0), 2.5)
    return grained(random, resized(blurred, height, width, cv2.INTER_CUBIC), strength=3.0)


def _add_disc(random: np.random.Generator, canvas: Floats) -> None:
    height, width = canvas.shape[:2]
    centre = (int(random.integers(0, width)), int(random.integers(0, height)))
    layer = canvas.copy()
    cv2.circle(layer, centre, int(random.integers(5, 22)), random.uniform(30, 250, 3).tolist(), -1)
    strength = float(random.uniform(0.15, 0.5))
    cv2.addWeighted(layer, strength, canvas, 1 - strength, 0, dst=canvas)


# -- the figure --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Person:
    skin: Colour
    hair: Colour
    clothes: Colour
    shoulders: float
    hair_length: float
    tilt_radians: float


def person_of(random: np.random.Generator) -> Person:
    return Person(
        skin=_SKINS[random.integers(len(_SKINS))],
        hair=_HAIRS[random.integers(len(_HAIRS))],
        clothes=_CLOTHES[random.integers(len(_CLOTHES))],
        shoulders=float(random.uniform(1.25, 1.5)),
        hair_length=float(random.uniform(0.3, 1.25)),
        tilt_radians=float(random.uniform(-0.1, 0.1)),
    )


def _figure(random: np.random.Generator, height: int, width: int) -> tuple[Bytes, Bytes]:
    """Colours (known everywhere, also under alpha 0) and opacity of one seated person, cut by the lower edge."""
    person = person_of(random)
    unit = min(height / 3.6, width / 3.4) * float(random.uniform(0.92, 1.05))
    centre = (width * float(random.uniform(0.44, 0.56)), max(height * 0.33, unit * 0.85))
    canvas = Canvas(height, width, centre, unit, person.hair)
    draw_hair_behind(random, canvas, person)
    draw_body(canvas, person)
    draw_head(canvas, person)
    draw_hair_in_front(random, canvas, person)
    return lit(random, canvas), softened(canvas.opacity(), unit)


def draw_hair_behind(random: np.random.Generator, canvas: Canvas, person: Person) -> None:
    length = person.hair_length
    right = curve((0, -0.74), (0.46, -0.55), (0.56, -0.1), (0.6, 0.35 * length), (0.48, 0.75 * length))
    canvas.fill(np.concatenate([right, right[::-1] * [-1, 1]]), darker(person.hair, 0.8))
    for _ in range(90):
        side = 1 if random.random() < 0.5 else -1
        root, reach = random.uniform(0.3, 0.54), random.uniform(0.02, 0.16)
        start, end = random.uniform(-0.5, 0.2), random.uniform(0.45, 0.85) * length
        strand = curve(
            (side * root, start), (side * (root + reach), (start + end) / 2), (side * (root + reach / 3), end)
        )
        draw_strand(random, canvas, strand, person.hair)


def draw_strand(random: np.random.Generator, canvas: Canvas, points: Points, hair: Colour) -> None:
    colour = darker(hair, float(random.uniform(0.7, 1.35)))
    canvas.strand(points, colour, float(random.uniform(0.002, 0.008)), int(random.integers(90, 256)))


def draw_body(canvas: Canvas, person: Person) -> None:
    reach, bottom = person.shoulders, 4.0
    half = curve((0.2, 0.78), (0.42, 0.92), (reach * 0.75, 1.05), (reach, 1.35), (reach * 1.06, 2.2), (reach, bottom))
    canvas.fill(np.concatenate([half, half[::-1] * [-1, 1]]), person.clothes)
    for side in (-1, 1):
        fold = curve((side * reach * 0.7, 1.7), (side * reach * 0.74, 2.4), (side * reach * 0.7, bottom))
        canvas.stroke(fold, darker(person.clothes, 0.6), 0.03)
    neck = curve((0.24, 0.2), (0.22, 0.62), (0.3, 0.86), (0.0, 1.12))
    canvas.fill(np.concatenate([neck, neck[::-1] * [-1, 1]]), darker(person.skin, 0.86))
    canvas.stroke(curve((-0.34, 0.86), (0, 1.2), (0.34, 0.86)), darker(person.clothes, 1.25), 0.06)


def draw_head(canvas: Canvas, person: Person) -> None:
    tilt = person.tilt_radians
    for side in (-1, 1):
        canvas.fill(ellipse((side * 0.44, 0.04), (0.07, 0.14), tilt), darker(person.skin, 0.88))
    canvas.fill(ellipse((0, 0.02), (0.44, 0.58), tilt), person.skin)
    for side in (-1, 1):
        canvas.fill(ellipse((side * 0.25, 0.2), (0.1, 0.08)), blushed(person.skin))
        canvas.fill(ellipse((side * 0.17, -0.03), (0.08, 0.036)), (244, 242, 238))
        canvas.fill(ellipse((side * 0.17, -0.03), (0.035, 0.035)), (58, 44, 36))
        brow = curve((side * 0.08, -0.12), (side * 0.17, -0.16), (side * 0.28, -0.11))
        canvas.stroke(brow, darker(person.hair, 0.9), 0.028)
    canvas.stroke(curve((0.02, -0.02), (0.05, 0.15), (0.0, 0.2), (-0.05, 0.18)), darker(person.skin, 0.78), 0.016)
    canvas.stroke(curve((-0.13, 0.33), (0, 0.37), (0.13, 0.33)), (168, 72, 70), 0.04)


def blushed(skin: Colour) -> Colour:
    return (min(255.0, skin[0] * 1.04), skin[1] * 0.93, skin[2] * 0.91)


def draw_hair_in_front(random: np.random.Generator, canvas: Canvas, person: Person) -> None:
    left = curve((-0.47, 0.12), (-0.56, -0.3), (-0.3, -0.68), (0.05, -0.76), (0.4, -0.6), (0.54, -0.25), (0.47, 0.12))
    inner = curve((0.42, -0.1), (0.34, -0.32), (0.0, -0.38), (-0.25, -0.3), (-0.4, -0.1))
    canvas.fill(np.concatenate([left, inner]), person.hair)
    for _ in range(110):
        angle = random.uniform(np.pi * 1.05, np.pi * 1.95)
        out = np.array([np.cos(angle) * 0.5, np.sin(angle) * 0.66])
        lift, sway = 1 + random.uniform(0.02, 0.2), random.normal(0, 0.06, 2)
        draw_strand(random, canvas, curve(tuple(out * 0.8), tuple(out), tuple(out * lift + sway)), person.hair)


def lit(random: np.random.Generator, canvas: Canvas) -> Bytes:
    """Light from one side: a smooth change of brightness over the figure, and the grain of cloth and skin."""
    height, width = canvas.colours.shape[:2]
    side = float(random.choice([-1.0, 1.0])) * float(random.uniform(0.12, 0.28))
    across = 1 + side * np.linspace(-1, 1, width, dtype=np.float32)
    down = np.linspace(1.08, 0.8, height, dtype=np.float32)
    light: Floats = down[:, None, None] * across[None, :, None]
    lit: Floats = np.multiply(canvas.colours, light, dtype=np.float32)
    return grained(random, lit, strength=2.0)
