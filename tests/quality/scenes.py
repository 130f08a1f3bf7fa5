"""Pictures with exactly known alpha: people of the pack, in colours of their own, on scenes without people.

`pixels = foreground * alpha + background * (1 - alpha)`. The same seed makes the same scene.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from bshm_watchd.bench.figures import (
    Random,
    Stage,
    as_bytes,
    as_jpeg,
    covering,
    one_of,
    sized,
    stand,
    uncut,
    upper,
)
from bshm_watchd.bench.pack import Alpha, Pack, Person, Pixels, read_rgb

_SIZES = ((800, 600), (640, 960), (720, 720), (832, 560))  # height, width


@dataclass(frozen=True)
class Scene:
    """`pixels`: uint8 H x W x 3 RGB; `alpha`: uint8 H x W; `foreground`: the people's own colours where alpha > 0."""

    name: str
    pixels: Pixels
    alpha: Alpha
    foreground: Pixels


def scenes(pack: Pack, seed: int, count: int) -> list[Callable[[], Scene]]:
    """`count` scenes, each made when called; kinds take turns. People cut by the sides of their photos are not used."""
    return [partial(_scene, pack, seed, n) for n in range(count)]


def empty_scenes(pack: Pack, count: int) -> list[Callable[[], Scene]]:
    """Backgrounds as they are: nobody is there."""
    return [partial(_nobody, path) for path in pack.backgrounds[:count]]


def _nobody(path: Path) -> Scene:
    pixels = read_rgb(path)
    return Scene(f"nobody {path.stem}", pixels, np.zeros(pixels.shape[:2], np.uint8), pixels)


def _scene(pack: Pack, seed: int, number: int) -> Scene:
    random = np.random.default_rng([seed, number])
    kind, arrange = _KINDS[number % len(_KINDS)]
    height, width = _SIZES[int(random.integers(len(_SIZES)))]
    background = covering(read_rgb(one_of(random, pack.backgrounds)), height, width, random)
    stage = Stage(background, background.copy(), np.zeros((height, width), np.float32))
    arrange(random, stage, pack.people)
    return _finished(f"{kind} {number:03}", stage)


def _finished(name: str, stage: Stage) -> Scene:
    alpha = np.round(stage.alpha * 255).astype(np.uint8)
    share = alpha[..., None].astype(np.float32) / 255
    mixed = stage.colours * share + stage.background * (1 - share)
    return Scene(name, as_jpeg(as_bytes(mixed)), alpha, as_bytes(stage.colours))


# -- kinds -------------------------------------------------------------------------------------------------


def _upper_body(random: Random, stage: Stage, people: Sequence[Person]) -> None:
    figure = upper(uncut(random, people), random)
    stand(stage, sized(figure, stage, random.uniform(0.7, 0.95)), random.uniform(0.3, 0.7))


def _whole_body(random: Random, stage: Stage, people: Sequence[Person]) -> None:
    figure = sized(uncut(random, people), stage, random.uniform(0.55, 0.95))
    stand(stage, figure, random.uniform(0.2, 0.8), lifted=random.uniform(0, 0.05))


def _at_the_border(random: Random, stage: Stage, people: Sequence[Person]) -> None:
    """Cut by the left or the right side of the picture, down to half of the person."""
    figure = sized(upper(uncut(random, people), random), stage, random.uniform(0.7, 1.05))
    cut = random.uniform(0.1, 0.5) * figure.alpha.shape[1]
    left = -cut if random.random() < 0.5 else stage.alpha.shape[1] - figure.alpha.shape[1] + cut
    stage.put(figure, stage.alpha.shape[0] - figure.alpha.shape[0], round(left))


def _group(random: Random, stage: Stage, people: Sequence[Person]) -> None:
    """Two to five people in a row, of like size, apart or overlapping."""
    count, share = int(random.integers(2, 6)), random.uniform(0.45, 0.8)
    for n in range(count):
        figure = sized(uncut(random, people), stage, share * random.uniform(0.9, 1.1), 1.6 / count)
        stand(stage, figure, (n + 0.5) / count + random.uniform(-0.05, 0.05), lifted=random.uniform(0, 0.04))


def _in_the_dark(random: Random, stage: Stage, people: Sequence[Person]) -> None:
    gain = random.uniform(0.12, 0.35)
    stage.background *= gain
    stage.colours *= gain
    figure = upper(uncut(random, people), random) if random.random() < 0.6 else uncut(random, people)
    lit = replace(figure, colours=figure.colours * random.uniform(0.45, 0.85))
    stand(stage, sized(lit, stage, random.uniform(0.7, 0.95)), random.uniform(0.3, 0.7))


_KINDS = (
    ("upper", _upper_body),
    ("whole", _whole_body),
    ("border", _at_the_border),
    ("group", _group),
    ("dark", _in_the_dark),
)
