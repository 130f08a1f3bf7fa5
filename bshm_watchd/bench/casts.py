"""Who plays in the scenes: drawn people, or those of a pack of photos with mattes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from bshm_watchd.bench import drawn, drawn_people
from bshm_watchd.bench.canvas import grained
from bshm_watchd.bench.figures import (
    Figure,
    Floats,
    Random,
    covering,
    cut_at,
    figure_of,
    mirrored,
    one_of,
    scaled,
    touches_a_side,
)
from bshm_watchd.bench.pack import Alpha, Pack, Person, read_rgb
from bshm_watchd.errors import ConfigError

_TRIES = 400
_HAIRED_OF = 24  # the one with most single hairs of so many
_LEAST_HEAD_PIXELS = 150
_LEAST_BUST_PIXELS = 220
_LEAST_PIXELS = 330
_NECK, _SHOULDERS = 0.8, 1.35  # a neck is narrower than the head, shoulders are wider than the neck: times
_SHORTEST_HEAD, _LONGEST_HEAD = 0.9, 2.0  # down to the neck, times its width
_LOWEST_NECK = 0.8  # of the figure's height: what is narrow further down are feet
_GRAINED_FROM = 1.3  # times enlarged: what is enlarged more has none of the grain of a photo left


@dataclass(frozen=True)
class DrawnCast:
    """Nobody's picture: may be given to anyone."""

    def head(self, random: Random, height: int) -> Figure:
        return mirrored(drawn_people.in_profile(random, height), random)

    def haired(self, random: Random, height: int) -> Figure:
        return mirrored(drawn_people.haired(random, height), random)

    def seated(self, random: Random, height: int) -> Figure:
        return mirrored(drawn_people.seated(random, height), random)

    def standing(self, random: Random, height: int) -> Figure:
        return mirrored(drawn_people.standing(random, height), random)

    def place(self, random: Random, height: int, width: int) -> tuple[Floats, str]:
        seed = int(random.integers(2**32))
        return drawn.scene(seed, height, width).astype(np.float32), drawn_people.SOURCE


@dataclass(frozen=True)
class PackCast:
    """Photographed people. Whom a kind of scene needs is seen by their mattes alone.

    Raises `ConfigError` where the pack has nobody who fits.
    """

    pack: Pack

    def head(self, random: Random, height: int) -> Figure:
        person, outline = self._who(random, "with a head large enough", _has_a_large_head)
        neck = _neck(outline)
        assert neck is not None
        return self._at(cut_at(mirrored(figure_of(person), random), round(neck * 1.08)), height, random)

    def haired(self, random: Random, height: int) -> Figure:
        found = [self._who(random, "large enough", _shows_hair) for _ in range(_HAIRED_OF)]
        person, outline = max(found, key=lambda one: _soft_share(one[1][: _bust(one[1])]))
        return self._at(cut_at(mirrored(figure_of(person), random), _bust(outline)), height, random)

    def seated(self, random: Random, height: int) -> Figure:
        person, outline = self._who(random, "large enough", lambda alpha: len(alpha) >= _LEAST_PIXELS)
        figure = mirrored(figure_of(person), random)
        kept = round(len(outline) * random.uniform(0.4, 0.55))
        return self._at(cut_at(figure, kept) if _is_whole(outline) else replace(figure, cut_below=True), height, random)

    def standing(self, random: Random, height: int) -> Figure:
        person, _ = self._who(random, "from head to feet", _is_whole)
        return self._at(mirrored(figure_of(person), random), height, random)

    def place(self, random: Random, height: int, width: int) -> tuple[Floats, str]:
        path = one_of(random, self.pack.backgrounds)
        stored = read_rgb(path)
        found = covering(stored, height, width, random)
        if max(height / stored.shape[0], width / stored.shape[1]) > _GRAINED_FROM:
            found = grained(random, found, strength=3.0).astype(np.float32)
        return found, path.stem

    def _who(self, random: Random, what: str, fits: Callable[[Alpha], bool]) -> tuple[Person, Alpha]:
        """A person that no side of the photo cuts but the lower one, and the matte cut to its size."""
        for _ in range(_TRIES):
            person = one_of(random, self.pack.people)
            alpha = person.alpha()
            if not touches_a_side(alpha) and fits(outline := _outline(alpha)):
                return person, outline
        raise ConfigError([f"the pack has nobody {what} in {_TRIES} tries: add photos of that kind, or leave it out"])

    def _at(self, figure: Figure, height: int, random: Random) -> Figure:
        scale = height / len(figure.alpha)
        found = scaled(figure, scale)
        if scale <= _GRAINED_FROM:
            return found
        return replace(found, colours=grained(random, found.colours, strength=2.0).astype(np.float32))


def _outline(alpha: Alpha) -> Alpha:
    x, y, width, height = cv2.boundingRect((alpha > 0).astype(np.uint8))
    return alpha[y : y + height, x : x + width]


def _is_whole(outline: Alpha) -> bool:
    """Higher than 2.3 times its width: nobody who is cut at the hips or sits is."""
    return len(outline) >= _LEAST_PIXELS and len(outline) > 2.3 * outline.shape[1]


def _bust(outline: Alpha) -> int:
    """How many rows head and shoulders are."""
    return round(len(outline) * 0.3) if _is_whole(outline) else len(outline)


def _shows_hair(outline: Alpha) -> bool:
    return _bust(outline) >= _LEAST_BUST_PIXELS


def _soft_share(outline: Alpha) -> float:
    """How much of its upper part, where the head is, is neither clear nor solid."""
    head = outline[: round(len(outline) * 0.6)]
    return float(((head > 25) & (head < 230)).sum() / max(1, (head > 25).sum()))


def _has_a_large_head(outline: Alpha) -> bool:
    return not _is_whole(outline) and (_neck(outline) or 0) >= _LEAST_HEAD_PIXELS


def _neck(outline: Alpha) -> int | None:
    """The row where a figure is narrowest between head and shoulders; None where what is above has no head's shape."""
    solid = (outline > 127).sum(axis=1).astype(np.float32)
    widths: Sequence[float] = cv2.blur(solid[:, None], (1, 9))[:, 0].tolist()
    widest, narrowest, neck = 0.0, 0.0, 0
    for row, width in enumerate(widths):
        if neck and width > _SHOULDERS * narrowest:
            is_a_head = _SHORTEST_HEAD * widest < neck < _LONGEST_HEAD * widest
            return neck if is_a_head and neck < _LOWEST_NECK * len(outline) else None
        if not neck:
            widest = max(widest, width)
        if width < _NECK * widest and (not neck or width < narrowest):
            narrowest, neck = width, row
    return None
