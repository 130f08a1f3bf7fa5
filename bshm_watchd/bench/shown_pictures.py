"""The before and after of a report: small JPEGs that lie beside a result of quality."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bshm_watchd.bench.results import QualityResult

_KINDS = {
    "photo": "the photo",
    "true": "its true alpha",
    "ours": "the alpha made of it",
    "cutout": "the cutout",
}
_JPEG = b"\xff\xd8\xff"
_MOST_BYTES = 4 << 20  # a small JPEG has a hundredth of it


@dataclass(frozen=True, slots=True)
class Picture:
    """`jpeg`: None where the file can't be shown, and `missing` says why. `told`: what kind of picture it is."""

    told: str
    jpeg: bytes | None
    missing: str | None = None

    @property
    def address(self) -> str:
        """The picture itself, for a page that fetches nothing."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg or b"").decode("ascii")


@dataclass(frozen=True, slots=True)
class Shown:
    """All pictures of one photo of a scene. `label`: the result it is of; `mad`: its error, where the result has it."""

    scene: str
    name: str
    label: str
    mad: float | None
    pictures: list[Picture]


def shown_pictures(results: Sequence[tuple[str, Path, QualityResult]]) -> list[Shown]:
    """In the order of the scenes' names, so that several results' pictures of one photo stand together."""
    found = [one for label, path, result in results for one in _of_result(label, path.parent, result)]
    return sorted(found, key=lambda one: (one.scene, one.name))


def _of_result(label: str, beside: Path, result: QualityResult) -> Iterator[Shown]:
    mads = {(scene.scene, picture.name): picture.mad for scene in result.scenes for picture in scene.pictures}
    for scene, files in result.shown.items():
        by_photo: dict[str, list[Picture]] = {}
        for file in files:
            name, told = _photo_and_kind(file)
            by_photo.setdefault(name, []).append(_picture(beside, file, told))
        yield from (Shown(scene, name, label, mads.get((scene, name)), pictures) for name, pictures in by_photo.items())


def _photo_and_kind(file: str) -> tuple[str, str]:
    """`anna-ours.jpg` is the alpha made of `anna`."""
    stem = Path(file).stem
    name, _, kind = stem.rpartition("-")
    return (name, _KINDS[kind]) if name and kind in _KINDS else (stem, "a picture")


def _picture(beside: Path, file: str, told: str) -> Picture:
    """Nothing but JPEGs beside the result is shown, whatever a result says: a page is passed on to others."""
    try:
        path = (beside / file).resolve()
        if not path.is_relative_to(beside.resolve()):
            return Picture(told, None, f"{file} does not lie beside the result")
        with path.open("rb") as opened:
            jpeg = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        return Picture(told, None, f"{file}: {error.strerror}")
    except ValueError:
        return Picture(told, None, f"{file} is no name of a file")
    if not jpeg.startswith(_JPEG) or len(jpeg) > _MOST_BYTES:
        return Picture(told, None, f"{file} is no small JPEG")
    return Picture(told, jpeg)
