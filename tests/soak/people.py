"""What people do in a hot folder: drop photos in all the ways there are, and now and then take one back."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import threading
import time
from collections import Counter
from pathlib import Path

from tests.soak.places import Place
from tests.support.studio import nobody, png, sha256

_NAMES = ("anna", "Anna", "maria", "groß", "b w", "x" * 120)
_DIRECTORIES = ("", "", "shoot 1", "shoot 1/raw", "shoot 2")
_serial = itertools.count(10_000_000)


class Person(threading.Thread):
    """Drops photos into one place until told to stop. Writes in the way of one program or another."""

    def __init__(self, place: Place, seed: str, photos_a_minute: float) -> None:
        super().__init__(name=f"person at {place.name}", daemon=True)
        self._place = place
        self._random = random.Random(seed)
        self._pause_seconds = 60 / photos_a_minute
        self.over = threading.Event()
        self.allowed = threading.Event()  # cleared while the place can't be written to
        self.allowed.set()
        self.idle = threading.Event()  # set while it touches nothing
        self.did: Counter[str] = Counter()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.over.wait(self._pause_seconds * self._random.expovariate(1)):
                self.idle.clear()
                if self.allowed.is_set():
                    self._drop_some()
                self.idle.set()
        except BaseException as error:  # noqa: BLE001  carried to whoever judges the soak
            self.failure = error
        finally:
            self.idle.set()

    def _drop_some(self) -> None:
        for _ in range(self._random.choice((1, 1, 1, 1, 2, 12))):
            if not self.allowed.is_set():
                return
            with contextlib.suppress(OSError):  # a full disk is that person's trouble, too
                self._drop_one()

    def _drop_one(self) -> None:
        directory = self._place.drop / self._random.choice(_DIRECTORIES)
        directory.mkdir(parents=True, exist_ok=True)
        name = f"{self._random.choice(_NAMES)}{self._random.choice(('', self._random.randrange(10_000)))}.png"
        content = self._content()
        way = self._random.choice((self._moved, self._written, self._written_slowly, self._taken_back))
        if way(directory / name, content):
            self.did[way.__name__.strip("_").replace("_", " ")] += 1

    def _content(self) -> bytes:
        serial = next(_serial)
        content = png(serial, *self._random.choice(((6, 8), (60, 80), (150, 200))))
        chance = self._random.random()
        if chance < 0.04:
            return b"this is no photo " + str(serial).encode()
        if chance < 0.08:
            return content[: len(content) // 2]
        return nobody() if chance < 0.12 else content

    # Each says whether the photo is the daemon's now. A name that is taken is left to whoever has it.

    def _moved(self, target: Path, content: bytes) -> bool:
        """As a program does that writes elsewhere: whole under its name at once."""
        spool = self._place.drop / f".spool-{threading.get_ident()}.part"
        spool.write_bytes(content)
        return self._named(spool, target, content)

    def _written(self, target: Path, content: bytes) -> bool:
        return self._write(target, content, pieces=1)

    def _written_slowly(self, target: Path, content: bytes) -> bool:
        return self._write(target, content, pieces=self._random.randrange(2, 8))

    def _taken_back(self, target: Path, content: bytes) -> bool:
        """Dropped by mistake: removed again, unless it was claimed already."""
        if not self._moved(target, content):
            return False
        time.sleep(self._random.uniform(0, 3))
        with contextlib.suppress(FileNotFoundError):
            if sha256(target.read_bytes()) == sha256(content):
                target.unlink()
                self._place.tree.originals[sha256(content)].remove(self._relative(target))
        return True

    def _named(self, spool: Path, target: Path, content: bytes) -> bool:
        try:
            os.link(spool, target)
        except FileExistsError:
            return False
        else:
            self._register(target, content)
            return True
        finally:
            spool.unlink()

    def _write(self, target: Path, content: bytes, pieces: int) -> bool:
        step = max(1, len(content) // pieces)
        try:
            fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        try:
            written = 0
            for start in range(0, len(content), step):
                if start:
                    time.sleep(self._random.uniform(0.05, 0.6))
                written += self._write_all(fd, content[start : start + step])
        finally:
            os.close(fd)
        if not written:
            target.unlink()
            return False
        self._register(target, content[:written])
        return True

    def _write_all(self, fd: int, block: bytes) -> int:
        """Whatever becomes of the disk meanwhile, a person tries again until it is all there, or the day is over."""
        view = memoryview(block)
        while view:
            try:
                view = view[os.write(fd, view) :]
            except OSError:
                if self.over.wait(0.2):
                    break
        return len(block) - len(view)

    def _register(self, target: Path, content: bytes) -> None:
        self._place.tree.originals.setdefault(sha256(content), []).append(self._relative(target))

    def _relative(self, target: Path) -> str:
        return str(target.relative_to(self._place.drop))
