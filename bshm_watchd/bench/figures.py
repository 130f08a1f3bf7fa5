"""People cut out of photos, in colours of their own, and the stage that they are put on: with exactly known alpha.

`pixels = foreground * alpha + background * (1 - alpha)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from bshm_watchd.bench.pack import Alpha, Person, Pixels

Floats = npt.NDArray[np.floating[Any]]
Random = np.random.Generator
_Item = TypeVar("_Item")

_BAND_ROWS = 256
_MOST_ENLARGED = 1.6
_EDGE_PIXELS = 3  # a matte that comes this near to the side of its photo is cut there
_JPEG_QUALITY = 92


@dataclass(frozen=True)
class Figure:
    """A person cut to the size of its matte; `cut_below`: the photo ends there, not the person.

    `colours`: float32 H x W x 3 RGB, 0 to 255, meaningful where alpha > 0; `alpha`: float32 H x W, 0 to 1. `source`:
    what to name where it came from.
    """

    colours: Floats
    alpha: Floats
    cut_below: bool
    source: str = ""


@dataclass
class Stage:
    """What is drawn on, back to front. `colours` are those of the people, mixed by how much of each is seen.

    float32, as of a figure, the background's colours too. `sources`: of all that was put here.
    """

    background: Floats
    colours: Floats
    alpha: Floats
    sources: list[str] = field(default_factory=list)

    def put(self, figure: Figure, top: int, left: int) -> None:
        """Figure before what stands there already; what lies outside the stage is cut off."""
        self.sources.append(figure.source)
        height, width = self.alpha.shape
        y0, x0 = max(0, top), max(0, left)
        y1, x1 = min(height, top + figure.alpha.shape[0]), min(width, left + figure.alpha.shape[1])
        if y1 <= y0 or x1 <= x0:
            return
        for row in range(y0, y1, _BAND_ROWS):  # what is computed in between would else take more than all the rest
            rows = slice(row, min(row + _BAND_ROWS, y1))
            self._put_rows(figure, (rows, slice(x0, x1)), top, left)

    def _put_rows(self, figure: Figure, here: tuple[slice, slice], top: int, left: int) -> None:
        rows, columns = here
        inside = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
        alpha = figure.alpha[inside]
        behind = self.alpha[here] * (1 - alpha)
        total = np.maximum(alpha + behind, 1e-6)[..., None]
        self.colours[here] = (
            figure.colours[inside] * alpha[..., None] + self.colours[here] * behind[..., None]
        ) / total
        self.alpha[here] = alpha + behind


def stand(stage: Stage, figure: Figure, across: float, lifted: float = 0.0) -> None:
    """On the lower side of the stage (`lifted`: share of its height above it), its middle at `across` of the width."""
    height, width = stage.alpha.shape
    above = 0 if figure.cut_below else round(lifted * height)
    stage.put(figure, height - figure.alpha.shape[0] - above, round(across * width - figure.alpha.shape[1] / 2))


# -- figures -----------------------------------------------------------------------------------------------


def uncut(random: Random, people: Sequence[Person]) -> Figure:
    """A person that its photo cuts at most below."""
    while True:
        person = one_of(random, people)
        alpha = person.alpha()
        if not touches_a_side(alpha):
            return mirrored(figure_of(person), random)


def touches_a_side(alpha: Alpha) -> bool:
    sides = alpha[:_EDGE_PIXELS], alpha[:, :_EDGE_PIXELS], alpha[:, -_EDGE_PIXELS:]
    return any(side.max() > 25 for side in sides)


def figure_of(person: Person) -> Figure:
    pixels, alpha = person.pixels(), person.alpha()
    share = alpha.astype(np.float32) / 255
    x, y, width, height = cv2.boundingRect((alpha > 0).astype(np.uint8))
    box = slice(y, y + height), slice(x, x + width)
    return Figure(own_colours(pixels, share)[box], share[box], bool(alpha[-_EDGE_PIXELS:].max() > 25), person.id)


def mirrored(figure: Figure, random: Random) -> Figure:
    if random.random() < 0.5:
        return figure
    return replace(figure, colours=figure.colours[:, ::-1], alpha=figure.alpha[:, ::-1])


def upper(figure: Figure, random: Random) -> Figure:
    """From the head to somewhere between chest and hip; a person that is cut already stays as it is."""
    if figure.cut_below:
        return figure
    return cut_at(figure, round(figure.alpha.shape[0] * random.uniform(0.3, 0.55)))


def cut_at(figure: Figure, kept: int) -> Figure:
    """The upper `kept` rows, as wide as what is seen in them."""
    alpha = figure.alpha[:kept]
    x, _, width, _ = cv2.boundingRect((alpha > 0.02).astype(np.uint8))
    columns = slice(x, x + width)
    return replace(figure, colours=figure.colours[:kept, columns], alpha=alpha[:, columns], cut_below=True)


def sized(figure: Figure, stage: Stage, share: float, widest: float = 0.95) -> Figure:
    """To `share` of the stage's height, at most `widest` of its width, and never much enlarged."""
    height, width = figure.alpha.shape
    return scaled(
        figure, min(share * stage.alpha.shape[0] / height, widest * stage.alpha.shape[1] / width, _MOST_ENLARGED)
    )


def scaled(figure: Figure, scale: float) -> Figure:
    height, width = figure.alpha.shape
    size = max(8, round(width * scale)), max(8, round(height * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    # Weighted by alpha, so that the colours estimated under alpha 0 do not creep in.
    alpha = np.clip(cv2.resize(figure.alpha, size, interpolation=method), 0, 1)
    weighted = cv2.resize(figure.colours * figure.alpha[..., None], size, interpolation=method)
    plain = cv2.resize(figure.colours, size, interpolation=method)
    colours = np.where(alpha[..., None] > 0.02, weighted / np.maximum(alpha, 0.02)[..., None], plain)
    return replace(figure, colours=np.clip(colours, 0, 255).astype(np.float32), alpha=alpha.astype(np.float32))


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


def covering(pixels: Pixels, height: int, width: int, random: Random) -> Floats:
    """Scaled to cover height x width, cut at random, mirrored or not, a little lighter or darker."""
    scale = max(height / pixels.shape[0], width / pixels.shape[1]) * random.uniform(1.0, 1.3)
    size = max(width, round(pixels.shape[1] * scale)), max(height, round(pixels.shape[0] * scale))
    large = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    top, left = int(random.integers(size[1] - height + 1)), int(random.integers(size[0] - width + 1))
    piece = large[top : top + height, left : left + width].astype(np.float32)
    piece = piece[:, ::-1] if random.random() < 0.5 else piece
    return np.asarray(np.clip(piece * random.uniform(0.8, 1.1), 0, 255), np.float32)


def one_of(random: Random, items: Sequence[_Item]) -> _Item:
    return items[int(random.integers(len(items)))]


def as_jpeg(pixels: Pixels) -> Pixels:
    """With the losses that a real photo has."""
    encoded = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB), np.uint8)


def as_bytes(values: Floats) -> Pixels:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
