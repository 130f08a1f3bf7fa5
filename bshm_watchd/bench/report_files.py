"""A report's files on disk: an earlier report of ours gives way to a new one, and nothing else does."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from bshm_watchd.errors import ConfigError

BESIDE = "report-plots"
MARKS = {
    "report.html": '<meta name="generator" content="bshm-watchd bench report">',
    "report.md": "Made by `bshm-watchd bench report`.",
}
"""By page: what it says near its beginning, so that it is known as ours later."""

_NEAR_BYTES = 2000
_OURS = re.compile(r"\.?(?:speed-\d+-\d+\.svg|quality-\d+\.svg|picture-\d+-\d+\.jpg)(?:\.part)?")


def refuse_others(directory: Path) -> None:
    """Raises `ConfigError` where a page stands that is no report of ours, or files beside a report that is gone."""
    pages = [directory / name for name in MARKS if os.path.lexists(directory / name)]
    for page in pages:
        if not _is_ours(page):
            told = f"{page}: stands there and is no report of `bench`, so it is left alone; name another directory"
            raise ConfigError([told])
    if not pages and (beside := next(_beside(directory), None)) is not None:
        told = f"{beside}: stands there without a report of `bench`, so it is left alone; name another directory"
        raise ConfigError([told])


def replace_report(directory: Path, files: Mapping[str, bytes]) -> list[Path]:
    """After `refuse_others`. `files`: by name, the pages first, so that what lies beside never lacks them.

    Raises `ConfigError` for what the disk refuses.
    """
    try:
        (directory / BESIDE).mkdir(parents=True, exist_ok=True)
        for earlier in list(_beside(directory)):
            earlier.unlink()
        for name, content in files.items():
            _replace(directory / name, content)
    except OSError as error:
        told = f"{error.filename}: {error.strerror}; name a directory that you may write: `bench report -o DIR`"
        raise ConfigError([told]) from error
    return [directory / name for name in files]


def _is_ours(page: Path) -> bool:
    """False also for what can't be read."""
    try:
        with page.open("rb") as file:
            return MARKS[page.name].encode() in file.read(_NEAR_BYTES)
    except OSError:
        return False


def _beside(directory: Path) -> Iterator[Path]:
    """The files that bear the names that ours have."""
    if (directory / BESIDE).is_dir():
        for name in sorted(os.listdir(directory / BESIDE)):
            if _OURS.fullmatch(name):
                yield directory / BESIDE / name


def _replace(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content)
    temporary.replace(path)
