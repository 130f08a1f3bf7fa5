"""A directory of photos of people with their mattes, and of scenes without people.

    photos/<id>.jpg  mattes/<id>.png  backgrounds/<id>.jpg  manifest.tsv (columns id, kind, colour at least)

What the manifest says of their licences (column licence_note) is kept with what is composed of them.

A matte is 8-bit grey of its photo's size, 0 background and 255 person. `kind` is photo or background, `colour` is 0
for grey photos, which are left out. What stands before the underscore of an id names its source.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from bshm_watchd.errors import ConfigError

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
        return _read(self.matte, cv2.IMREAD_GRAYSCALE)


@dataclass(frozen=True)
class Pack:
    """One part of the pack, each list in an order that only the ids decide. `licences`: by id, where they are told."""

    people: tuple[Person, ...]
    backgrounds: tuple[Path, ...]
    licences: Mapping[str, str] = field(default_factory=dict)


def read_pack(directory: Path, part: Part) -> Pack:
    """Raises `ConfigError` where there is no such pack, or nobody in this part of it."""
    rows = [row for row in _manifest(directory / "manifest.tsv") if part_of(row["id"]) == part]
    photos = _mixed([row["id"] for row in rows if row["kind"] == "photo" and row["colour"] == "1"])
    scenes = _mixed([row["id"] for row in rows if row["kind"] == "background"])
    if not photos or not scenes:
        told = f"{len(photos)} photos in colour and {len(scenes)} backgrounds are in the half that is used"
        raise ConfigError([f"{directory}: {told}; a pack needs both"])
    people = [Person(id, directory / "photos" / f"{id}.jpg", directory / "mattes" / f"{id}.png") for id in photos]
    licences = {row["id"]: note for row in rows if (note := row.get("licence_note"))}
    return Pack(tuple(people), tuple(directory / "backgrounds" / f"{id}.jpg" for id in scenes), licences)


def _manifest(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t")
            missing = {"id", "kind", "colour"}.difference(reader.fieldnames or ())
            rows = list(reader)
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}; a pack has photos/, mattes/, backgrounds/ and this"]) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError([f"{path}: no table of tab-separated columns in UTF-8: {error}"]) from error
    if missing:
        raise ConfigError([f"{path}: has no column {', '.join(sorted(missing))}"])
    return rows


def part_of(id: str) -> Part:
    """Half of all ids are held back: what was tuned on one half is judged on the other."""
    return "held-back" if _number(id) % 2 else "tuning"


def read_rgb(path: Path) -> Pixels:
    return _read(path, cv2.IMREAD_COLOR_RGB)


def _read(path: Path, how: int) -> npt.NDArray[np.uint8]:
    found = cv2.imread(str(path), how)
    if found is None:
        raise ConfigError([f"{path}: is missing, or no picture that can be read; take its row out of the manifest"])
    return np.asarray(found, np.uint8)


def _mixed(ids: Iterable[str]) -> list[str]:
    """One of each source in turn as long as they last, so that the first N ids are not all of the largest source."""
    by_source: dict[str, list[str]] = {}
    for id in sorted(ids, key=_number):
        by_source.setdefault(id.split("_")[0], []).append(id)
    turns = [(turn, source, id) for source, listed in by_source.items() for turn, id in enumerate(listed)]
    return [id for _, _, id in sorted(turns)]


def _number(id: str) -> int:
    return int.from_bytes(hashlib.sha256(id.encode()).digest()[:8], "big")
