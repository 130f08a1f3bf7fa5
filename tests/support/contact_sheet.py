"""A contact sheet: for each photo the picture before, its matte, its cutout on a checkerboard and on a colour."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

_CELL_PIXELS = 260
_GAP_PIXELS = 10
_LABEL_PIXELS = 28
_FONT_PIXELS = 15
_COLUMNS = ("before", "matte", "cutout", "on a colour")
_PAPER, _INK, _FAINT = (250, 250, 248), (28, 28, 30), (120, 120, 124)
_BACKDROP = (72, 132, 176)
_SQUARE_PIXELS = 13

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Frame:
    """One line of the sheet: the original, its cutout (RGBA PNG with the matte as its alpha), and what to call it."""

    title: str
    original: Path
    cutout: Path


def draw(frames: Sequence[Frame], groups: int = 2) -> Image.Image:
    """All frames, `groups` side by side. Pictures are fitted into square cells and never enlarged out of shape."""
    font = _font()
    groups = max(1, min(groups, len(frames)))
    rows = -(-len(frames) // groups)
    group_width = len(_COLUMNS) * (_CELL_PIXELS + _GAP_PIXELS) + _GAP_PIXELS
    row_height = _CELL_PIXELS + _LABEL_PIXELS + _GAP_PIXELS
    sheet = Image.new("RGB", (groups * group_width, _LABEL_PIXELS + rows * row_height + _GAP_PIXELS), _PAPER)
    for group in range(groups):
        _write_heading(sheet, group * group_width, font)
    for index, frame in enumerate(frames):
        corner = (index % groups * group_width + _GAP_PIXELS, _LABEL_PIXELS + index // groups * row_height)
        _paste_frame(sheet, frame, corner, font)
    return sheet


def _font() -> Font:
    """A font with every letter where the machine has one, else Pillow's own, which has plain letters only."""
    try:
        return ImageFont.truetype("DejaVuSans.ttf", _FONT_PIXELS)
    except OSError:
        return ImageFont.load_default(size=_FONT_PIXELS)


def _label(title: str, font: Font) -> str:
    """`title`, without its accents where the font would show boxes instead."""
    if isinstance(font, ImageFont.FreeTypeFont) and font.getname()[0] == "DejaVu Sans":
        return title
    return unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()


def _write_heading(sheet: Image.Image, left: int, font: Font) -> None:
    for column, title in enumerate(_COLUMNS):
        x = left + _GAP_PIXELS + column * (_CELL_PIXELS + _GAP_PIXELS)
        ImageDraw.Draw(sheet).text((x, 7), title, fill=_FAINT, font=font)


def _paste_frame(sheet: Image.Image, frame: Frame, corner: tuple[int, int], font: Font) -> None:
    left, top = corner
    for column, picture in enumerate(_pictures(frame)):
        cell_left = left + column * (_CELL_PIXELS + _GAP_PIXELS)
        inset = ((_CELL_PIXELS - picture.width) // 2, (_CELL_PIXELS - picture.height) // 2)
        sheet.paste(picture, (cell_left + inset[0], top + inset[1]))
    ImageDraw.Draw(sheet).text((left, top + _CELL_PIXELS + 5), _label(frame.title, font), fill=_INK, font=font)


def _pictures(frame: Frame) -> tuple[Image.Image, Image.Image, Image.Image, Image.Image]:
    with Image.open(frame.original) as original:
        before = _fitted(ImageOps.exif_transpose(original).convert("RGB"))
    with Image.open(frame.cutout) as result:
        cutout = _fitted(result.convert("RGBA"))
    matte = cutout.getchannel("A").convert("RGB")
    return before, matte, _on(checkerboard(cutout.size), cutout), _on(Image.new("RGB", cutout.size, _BACKDROP), cutout)


def _fitted(picture: Image.Image) -> Image.Image:
    return ImageOps.contain(picture, (_CELL_PIXELS, _CELL_PIXELS), Image.Resampling.LANCZOS)


def _on(background: Image.Image, cutout: Image.Image) -> Image.Image:
    background.paste(cutout, mask=cutout.getchannel("A"))
    return background


def checkerboard(size: tuple[int, int]) -> Image.Image:
    """The usual sign for *nothing here*: light squares on white."""
    board = Image.new("RGB", size, (255, 255, 255))
    pen = ImageDraw.Draw(board)
    for y in range(0, size[1], _SQUARE_PIXELS):
        for x in range((y // _SQUARE_PIXELS % 2) * _SQUARE_PIXELS, size[0], 2 * _SQUARE_PIXELS):
            pen.rectangle((x, y, x + _SQUARE_PIXELS - 1, y + _SQUARE_PIXELS - 1), fill=(204, 204, 204))
    return board
