"""Pictures with exactly known alpha: people of the pack, in colours of their own, on scenes without people.

`pixels = foreground * alpha + background * (1 - alpha)`. The same seed makes the same scene.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from tests.quality.pack import Alpha, Pack, Person, Pixels, read_rgb

Floats = npt.NDArray[np.floating[Any]]
Random = np.random.Generator
_Item = TypeVar("_Item")

_SIZES = ((800, 600), (640, 960), (720, 720), (832, 560))  # height, width
_MOST_ENLARGED = 1.6
_EDGE_PIXELS = 3  # a matte that comes this near to the side of its photo is cut there
_JPEG_QUALITY = 92


@dataclass(frozen=True)
class Scene:
    """`pixels`: uint8 H x W x 3 RGB; `alpha`: uint8 H x W; `foreground`: the people's own colours where alpha > 0."""

    name: str
    pixels: Pixels
    alpha: Alpha
    foreground: Pixels


@dataclass(frozen=True)
class _Figure:
    """A person cut to the size of its matte; `cut_below`: the photo ends there, not the person."""

    colours: Floats
    alpha: Floats
    cut_below: bool


@dataclass
class _Stage:
    """What is drawn on, back to front. `colours` are those of the people, mixed by how much of each is seen."""

    background: Floats
    colours: Floats
    alpha: Floats

    def put(self, figure: _Figure, top: int, left: int) -> None:
        """Figure before what stands there already; what lies outside the stage is cut off."""
        height, width = self.alpha.shape
        y0, x0 = max(0, top), max(0, left)
        y1, x1 = min(height, top + figure.alpha.shape[0]), min(width, left + figure.alpha.shape[1])
        if y1 <= y0 or x1 <= x0:
            return
        inside = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
        here, alpha = (slice(y0, y1), slice(x0, x1)), figure.alpha[inside]
        behind = self.alpha[here] * (1 - alpha)
        total = np.maximum(alpha + behind, 1e-6)[..., None]
        self.colours[here] = (
            figure.colours[inside] * alpha[..., None] + self.colours[here] * behind[..., None]
        ) / total
        self.alpha[here] = alpha + behind


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
    background = _covering(read_rgb(_one(random, pack.backgrounds)), height, width, random)
    stage = _Stage(background, background.copy(), np.zeros((height, width), np.float32))
    arrange(random, stage, pack.people)
    return _finished(f"{kind} {number:03}", stage)


def _finished(name: str, stage: _Stage) -> Scene:
    alpha = np.round(stage.alpha * 255).astype(np.uint8)
    share = alpha[..., None].astype(np.float32) / 255
    mixed = stage.colours * share + stage.background * (1 - share)
    return Scene(name, _as_jpeg(_bytes(mixed)), alpha, _bytes(stage.colours))


def _as_jpeg(pixels: Pixels) -> Pixels:
    """With the losses that a real photo has."""
    encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB), np.uint8)


def _bytes(values: Floats) -> Pixels:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


# -- kinds -------------------------------------------------------------------------------------------------


def _upper_body(random: Random, stage: _Stage, people: Sequence[Person]) -> None:
    figure = _upper(_uncut(random, people), random)
    _stand(stage, _sized(figure, stage, random.uniform(0.7, 0.95)), random.uniform(0.3, 0.7))


def _whole_body(random: Random, stage: _Stage, people: Sequence[Person]) -> None:
    figure = _sized(_uncut(random, people), stage, random.uniform(0.55, 0.95))
    _stand(stage, figure, random.uniform(0.2, 0.8), lifted=random.uniform(0, 0.05))


def _at_the_border(random: Random, stage: _Stage, people: Sequence[Person]) -> None:
    """Cut by the left or the right side of the picture, down to half of the person."""
    figure = _sized(_upper(_uncut(random, people), random), stage, random.uniform(0.7, 1.05))
    cut = random.uniform(0.1, 0.5) * figure.alpha.shape[1]
    left = -cut if random.random() < 0.5 else stage.alpha.shape[1] - figure.alpha.shape[1] + cut
    stage.put(figure, stage.alpha.shape[0] - figure.alpha.shape[0], round(left))


def _group(random: Random, stage: _Stage, people: Sequence[Person]) -> None:
    """Two to five people in a row, of like size, apart or overlapping."""
    count, share = int(random.integers(2, 6)), random.uniform(0.45, 0.8)
    for n in range(count):
        figure = _sized(_uncut(random, people), stage, share * random.uniform(0.9, 1.1), 1.6 / count)
        _stand(stage, figure, (n + 0.5) / count + random.uniform(-0.05, 0.05), lifted=random.uniform(0, 0.04))


def _in_the_dark(random: Random, stage: _Stage, people: Sequence[Person]) -> None:
    gain = random.uniform(0.12, 0.35)
    stage.background *= gain
    stage.colours *= gain
    figure = _upper(_uncut(random, people), random) if random.random() < 0.6 else _uncut(random, people)
    lit = _Figure(figure.colours * random.uniform(0.45, 0.85), figure.alpha, figure.cut_below)
    _stand(stage, _sized(lit, stage, random.uniform(0.7, 0.95)), random.uniform(0.3, 0.7))


_KINDS = (
    ("upper", _upper_body),
    ("whole", _whole_body),
    ("border", _at_the_border),
    ("group", _group),
    ("dark", _in_the_dark),
)


def _stand(stage: _Stage, figure: _Figure, across: float, lifted: float = 0.0) -> None:
    """On the lower side of the stage (`lifted`: share of its height above it), its middle at `across` of the width."""
    height, width = stage.alpha.shape
    above = 0 if figure.cut_below else round(lifted * height)
    stage.put(figure, height - figure.alpha.shape[0] - above, round(across * width - figure.alpha.shape[1] / 2))


# -- figures -----------------------------------------------------------------------------------------------


def _uncut(random: Random, people: Sequence[Person]) -> _Figure:
    """A person that its photo cuts at most below."""
    while True:
        person = _one(random, people)
        alpha = person.alpha()
        if not _touches_a_side(alpha):
            return _mirrored(_figure(person.pixels(), alpha), random)


def _touches_a_side(alpha: Alpha) -> bool:
    sides = alpha[:_EDGE_PIXELS], alpha[:, :_EDGE_PIXELS], alpha[:, -_EDGE_PIXELS:]
    return any(side.max() > 25 for side in sides)


def _figure(pixels: Pixels, alpha: Alpha) -> _Figure:
    share = alpha.astype(np.float32) / 255
    x, y, width, height = cv2.boundingRect((alpha > 0).astype(np.uint8))
    box = slice(y, y + height), slice(x, x + width)
    return _Figure(own_colours(pixels, share)[box], share[box], bool(alpha[-_EDGE_PIXELS:].max() > 25))


def _mirrored(figure: _Figure, random: Random) -> _Figure:
    if random.random() < 0.5:
        return figure
    return _Figure(figure.colours[:, ::-1], figure.alpha[:, ::-1], figure.cut_below)


def _upper(figure: _Figure, random: Random) -> _Figure:
    """From the head to somewhere between chest and hip; a person that is cut already stays as it is."""
    if figure.cut_below:
        return figure
    kept = round(figure.alpha.shape[0] * random.uniform(0.3, 0.55))
    alpha = figure.alpha[:kept]
    x, _, width, _ = cv2.boundingRect((alpha > 0.02).astype(np.uint8))
    return _Figure(figure.colours[:kept, x : x + width], alpha[:, x : x + width], cut_below=True)


def _sized(figure: _Figure, stage: _Stage, share: float, widest: float = 0.95) -> _Figure:
    """To `share` of the stage's height, at most `widest` of its width, and never much enlarged."""
    height, width = figure.alpha.shape
    scale = min(share * stage.alpha.shape[0] / height, widest * stage.alpha.shape[1] / width, _MOST_ENLARGED)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    # Weighted by alpha, so that the colours estimated under alpha 0 do not creep in.
    alpha = np.clip(cv2.resize(figure.alpha, size, interpolation=method), 0, 1)
    weighted = cv2.resize(figure.colours * figure.alpha[..., None], size, interpolation=method)
    plain = cv2.resize(figure.colours, size, interpolation=method)
    colours = np.where(alpha[..., None] > 0.02, weighted / np.maximum(alpha, 0.02)[..., None], plain)
    return _Figure(np.clip(colours, 0, 255).astype(np.float32), alpha.astype(np.float32), figure.cut_below)


def own_colours(pixels: Pixels, alpha: Floats) -> Floats:
    """The person's own colour at every pixel, without the old background: blur fusion (Forte 2021), wide then narrow.

    `alpha` 0 to 1. float32 H x W x 3, 0 to 255.
    """
    image = pixels.astype(np.float32)
    foreground, background = _blur_fused(image, image, image, alpha, 91)
    return _blur_fused(image, foreground, background, alpha, 7)[0]


def _blur_fused(image: Floats, front: Floats, back: Floats, alpha: Floats, size: int) -> tuple[Floats, Floats]:
    part, rest = alpha[..., None], 1 - alpha[..., None]
    near_front = _blurred(front * part, size) / (_blurred(alpha, size)[..., None] + 1e-5)
    near_back = _blurred(back * rest, size) / (_blurred(1 - alpha, size)[..., None] + 1e-5)
    left_over = image - part * near_front - rest * near_back
    return np.clip(near_front + part * left_over, 0, 255).astype(np.float32), near_back


def _blurred(values: Floats, size: int) -> Floats:
    return np.asarray(cv2.blur(values, (size, size)), np.float32)


# -- backgrounds -------------------------------------------------------------------------------------------


def _covering(pixels: Pixels, height: int, width: int, random: Random) -> Floats:
    """Scaled to cover height x width, cut at random, mirrored or not, a little lighter or darker."""
    scale = max(height / pixels.shape[0], width / pixels.shape[1]) * random.uniform(1.0, 1.3)
    size = max(width, round(pixels.shape[1] * scale)), max(height, round(pixels.shape[0] * scale))
    large = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = int(random.integers(size[1] - height + 1)), int(random.integers(size[0] - width + 1))
    piece = large[top : top + height, left : left + width].astype(np.float32)
    piece = piece[:, ::-1] if random.random() < 0.5 else piece
    return np.asarray(np.clip(piece * random.uniform(0.8, 1.1), 0, 255), np.float32)


def _one(random: Random, items: Sequence[_Item]) -> _Item:
    return items[int(random.integers(len(items)))]
