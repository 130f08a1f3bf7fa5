"""Drawn people as figures: seated, with flying hair, turned to the side, standing. Their alpha is exactly known.

Each is drawn at the size that it is wanted in. Lengths are in units of the canvas: 1 is about the height of a head.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from bshm_watchd.bench.canvas import Canvas, Colour, Points, curve, darker, ellipse, softened
from bshm_watchd.bench.drawn import (
    Person,
    blushed,
    draw_body,
    draw_hair_behind,
    draw_hair_in_front,
    draw_head,
    draw_strand,
    lit,
    person_of,
)
from bshm_watchd.bench.figures import Figure, Random

SOURCE = "drawn"
_SHOES: tuple[Colour, ...] = ((28, 24, 24), (92, 60, 40), (214, 212, 206))
_TROUSERS: tuple[Colour, ...] = ((40, 50, 78), (52, 50, 50), (128, 112, 88), (96, 30, 40), (70, 84, 60))


@dataclass(frozen=True)
class _Frame:
    """What of the canvas is seen, in its units."""

    left: float
    right: float
    top: float
    bottom: float

    def canvas(self, height: int, base: Colour) -> tuple[Canvas, float]:
        """Of `height` pixels, and how many of these a unit has."""
        unit = height / (self.bottom - self.top)
        width = round((self.right - self.left) * unit)
        return Canvas(height, width, (-self.left * unit, -self.top * unit), unit, base), unit


def seated(random: Random, height: int) -> Figure:
    """Head to hips from the front, cut by the lower side."""
    person = person_of(random)
    canvas, unit = _Frame(-1.8, 1.8, -1.05, 2.3).canvas(height, person.hair)
    _draw_from_the_front(random, canvas, person)
    return _figure(random, canvas, unit, cut_below=True)


def haired(random: Random, height: int) -> Figure:
    """Head and shoulders from the front, hundreds of long single hairs around them."""
    person = replace(person_of(random), hair_length=float(random.uniform(1.1, 1.5)))
    canvas, unit = _Frame(-2.9, 2.9, -1.3, 1.75).canvas(height, person.hair)
    _draw_flying_hair(random, canvas, person, 520)
    _draw_from_the_front(random, canvas, person)
    _draw_flying_hair(random, canvas, person, 120)
    return _figure(random, canvas, unit, cut_below=True)


def in_profile(random: Random, height: int) -> Figure:
    """A head that looks to the left, cut by the lower side where the shoulders begin."""
    person = person_of(random)
    canvas, unit = _Frame(-1.1, 1.3, -0.92, 1.25).canvas(height, person.hair)
    _draw_profile(random, canvas, person)
    return _figure(random, canvas, unit, cut_below=True)


def standing(random: Random, height: int) -> Figure:
    """From head to shoes."""
    person = person_of(random)
    canvas, unit = _Frame(-2.6, 2.6, -1.0, 8.75).canvas(height, person.hair)
    draw_hair_behind(random, canvas, person)
    _draw_standing_body(random, canvas, person)
    draw_head(canvas, person)
    draw_hair_in_front(random, canvas, person)
    return _figure(random, canvas, unit, cut_below=False)


def _figure(random: Random, canvas: Canvas, unit: float, *, cut_below: bool) -> Figure:
    alpha = softened(canvas.opacity(), unit)
    x, y, width, height = cv2.boundingRect((alpha > 0).astype(np.uint8))
    box = slice(y, y + height), slice(x, x + width)
    colours = lit(random, canvas)[box].astype(np.float32)
    return Figure(colours, alpha[box].astype(np.float32) / 255, cut_below, SOURCE)


def _draw_from_the_front(random: Random, canvas: Canvas, person: Person) -> None:
    draw_hair_behind(random, canvas, person)
    draw_body(canvas, person)
    draw_head(canvas, person)
    draw_hair_in_front(random, canvas, person)


def _both_sides(half: Points) -> Points:
    """A shape from its right half, which begins and ends in the middle."""
    return np.concatenate([half, half[::-1] * [-1, 1]])


# -- hair ----------------------------------------------------------------------------------------------------


def _draw_flying_hair(random: Random, canvas: Canvas, person: Person, strands: int) -> None:
    """From all around the head, mostly to the side that the wind blows to."""
    wind = float(random.uniform(-0.5, 0.5))
    for _ in range(strands):
        angle = random.uniform(np.pi * 0.92, np.pi * 2.08)
        root = np.array([np.cos(angle) * 0.46, np.sin(angle) * 0.62 - 0.05])
        length = person.hair_length * random.uniform(0.35, 1.0)
        out = np.array([np.cos(angle) * 0.75 + wind * random.uniform(0.2, 1.3), np.sin(angle) * 0.35 + 0.55])
        bend = random.normal(0, 0.09, (2, 2))
        middle, end = root + out * length * 0.55 + bend[0], root + out * length + [0, 0.15 * length] + bend[1]
        draw_strand(random, canvas, curve(tuple(root), tuple(middle), tuple(end)), person.hair)


# -- turned to the side ----------------------------------------------------------------------------------------


def _draw_profile(random: Random, canvas: Canvas, person: Person) -> None:
    long_hair = person.hair_length > 0.7
    if long_hair:
        _draw_long_hair_of_profile(random, canvas, person)
    neck = curve((-0.13, 0.3), (-0.1, 0.62), (-0.2, 0.95), (-0.3, 1.4))
    nape = curve((0.62, 1.4), (0.5, 0.9), (0.4, 0.5), (0.36, 0.2))
    canvas.fill(np.concatenate([neck, nape]), darker(person.skin, 0.84))
    collar = curve((-0.95, 1.4), (-0.62, 1.06), (-0.22, 0.92), (0.12, 1.0), (0.46, 0.84), (0.85, 1.02), (1.15, 1.4))
    canvas.fill(collar, person.clothes)
    _draw_face_of_profile(canvas, person)
    _draw_hair_of_profile(random, canvas, person)


def _draw_face_of_profile(canvas: Canvas, person: Person) -> None:
    front = curve(
        (-0.1, -0.62), (-0.34, -0.45), (-0.42, -0.2), (-0.41, -0.08), (-0.5, 0.06), (-0.57, 0.14), (-0.44, 0.19),
        (-0.46, 0.26), (-0.49, 0.3), (-0.44, 0.335), (-0.47, 0.38), (-0.4, 0.43), (-0.42, 0.53), (-0.3, 0.6),
    )  # fmt: skip
    back = curve((-0.1, 0.52), (0.1, 0.38), (0.36, 0.3), (0.5, 0.0), (0.45, -0.4), (0.2, -0.62))
    canvas.fill(np.concatenate([front, back]), person.skin)
    canvas.fill(ellipse((-0.2, 0.2), (0.12, 0.09)), blushed(person.skin))
    canvas.fill(ellipse((-0.33, -0.04), (0.05, 0.034)), (244, 242, 238))
    canvas.fill(ellipse((-0.355, -0.04), (0.022, 0.03)), (58, 44, 36))
    canvas.stroke(curve((-0.4, -0.13), (-0.33, -0.17), (-0.24, -0.13)), darker(person.hair, 0.9), 0.03)
    canvas.stroke(curve((-0.45, 0.335), (-0.38, 0.345), (-0.34, 0.33)), (168, 72, 70), 0.03)
    canvas.stroke(curve((-0.46, 0.19), (-0.43, 0.17), (-0.42, 0.13)), darker(person.skin, 0.78), 0.016)
    canvas.stroke(curve((-0.26, 0.58), (-0.08, 0.5), (0.06, 0.36)), darker(person.skin, 0.8), 0.018)
    canvas.fill(ellipse((0.1, 0.06), (0.075, 0.13), 0.2), darker(person.skin, 0.9))
    canvas.stroke(curve((0.08, -0.01), (0.13, 0.02), (0.12, 0.1)), darker(person.skin, 0.7), 0.014)


def _draw_hair_of_profile(random: Random, canvas: Canvas, person: Person) -> None:
    over = curve((-0.36, -0.34), (-0.36, -0.58), (-0.05, -0.76), (0.32, -0.7), (0.56, -0.4), (0.6, -0.02), (0.46, 0.42))
    under = curve((0.3, 0.36), (0.24, 0.1), (0.14, -0.12), (0.0, -0.12), (-0.06, -0.3), (-0.28, -0.42))
    canvas.fill(np.concatenate([over, under]), person.hair)
    for _ in range(150):
        angle = random.uniform(np.pi * 1.2, np.pi * 2.15)
        out = np.array([0.12 + np.cos(angle) * 0.48, -0.1 + np.sin(angle) * 0.64])
        lift, sway = random.uniform(0.02, 0.14), random.normal(0, 0.05, 2)
        tip = out + np.array([np.cos(angle), np.sin(angle)]) * lift + sway + [0.06, 0.03]
        draw_strand(random, canvas, curve(tuple(out * 0.75), tuple(out), tuple(tip)), person.hair)


def _draw_long_hair_of_profile(random: Random, canvas: Canvas, person: Person) -> None:
    """Falls behind the neck, over the shoulders."""
    outer = curve((0.3, -0.6), (0.62, -0.2), (0.74, 0.4), (0.82, 0.95), (0.72, 1.4))
    inner = curve((0.2, 1.4), (0.22, 0.8), (0.16, 0.2))
    canvas.fill(np.concatenate([outer, inner]), darker(person.hair, 0.82))
    for _ in range(110):
        start, reach = random.uniform(-0.3, 0.6), random.uniform(0.0, 0.2)
        near = float(np.interp(start, [-0.6, -0.2, 0.4, 0.95], [0.3, 0.62, 0.74, 0.82])) - 0.05
        strand = curve((near, start), (near + reach, start + 0.35), (near + reach * 0.6, start + 0.75))
        draw_strand(random, canvas, strand, person.hair)


# -- standing --------------------------------------------------------------------------------------------------


def _draw_standing_body(random: Random, canvas: Canvas, person: Person) -> None:
    reach = person.shoulders * 0.74
    trousers = _TROUSERS[int(random.integers(len(_TROUSERS)))]
    stance = float(random.uniform(0.34, 0.62))
    in_a_skirt = random.random() < 0.4
    for side in (-1, 1):
        _draw_leg(random, canvas, side, stance, darker(person.skin, 0.92) if in_a_skirt else trousers)
        _draw_arm(random, canvas, side, reach, person)
    if in_a_skirt:
        skirt = curve((0.0, 3.0), (0.6, 3.1), (0.86, 4.2), (1.12, 5.6), (0.0, 5.75))
        canvas.fill(_both_sides(skirt), trousers)
    torso = curve((0.0, 0.86), (0.24, 0.84), (reach * 0.8, 1.0), (reach, 1.22), (0.72, 2.3), (0.66, 3.1), (0.78, 4.3))
    canvas.fill(_both_sides(np.concatenate([torso, [[0.0, 4.4]]])), person.clothes)
    if not in_a_skirt:
        hips = curve((0.0, 3.7), (0.7, 3.7), (0.82, 4.5), (0.0, 4.75))
        canvas.fill(_both_sides(hips), trousers)
    neck = curve((0.0, 0.3), (0.2, 0.4), (0.19, 0.7), (0.3, 0.92), (0.0, 1.12))
    canvas.fill(_both_sides(neck), darker(person.skin, 0.86))


def _draw_leg(random: Random, canvas: Canvas, side: int, stance: float, colour: Colour) -> None:
    shoes = _SHOES[0]
    hip, foot = side * 0.4, side * stance
    outer = curve((side * 0.82, 4.3), (foot * 0.4 + side * 0.48, 6.2), (foot + side * 0.2, 8.2))
    inner = curve((foot - side * 0.17, 8.2), (foot * 0.5 + hip * 0.2, 6.2), (side * 0.02, 4.5))
    canvas.fill(np.concatenate([outer, inner]), colour)
    shoe = curve((foot - side * 0.19, 8.1), (foot + side * 0.22, 8.1), (foot + side * 0.46, 8.45), (foot, 8.55))
    canvas.fill(np.concatenate([shoe, [[foot - side * 0.24, 8.5]]]), shoes)
    crease = float(random.uniform(-0.06, 0.06))
    canvas.stroke(curve((hip, 4.9), (foot * 0.6 + hip * 0.4 + crease, 6.3), (foot, 8.0)), darker(colour, 0.8), 0.02)


def _draw_arm(random: Random, canvas: Canvas, side: int, reach: float, person: Person) -> None:
    """Hanging, or its hand on the hip."""
    shoulder = (side * (reach - 0.14), 1.3)
    if random.random() < 0.35:
        elbow, hand = (side * (reach + 0.75), 2.6), (side * 0.82, 3.55)
    else:
        away = float(random.uniform(0.12, 0.55))
        elbow, hand = (side * (reach + away * 0.6), 2.7), (side * (reach + away), 4.15)
    canvas.stroke(curve(shoulder, elbow, hand), darker(person.clothes, 0.9), 0.36)
    end = np.array(hand) + (np.array(hand) - np.array(elbow)) * 0.08
    canvas.fill(ellipse((float(end[0]), float(end[1])), (0.17, 0.24)), person.skin)
