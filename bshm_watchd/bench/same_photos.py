"""Whether two measurements were made with the same photos: by what is in them, not by their names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bundle import sha256_of


def photos_sha256(groups: Iterable[Sequence[Path]]) -> str:
    """Of what the files hold, in whatever order the groups come; a group is a photo, or a photo and its matte.

    Raises `ConfigError` where one can't be read.
    """
    each = sorted(" ".join(map(_sha256, group)) for group in groups)
    return hashlib.sha256("\n".join(each).encode()).hexdigest()


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}; mend that, or take it away"]) from error
