"""Which roots a hot folder had when we last saw them: on the local disk, beside the journal."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bshm_watchd.disk.durable import write_record
from bshm_watchd.disk.ops import Disk

FORGOTTEN = "forgotten"  # equals no id found: we knew roots of this folder, and can't tell any more which


@dataclass(frozen=True, slots=True)
class Free:
    path: str
    free_bytes: int


class KnownRoots:
    """The ids of the roots we have seen, on the local disk: what tells an unmounted share from an empty folder."""

    def __init__(self, directory: Path, folder: str) -> None:
        self._directory = directory
        self._folder = folder

    def read(self, path: str) -> str | None:
        known = self._all()
        return FORGOTTEN if known is None else known.get(path)

    def write(self, disk: Disk, path: str, identifier: str) -> None:
        with self._open() as fd:
            content = (self._all() or {}) | {path: identifier}
            write_record(disk, fd, f"{self._folder}.json", json.dumps(content).encode())

    def free(self, disk: Disk) -> Free:
        with self._open() as fd:
            return Free(str(self._directory.parent), disk.free_bytes(fd))

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)

    def _all(self) -> dict[str, str] | None:
        """Every id by its root's path; None when the file is damaged."""
        try:
            content = json.loads((self._directory / f"{self._folder}.json").read_text())
            return {str(path): str(identifier) for path, identifier in content.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, AttributeError):
            return None
