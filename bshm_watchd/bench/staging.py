"""The photos beside the hot folder, on the same disk, and how they get into `drop/` and out again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from bshm_watchd.disk.folder import DROP
from bshm_watchd.errors import ConfigError

_ORIGINALS = ("done", "review", "rejected", "failed")
_LONGEST_KEPT_BYTES = 200
_KEPT = {DROP, ".bshm"}


class Staging:
    """Copies of photos under names of their own. Dropping is a rename, as of a program that knows what it does."""

    def __init__(self, directory: Path, hot: Path) -> None:
        self._directory = directory
        self._hot = hot

    def bring(self, photos: Sequence[Path]) -> list[str]:
        """Copy them here, on the disk when this returns; their names then. Raises `ConfigError` where they do not fit.

        What lay here before is gone.
        """
        shutil.rmtree(self._directory, ignore_errors=True)
        names = [_name(photo, number) for number, photo in enumerate(photos, start=1)]
        try:
            self._directory.mkdir()
            for photo, name in zip(photos, names, strict=True):
                _copy(photo, self._directory / name)
        except OSError as error:
            place = "make room, or measure elsewhere or with fewer photos: `bench speed --on DIR --photos N`"
            raise ConfigError([f"{error.filename or self._directory}: {error.strerror}; {place}"]) from error
        return names

    def drop(self, names: Sequence[str]) -> None:
        for name in names:
            (self._directory / name).rename(self._hot / DROP / name)

    def take_back(self, names: Sequence[str]) -> None:
        """Fetch the originals from where they were filed, and clear away all that was made of them."""
        for place in _ORIGINALS:
            for name in names:
                if (filed := self._hot / place / name).exists():
                    filed.rename(self._directory / name)
        for entry in os.scandir(self._hot):
            if entry.name not in _KEPT:
                _empty(Path(entry.path))
        os.sync()  # else the next one would wait for what this one has left to be written


def _name(photo: Path, number: int) -> str:
    """Its own behind a number of its own, so that people know it; without its own where that is long already."""
    kept = photo.name if len(os.fsencode(photo.name)) <= _LONGEST_KEPT_BYTES else photo.suffix
    return f"{number:04}-{kept}"


def _copy(photo: Path, target: Path) -> None:
    with photo.open("rb") as source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy)
        copy.flush()
        os.fsync(copy.fileno())


def _empty(directory: Path) -> None:
    """Its directories stay: the daemon knows them."""
    for below, _, names in os.walk(directory):
        for name in names:
            (Path(below) / name).unlink(missing_ok=True)
