"""A hot folder with an intake on it, and a clock that moves only when told."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bshm_watchd.config import HotFolderSettings, Limits
from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.probe import Writer
from bshm_watchd.intake.intake import Intake, Looked, Offer
from tests.support.clock import FakeClock
from tests.support.pictures import jpeg

Make = Callable[..., "Folder"]


class Folder:
    """A hot folder and its intake. A file's change time is the real one, so the wall clock starts there."""

    def __init__(self, path: Path, *, disk: Disk | None = None, network: bool = False, **options: object) -> None:
        self.drop = path / "drop"
        self.drop.mkdir(exist_ok=True)
        self.clock = FakeClock(wall=time.time())
        self.writer = Writer.FREE
        options.setdefault("stable_inodes", True)
        stable = bool(options.pop("stable_inodes"))
        limits = options.pop("limits", Limits())
        assert isinstance(limits, Limits)
        settings = HotFolderSettings.model_validate({"name": "portraits", "path": path, **options})
        self.intake = Intake(
            disk or Disk(), settings, limits, self.clock,
            network=network, stable_inodes=stable, probe=lambda fd: self.writer,
        )  # fmt: skip
        self.root_fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)

    def put(self, name: str, content: bytes | None = None) -> Path:
        path = self.drop / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg() if content is None else content)
        return path

    def look(self, *hints: str | None, after: float = 0.0, scan: bool = True) -> Looked:
        self.clock.advance(after)
        return self.intake.look(self.root_fd, frozenset(hints), self.clock.monotonic(), scan=scan)

    def take(self, count: int = 1000) -> list[Offer]:
        return list(self.intake.take(self.root_fd, count, self.clock.monotonic()))

    def offered(self, after: float = 0.0) -> list[str]:
        self.look(after=after)
        return [offer.relative for offer in self.take()]

    def settle(self) -> list[Offer]:
        """Look, wait for as long as a still file needs, look again."""
        self.look()
        self.look(after=2)
        return self.take()


@contextlib.contextmanager
def folders_at(path: Path) -> Iterator[Make]:
    """Makes the folder at `path`, of any settings, and closes what it opened."""
    with contextlib.ExitStack() as stack:

        def made(**options: object) -> Folder:
            folder = Folder(path, **options)  # type: ignore[arg-type]
            stack.callback(os.close, folder.root_fd)
            return folder

        yield made
