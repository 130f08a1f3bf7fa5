"""Where a result is put: looked at before minutes are spent on it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from bshm_watchd.bench.results import read, written
from bshm_watchd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from bshm_watchd.bench.results import QualityResult, SpeedResult


def refuse_unfit(path: Path, kind: Literal["speed", "quality"]) -> None:
    """Raises `ConfigError` where its directory is missing or not writable, or what stands there is no result of
    this kind."""
    if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise ConfigError([f"{path}: its directory is missing, or not writable for this user; name another file"])
    if not path.exists():
        return
    left_alone = "so it is left alone; name another file"
    try:
        found = read(path)
    except ConfigError as error:
        raise ConfigError([f"{path}: stands there and is no result of `bench`, {left_alone}"]) from error
    if found.kind != kind:
        raise ConfigError([f"{path}: stands there and is a result of `bench {found.kind}`, {left_alone}"])


def keep(path: Path, result: SpeedResult | QualityResult) -> None:
    """Raises `ConfigError` where the place does not take it."""
    try:
        written(path, result)
    except OSError as error:
        raise ConfigError(
            [f"{path}: {error.strerror}: the result is not kept; make room, or name another file"]
        ) from error
