"""The six kinds of pictures that mattes are judged on, composed with exactly known alpha from whatever cast there is.

The same cast, seed, number and size make the same picture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from bshm_watchd.bench.canvas import grained
from bshm_watchd.bench.figures import Figure, Floats, Random, Stage, as_bytes, scaled, stand
from bshm_watchd.bench.pack import Alpha, Pixels

_BAND_ROWS = 256
_ROUGH_HEIGHT = 240  # of figures that are only looked at
_SUN: tuple[float, float, float] = (255.0, 226.0, 178.0)


class Cast(Protocol):
    """People and places for scenes. The same state of `random` gives the same, whatever height is wanted.

    Figures are about `height` pixels high, and of `height` pixels where they are drawn.
    """

    def head(self, random: Random, height: int) -> Figure:
        """A head close up, in profile where the cast has that."""
        ...

    def haired(self, random: Random, height: int) -> Figure:
        """Head and shoulders with many single hairs."""
        ...

    def seated(self, random: Random, height: int) -> Figure:
        """Head to chest or hips, cut below."""
        ...

    def standing(self, random: Random, height: int) -> Figure:
        """Head to feet."""
        ...

    def place(self, random: Random, height: int, width: int) -> tuple[Floats, str]:
        """A background without people (float32 height x width x 3, 0 to 255), and its source."""
        ...


@dataclass(frozen=True)
class Composition:
    """`pixels`: uint8 H x W x 3 RGB; `alpha`: uint8 H x W; `sources`: of all that is in it, each once."""

    scene: str
    pixels: Pixels
    alpha: Alpha
    sources: tuple[str, ...]


@dataclass(frozen=True)
class SceneKind:
    name: str
    upright: bool
    arrange: Callable[[Random, Stage, Cast], None]

    def compose(self, cast: Cast, seed: int, number: int, longer: int, shorter: int) -> Composition:
        """Of these sides, in pixels."""
        random = np.random.default_rng([seed, number, *self.name.encode()])
        height, width = (longer, shorter) if self.upright else (shorter, longer)
        background, source = cast.place(random, height, width)
        stage = Stage(background, background.copy(), np.zeros((height, width), np.float32), [source])
        self.arrange(random, stage, cast)
        pixels, alpha = _mixed(stage)
        return Composition(self.name, pixels, alpha, tuple(dict.fromkeys(stage.sources)))


def _mixed(stage: Stage) -> tuple[Pixels, Alpha]:
    """In bands of rows, so that 24 megapixels need no gigabyte more. The mixed alpha is the one that is returned."""
    alpha = np.empty(stage.alpha.shape, np.uint8)
    pixels = np.empty(stage.background.shape, np.uint8)
    for top in range(0, len(alpha), _BAND_ROWS):
        rows = slice(top, top + _BAND_ROWS)
        alpha[rows] = np.round(stage.alpha[rows] * 255)
        share = alpha[rows, :, None].astype(np.float32) / 255
        pixels[rows] = as_bytes(stage.colours[rows] * share + stage.background[rows] * (1 - share))
    return pixels, alpha


# -- arrangements ----------------------------------------------------------------------------------------------


def _profile_close_up(random: Random, stage: Stage, cast: Cast) -> None:
    height, width = stage.alpha.shape
    figure = cast.head(random, round(height * random.uniform(0.95, 1.02)))
    stand(stage, _at_most(figure, 1.5 * width, 1.05 * height), random.uniform(0.46, 0.54))


def _hair_detail(random: Random, stage: Stage, cast: Cast) -> None:
    height, width = stage.alpha.shape
    figure = _at_most(cast.haired(random, round(height * random.uniform(0.93, 1.0))), 1.1 * width, height)
    light = float(random.uniform(205, 230)) if _brightness(figure) < 115 else float(random.uniform(22, 40))
    stage.background[:] = _wall(random, stage.background, light, contrast=0.3)
    stand(stage, figure, random.uniform(0.45, 0.55))


def _full_body(random: Random, stage: Stage, cast: Cast) -> None:
    height, width = stage.alpha.shape
    figure = cast.standing(random, round(height * random.uniform(0.55, 0.78)))
    stand(stage, _at_most(figure, 0.8 * width, 0.85 * height), random.uniform(0.35, 0.65), random.uniform(0.05, 0.1))


def _group(random: Random, stage: Stage, cast: Cast) -> None:
    """Two to four people side by side, of like size; where they overlap the later one stands in front."""
    height, width = stage.alpha.shape
    count, share = int(random.integers(2, 5)), random.uniform(0.62, 0.8)
    taken = cast.standing if random.random() < 0.4 else cast.seated
    places = (np.arange(count) + 0.5) / count * 0.84 + 0.08
    for n in random.permutation(count):
        figure = taken(random, round(height * share * random.uniform(0.93, 1.07)))
        stand(stage, _at_most(figure, 1.2 * width / count, 0.9 * height), places[n] + random.uniform(-0.02, 0.02), 0.03)


def _back_lit(random: Random, stage: Stage, cast: Cast) -> None:
    """The light is behind the person: a dark figure with a bright rim."""
    height, width = stage.alpha.shape
    whole = random.random() < 0.4
    figure = (cast.standing if whole else cast.seated)(random, round(height * random.uniform(0.78, 0.92)))
    across = float(random.uniform(0.4, 0.6))
    stage.background[:] = _against_the_light(random, stage.background, across)
    dark = replace(figure, colours=figure.colours * random.uniform(0.08, 0.18))
    stand(stage, _rimmed(_at_most(dark, 0.8 * width, height), height), across, 0.02)


def _dark_background(random: Random, stage: Stage, cast: Cast) -> None:
    """Dark clothes and hair before a dark wall: contrast is where the face is, and hardly anywhere else."""
    height, width = stage.alpha.shape
    chosen = min(random.integers(2**32, size=6), key=lambda seed: _clothes(cast, int(seed)))
    figure = cast.seated(np.random.default_rng(int(chosen)), round(height * random.uniform(0.8, 0.93)))
    stage.background[:] = _wall(random, stage.background, float(random.uniform(12, 26)), contrast=0.1)
    dimmed = 255 * (figure.colours / 255) ** 1.5 * random.uniform(0.6, 0.8)
    stand(stage, _at_most(replace(figure, colours=dimmed), width, height), random.uniform(0.42, 0.58))


KINDS = (
    SceneKind("profile-close-up", True, _profile_close_up),
    SceneKind("hair-detail", False, _hair_detail),
    SceneKind("full-body", True, _full_body),
    SceneKind("group", False, _group),
    SceneKind("back-lit-silhouette", False, _back_lit),
    SceneKind("dark-background", True, _dark_background),
)


# -- figures ---------------------------------------------------------------------------------------------------


def _at_most(figure: Figure, width: float, height: float) -> Figure:
    scale = min(width / figure.alpha.shape[1], height / figure.alpha.shape[0])
    return scaled(figure, scale) if scale < 1 else figure


def _brightness(figure: Figure) -> float:
    """Of the hair: where alpha is soft in the upper half; 0 to 255."""
    upper = slice(0, len(figure.alpha) // 2)
    soft = (figure.alpha[upper] > 0.1) & (figure.alpha[upper] < 0.9)
    found = figure.colours[upper][soft]
    return float(found.mean()) if len(found) else 128.0


def _clothes(cast: Cast, seed: int) -> float:
    """How bright the lower half of a figure is."""
    figure = cast.seated(np.random.default_rng(seed), _ROUGH_HEIGHT)
    lower = slice(len(figure.alpha) // 2, None)
    return float(figure.colours[lower][figure.alpha[lower] > 0.9].mean())


def _rimmed(figure: Figure, height: int) -> Figure:
    """Light from behind shines around the edge, less and less towards the middle, and through single hairs."""
    wide = cv2.GaussianBlur(figure.alpha, (0, 0), max(1.0, height / 90))
    rim = np.clip((1 - wide) * 1.9, 0, 1)[..., None]
    colours = figure.colours * (1 - rim) + np.array(_SUN, np.float32) * rim
    return replace(figure, colours=colours.astype(np.float32))


# -- backgrounds -----------------------------------------------------------------------------------------------


def _wall(random: Random, background: Floats, light: float, contrast: float) -> Floats:
    """The place far out of focus, of this brightness on average (0 to 255), with the grain of a photo."""
    height, width = background.shape[:2]
    small = cv2.GaussianBlur(cv2.resize(background, (48, 48), interpolation=cv2.INTER_AREA), (0, 0), 4)
    toned = np.clip((small - small.mean()) * contrast + light, 2, 253)
    return grained(random, _enlarged(toned, height, width), strength=2.0).astype(np.float32)


def _against_the_light(random: Random, background: Floats, across: float) -> Floats:
    """A bright place, the sun or a window behind the middle of the picture."""
    height, width = background.shape[:2]
    small = cv2.GaussianBlur(cv2.resize(background, (96, 96), interpolation=cv2.INTER_AREA), (0, 0), 1.5)
    bright = 255 - (255 - small) * random.uniform(0.22, 0.38)
    down, right = np.mgrid[0:96, 0:96] / 96
    far = np.hypot((right - across) * width / height, down - random.uniform(0.25, 0.5))
    glow = np.exp(-((far / random.uniform(0.3, 0.5)) ** 2))[..., None]
    lit = bright * (1 - glow) + np.array([255, 250, 238]) * glow
    return grained(random, _enlarged(lit, height, width), strength=2.0).astype(np.float32)


def _enlarged(small: Floats, height: int, width: int) -> Floats:
    return np.asarray(cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
