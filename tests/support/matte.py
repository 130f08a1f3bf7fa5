"""The command `matte`, in the current directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.support.asked import typed
from tests.support.studio import png


def photo(name: str, serial: int = 1) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(serial, 30, 40))
    return path


def matted(*words: str) -> dict[str, Any]:
    told = typed("matte", *words, "--json")
    assert told.code == 0, told.err
    return dict(json.loads(told.out))


def names(directory: str) -> list[str]:
    return sorted(path.name for path in Path(directory).iterdir())
