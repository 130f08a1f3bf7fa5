"""Where a result may be put: looked at before minutes are spent on it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bshm_watchd.bench.results import read
from bshm_watchd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def refuse_unfit(path: Path) -> None:
    """Raises `ConfigError` where its directory is missing or not writable, or somebody else's file stands there."""
    if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise ConfigError([f"{path}: its directory is missing, or not writable for this user; name another file"])
    if not path.exists():
        return
    try:
        read(path)
    except ConfigError as error:
        message = f"{path}: stands there and is no result of `bench`, so it is left alone; name another file"
        raise ConfigError([message]) from error
