"""A studio with hot folders on its own disk and on shares, one daemon for all, and people who write from elsewhere."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.program import Program, wait_until
from tests.support import invariants
from tests.support.studio import HotTree, sha256
from tests.vm.guest.console import say
from tests.vm.guest.photos import deliver, photo, sync_directory

DEADLINE_SECONDS = 240  # far more than an emulated machine on a busy host needs
OPTIONS: dict[str, Any] = {"review": False, "settle_seconds": 2, "rescan_seconds": 1}
_serials = itertools.count(1)


@dataclass
class Place:
    """A hot folder as the daemon's machine sees it, and the same directory as others do, where nothing ever hangs."""

    name: str
    client: Path
    server: Path

    def __post_init__(self) -> None:
        HotTree(self.client)
        # Judged where it truly lies: a client may go on refusing single files after it lost the connection to them.
        self.tree = HotTree(self.server)

    def settings(self, **more: Any) -> dict[str, Any]:
        return {"name": self.name, "path": str(self.client), **OPTIONS, **more}

    def drop(self, count: int) -> list[str]:
        """As a remote writer does it: under its name from the first byte on, bit by bit."""
        names: list[str] = []
        for serial in itertools.islice(_serials, count):
            content, names = photo(serial), [*names, f"{serial}.png"]
            self.expect(names[-1], content)
            _write_slowly(self.server / "drop" / names[-1], content)
        return names

    def deliver(self, count: int) -> list[str]:
        """Durable and whole under its name at once."""
        names: list[str] = []
        for serial in itertools.islice(_serials, count):
            content, names = photo(serial), [*names, f"{serial}.png"]
            self.expect(names[-1], content)
            deliver(content, self.server / "drop", names[-1])
        return names

    def expect(self, name: str, content: bytes) -> None:
        self.tree.originals.setdefault(sha256(content), []).append(name)

    def done(self) -> set[str]:
        """Without what is being named just now: a directory is made under another name first."""
        return {name for _, _, names in os.walk(self.server / "done") for name in names}

    def filed(self, place: str) -> set[str]:
        return {path.name for path in (self.server / place).glob("*") if path.suffix != ".json"}

    def check(self) -> int:
        """The invariants hold; returns how many files were looked at."""
        invariants.check_tree(self.tree)
        return len(self.tree.everything())


class Studio:
    """The daemon, and what is asked of it while it runs."""

    def __init__(
        self, base: Path, places: list[Place], settings: dict[str, dict[str, Any]], remount: Callable[[], None]
    ) -> None:
        """`remount` is what an operator does with CIFS when it withholds a photo; its folder is named `cifs`."""
        self._remount = remount
        self._withheld = 0  # lines of the log that say so, when it was remounted last
        self.places = {place.name: place for place in places}
        others = [place.settings(**settings.get(place.name, {})) for place in places]
        # One attempt a photo: whatever is the place's fault, and is held against a photo, shows in failed/.
        self.program = Program(base, others=others, limits={"max_attempts": 1}, **OPTIONS)
        self.local = Place("portraits", base / "hot", base / "hot")
        self.places[self.local.name] = self.local
        self.daemon: subprocess.Popen[bytes] | None = None

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """A life that the caller ends; else it is killed."""
        with self.program.started("run") as self.daemon:
            self.wait(lambda: self.program.status().get("ready"), "the daemon is ready")
            yield

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        """Raises `AssertionError` that says how everything stands when it does not come true."""
        try:
            wait_until(condition, DEADLINE_SECONDS, what, self.daemon)
        except AssertionError as error:
            folders = "\n".join(map(str, self.program.status().get("folders", ())))
            raise AssertionError(f"{error}\n{folders}\n{self._kernel_calls()}") from error

    def wait_done(self, name: str, photos: list[str]) -> None:
        """Filed, and nothing more to do there."""
        place = self.places[name]

        def all_done() -> bool:
            self._help_the_client(name)
            return set(photos) <= place.done() and self._is_quiet(name)

        self.wait(all_done, f"{photos} of {name} are done")

    def _help_the_client(self, name: str) -> None:
        """Linux' CIFS client, cut off while it renames, may answer EINVAL for that file until it is mounted anew."""
        withheld = len(self.log_lines("the share does not give"))
        if name == "cifs" and withheld > self._withheld:
            with contextlib.suppress(AssertionError):  # busy just now
                self._remount()
                self._withheld = len(self.log_lines("the share does not give"))
                say(remounted=name)

    def _is_quiet(self, name: str) -> bool:
        folder = self.program.folder(name)
        return folder.get("state") == "watching" and not folder["in_flight"] and not folder["retrying"]

    def _kernel_calls(self) -> str:
        """Where in the kernel the daemon's threads wait for a share."""
        assert self.daemon is not None
        stacks = [path.read_text().split("\n")[:4] for path in Path(f"/proc/{self.daemon.pid}/task").glob("*/stack")]
        return "\n".join(sorted({" < ".join(stack) for stack in stacks}))

    def wait_watching(self, *names: str) -> None:
        self.wait(lambda: all(self.state(name) == "watching" for name in names), f"{names} are watched")

    def state(self, name: str) -> str:
        return str(self.program.folder(name).get("state"))

    def log_lines(self, containing: str) -> list[str]:
        return [line for line in self.program.log.read_text().splitlines() if containing in line]


def _write_slowly(path: Path, content: bytes, pieces: int = 4) -> None:
    step = len(content) // pieces + 1
    with open(path, "wb") as file:
        for start in range(0, len(content), step):
            file.write(content[start : start + step])
            file.flush()
            time.sleep(0.1)
        os.fsync(file.fileno())
    sync_directory(path.parent)
