"""Contact sheets: the photo, the true matte, the one made, where they differ, and the cutout on a colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bshm_watchd.bench.pack import Alpha, Pixels

_CELL_PIXELS, _GAP_PIXELS, _LABEL_PIXELS = 300, 6, 22
_PAPER = (250, 250, 248)
_BACKDROP = (72, 132, 176)


@dataclass(frozen=True)
class Row:
    title: str
    pixels: Pixels
    truth: Alpha
    matte: Alpha


def sheet(rows: Sequence[Row], groups: int = 2) -> Image.Image:
    """All rows, `groups` side by side."""
    width = 5 * (_CELL_PIXELS + _GAP_PIXELS) + 4 * _GAP_PIXELS
    height = _CELL_PIXELS + _LABEL_PIXELS + _GAP_PIXELS
    paper = Image.new("RGB", (groups * width, -(-len(rows) // groups) * height), _PAPER)
    for number, row in enumerate(rows):
        _paste(paper, row, number % groups * width, number // groups * height)
    return paper


def _paste(paper: Image.Image, row: Row, left: int, top: int) -> None:
    for column, picture in enumerate(_pictures(row)):
        corner = left + column * (_CELL_PIXELS + _GAP_PIXELS), top + _LABEL_PIXELS
        paper.paste(Image.fromarray(_fitted(picture)), corner)
    ImageDraw.Draw(paper).text((left, top + 3), row.title, fill=(28, 28, 30), font=ImageFont.load_default(size=14))


def _pictures(row: Row) -> tuple[Pixels, Pixels, Pixels, Pixels, Pixels]:
    apart = np.asarray(cv2.absdiff(row.truth, row.matte), np.uint8)
    share = row.matte[..., None].astype(np.float32) / 255
    cutout = row.pixels * share + np.array(_BACKDROP, np.float32) * (1 - share)
    return row.pixels, _grey(row.truth), _grey(row.matte), _grey(apart), cutout.astype(np.uint8)


def _grey(plane: Alpha) -> Pixels:
    return np.repeat(plane[..., None], 3, axis=2)


def _fitted(picture: Pixels) -> Pixels:
    scale = _CELL_PIXELS / max(picture.shape[:2])
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
