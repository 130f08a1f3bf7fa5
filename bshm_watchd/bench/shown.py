"""Small JPEGs for a report: the photo, its true matte, ours, and the cutout on a plain colour."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels

SHOWN = ("photo", "true", "ours", "cutout")  # what follows the picture's name in those of its JPEGs
_LONGEST_SIDE = 480
_QUALITY = 88
_BACKDROP = (72, 132, 176)


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture's JPEGs, in the order of `SHOWN`."""

    name: str
    mad: float
    jpegs: tuple[bytes, ...]


def shown_of(name: str, mad: float, pixels: Pixels, truth: Alpha, matte: Alpha) -> Shown:
    """All of one size."""
    small, small_truth, small_matte = (_shrunk(picture) for picture in (pixels, truth, matte))
    return Shown(name, mad, tuple(map(_jpeg, (small, small_truth, small_matte, _cutout(small, small_matte)))))


def telling(pictures: Sequence[Shown]) -> list[Shown]:
    """The best, the one in the middle and the worst, by `mad`; each once."""
    ranked = sorted(pictures, key=lambda picture: picture.mad)
    return [ranked[place] for place in sorted({0, len(ranked) // 2, len(ranked) - 1})] if ranked else []


def directory_of(result: Path) -> Path:
    """Where the pictures of a result file lie: `quality.json` has `quality.shown/`."""
    return result.with_suffix(".shown")


def write_shown(result: Path, scenes: Mapping[str, Sequence[Shown]]) -> dict[str, list[str]]:
    """Writes them in place of earlier ones; the paths by scene, as seen from the result file's directory."""
    place = directory_of(result)
    _remove_earlier(place)
    listed: dict[str, list[str]] = {}
    for scene, pictures in scenes.items():
        directory = place / scene
        directory.mkdir(parents=True, exist_ok=True)
        listed[scene] = []
        for picture in pictures:
            for what, jpeg in zip(SHOWN, picture.jpegs, strict=True):
                path = directory / f"{picture.name}-{what}.jpg"
                path.write_bytes(jpeg)
                listed[scene].append(path.relative_to(result.parent).as_posix())
    return listed


def _remove_earlier(place: Path) -> None:
    """Only what is named as ours are; a directory that something else lies in stays."""
    for what in SHOWN:
        for path in place.glob(f"*/*-{what}.jpg"):
            path.unlink()
    for directory in place.glob("*/"):
        with contextlib.suppress(OSError):
            directory.rmdir()


def _shrunk(picture: Pixels) -> Pixels:
    import cv2
    import numpy as np

    scale = min(1.0, _LONGEST_SIDE / max(picture.shape[:2]))
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _cutout(pixels: Pixels, alpha: Alpha) -> Pixels:
    """In the person's own colours, as an output has them."""
    import numpy as np

    from bshm_watchd.delivery.foreground import foreground

    share = alpha[..., None].astype(np.float32) / 255
    backdrop = np.array(_BACKDROP, np.float32)
    return np.round(foreground(pixels, alpha) * share + backdrop * (1 - share)).astype(np.uint8)


def _jpeg(picture: Pixels) -> bytes:
    import cv2

    ordered = picture if picture.ndim == 2 else picture[..., ::-1]
    return bytes(cv2.imencode(".jpg", ordered, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])
