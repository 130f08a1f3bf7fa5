"""A directory of photos of people with their mattes, and of scenes without people.

    photos/<id>.jpg  mattes/<id>.png  backgrounds/<id>.jpg  manifest.tsv (columns id, kind, colour at least)

A matte is 8-bit grey of its photo's size, 0 background and 255 person. `kind` is photo or background, `colour` is 0
for grey photos, which are left out. What stands before the underscore of an id names its source.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Alpha = npt.NDArray[np.uint8]
Part = Literal["tuning", "held-back"]


@dataclass(frozen=True)
class Person:
    id: str
    photo: Path
    matte: Path

    def pixels(self) -> Pixels:
        return read_rgb(self.photo)

    def alpha(self) -> Alpha:
        return np.asarray(cv2.imread(str(self.matte), cv2.IMREAD_GRAYSCALE), np.uint8)


@dataclass(frozen=True)
class Pack:
    """One part of the pack, each list in an order that only the ids decide."""

    people: tuple[Person, ...]
    backgrounds: tuple[Path, ...]


def read_pack(directory: Path, part: Part) -> Pack:
    with (directory / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if part_of(row["id"]) == part]
    photos = _mixed([row["id"] for row in rows if row["kind"] == "photo" and row["colour"] == "1"])
    scenes = _mixed([row["id"] for row in rows if row["kind"] == "background"])
    people = [Person(id, directory / "photos" / f"{id}.jpg", directory / "mattes" / f"{id}.png") for id in photos]
    return Pack(tuple(people), tuple(directory / "backgrounds" / f"{id}.jpg" for id in scenes))


def part_of(id: str) -> Part:
    """Half of all ids are held back: what was tuned on one half is judged on the other."""
    return "held-back" if _number(id) % 2 else "tuning"


def read_rgb(path: Path) -> Pixels:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB), np.uint8)


def _mixed(ids: Iterable[str]) -> list[str]:
    """One of each source in turn as long as they last, so that the first N ids are not all of the largest source."""
    by_source: dict[str, list[str]] = {}
    for id in sorted(ids, key=_number):
        by_source.setdefault(id.split("_")[0], []).append(id)
    turns = [(turn, source, id) for source, listed in by_source.items() for turn, id in enumerate(listed)]
    return [id for _, _, id in sorted(turns)]


def _number(id: str) -> int:
    return int.from_bytes(hashlib.sha256(id.encode()).digest()[:8], "big")
