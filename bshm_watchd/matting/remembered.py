"""Small facts that outlive a process, in the state directory's `cache`. Losing one costs finding it out again."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bshm_watchd import logs
from bshm_watchd.disk.durable import write_record
from bshm_watchd.disk.ops import Disk

Entry = TypeVar("Entry", bound=BaseModel)

DIRECTORY = "cache"


class Remembered:
    """One file, an entry a key. What is damaged there, or can't be read, is not remembered: nothing is raised."""

    def __init__(self, state_dir: Path, name: str, disk: Disk | None = None) -> None:
        self._directory = state_dir / DIRECTORY
        self._name = name
        self._disk = disk or Disk()

    def read(self, key: str, kind: type[Entry]) -> Entry | None:
        return self.all(kind).get(key)

    def all(self, kind: type[Entry]) -> dict[str, Entry]:
        """Every entry that is whole."""
        found = {}
        for key, content in self._content().items():
            try:
                found[key] = kind.model_validate(content)
            except ValidationError:
                continue  # of another version
        return found

    def write(self, key: str, entry: BaseModel) -> None:
        """Durable when it returns. A disk that does not let us is told to the log."""
        try:
            self._directory.mkdir(mode=0o750, parents=True, exist_ok=True)
            fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                content = self._content() | {key: entry.model_dump(mode="json")}
                write_record(self._disk, fd, self._name, json.dumps(content, indent=1).encode())
            finally:
                os.close(fd)
        except OSError as error:
            path = self._directory / self._name
            logs.warning("it can't be remembered, and is found out again at the next start", file=path, why=error)

    def _content(self) -> dict[str, Any]:
        try:
            content = json.loads((self._directory / self._name).read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return content if isinstance(content, dict) else {}
