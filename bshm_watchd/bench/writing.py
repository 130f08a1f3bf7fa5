"""What a disk refuses while results and libraries are written, told as what the user must change."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from bshm_watchd.errors import ConfigError


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """Raises `ConfigError` for every `OSError` inside, with the file's name, or that of `place`."""
    try:
        yield
    except OSError as error:
        where = place if error.filename is None else os.fsdecode(error.filename)
        raise ConfigError([f"{where}: {error.strerror or error}; mend that, and run it again"]) from error
