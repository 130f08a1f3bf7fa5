"""A whole daemon in one thread: real disk, journal and pipeline; fake time, inline threads, arithmetic mattes."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bshm_watchd import config
from bshm_watchd.answers import Answers
from bshm_watchd.daemon import Daemon, Once, Seams
from bshm_watchd.delivery.render import cost_bytes, render
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.owner import Owner
from bshm_watchd.errors import PlaceUnavailable, RejectedPhoto
from bshm_watchd.events import Event, Inbox, JobOver, ModelReady
from bshm_watchd.folder_calls import FolderCalls
from bshm_watchd.folder_state import FolderState
from bshm_watchd.jobs import Job, new_id
from bshm_watchd.journal import JOURNAL_NAME, Journal
from bshm_watchd.matting.photo import Photo
from bshm_watchd.pipeline import Outcome, Pipeline
from bshm_watchd.schedule import Schedule
from bshm_watchd.threads import answer
from tests.support.clock import FakeClock
from tests.support.decoders import InProcessDecoder

_serial = itertools.count()
_ONCE = Once(300)


class Greens:
    """Alpha is the green channel; `spoil` may raise for one photo."""

    def __init__(self, spoil: Callable[[Photo], None] = lambda photo: None) -> None:
        self._spoil = spoil

    def matte(self, photo: Photo) -> NDArray[np.uint8]:
        self._spoil(photo)
        return photo.pixels[:, :, 1].copy()


class InlineHand:
    def __init__(self, folder: str, put: Callable[[Event], None]) -> None:
        self._folder = folder
        self._put = put

    def ask(self, call: str, work: Callable[[], Any]) -> None:
        self._put(answer(self._folder, call, work))


class InlineWorkers:
    def __init__(self, run: Callable[[Job], Outcome], put: Callable[[Event], None]) -> None:
        self._run = run
        self._put = put

    def start(self, job: Job) -> None:
        self._put(JobOver(self._run(job)))


class HeldWorkers:
    """Jobs start and stay under way until `finish`; a crash in between finds them running."""

    def __init__(self, run: Callable[[Job], Outcome], put: Callable[[Event], None]) -> None:
        self._run = run
        self._put = put
        self.started: list[Job] = []

    def start(self, job: Job) -> None:
        self.started.append(job)

    def finish(self, job: Job) -> None:
        self.started.remove(job)
        self._put(JobOver(self._run(job)))


@dataclass
class Studio:
    """A hot folder named `portraits` and the daemon that serves it; `start` may be called again and again."""

    base: Path
    extra: str = ""  # more keys of the hot folder, as YAML lines
    limits: str = "{min_free_mib: 0}"
    clock: FakeClock = field(default_factory=FakeClock)
    dropped: dict[str, bytes] = field(default_factory=dict)  # sha256 -> content of every original ever dropped
    copies: dict[str, int] = field(default_factory=dict)  # how many of a content there must be, where not one

    def __post_init__(self) -> None:
        self.hot.mkdir(parents=True, exist_ok=True)
        (self.hot / "drop").mkdir(exist_ok=True)

    @property
    def hot(self) -> Path:
        return self.base / "hot"

    @property
    def settings(self) -> config.Settings:
        return config.parse(
            f"version: 1\nstate_dir: {self.base}/state\nlimits: {self.limits}\n"
            f"hot_folders:\n  - name: portraits\n    path: {self.hot}\n    watch: poll\n{self.extra}"
        )

    def drop(self, name: str, content: bytes | None = None) -> bytes:
        """Put a whole photo into drop/ (a new one each time unless `content` is given)."""
        content = png(next(_serial)) if content is None else content
        path = self.hot / "drop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.dropped[sha256(content)] = content
        return content

    def start(
        self, disk: Disk | None = None, *, spoil: Callable[[Photo], None] = lambda photo: None,
        workers: type[InlineWorkers] | type[HeldWorkers] = InlineWorkers, once: Once | None = _ONCE,
    ) -> Running:  # fmt: skip
        return Running(self, disk or Disk(), spoil, workers, once)

    def run(self, disk: Disk | None = None, **options: Any) -> int:
        """Work off everything; returns the exit code."""
        with self.start(disk, **options) as running:
            return running.run()

    # -- what a user sees ------------------------------------------------------------------------------

    def tree(self, below: str = "") -> list[str]:
        """All files below the hot folder but the daemon's own records, relative, sorted."""
        top = self.hot / below
        return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file() and not _is_record(path))

    def everything(self) -> dict[str, str]:
        """Every file of the hot folder with its hash: equal snapshots mean nothing changed."""
        return {str(p.relative_to(self.hot)): sha256(p.read_bytes()) for p in self.hot.rglob("*") if p.is_file()}


class Running:
    """One life of the daemon. Leaving it abruptly (an exception) is a crash: nothing is put in order."""

    def __init__(
        self, studio: Studio, disk: Disk, spoil: Callable[[Photo], None],
        workers: type[InlineWorkers] | type[HeldWorkers], once: Once | None,
    ) -> None:  # fmt: skip
        settings, clock = studio.settings, studio.clock
        (settings.state_dir).mkdir(exist_ok=True)
        self.studio = studio
        self.inbox = Inbox()
        self.journal = Journal(settings.state_dir / JOURNAL_NAME, clock)
        # As of a process that is gone once this life is over, although the test's process lives on.
        self.us = replace(Owner.this_process(new_id(clock.wall()), clock.wall()), pid_started="another life")
        folder = HotFolder(disk, settings.hot_folders[0], settings.state_dir)
        self.calls = FolderCalls(
            folder, settings.limits, lambda _: None, self.journal, self.us, clock, cost_bytes
        )  # fmt: skip
        self.state = FolderState(folder.settings, self.calls, InlineHand("portraits", self.inbox.put))
        pipeline = Pipeline(
            {"portraits": folder}, InProcessDecoder(max_pixels=settings.limits.max_pixels), Greens(spoil), render,
            self.journal, self.us, clock, settings.limits.max_attempts,
        )  # fmt: skip
        self.workers = workers(pipeline.run, self.inbox.put)
        schedule = Schedule([self.state], self.workers, settings.limits, cost_bytes, clock)
        seams = Seams(self.inbox, clock, self.journal, lambda _: None, Answers("arithmetic", "cpu", clock.wall()))
        self.daemon = Daemon([self.state], schedule, seams, settings.limits.max_attempts, 4, once)

    def __enter__(self) -> Running:
        self.journal.__enter__()
        self.inbox.put(ModelReady(lanes=2))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.journal.mark_clean_stop(self.us.incarnation)
            with contextlib.suppress(OSError, PlaceUnavailable):  # a broken disk stays broken; as in wiring
                self.calls.detach()
        elif self.calls._watch is not None:
            self.calls._watch.watcher.stop()
        self.journal.__exit__()

    def step(self) -> float:
        return self.daemon.step(self.inbox.take(0), self.studio.clock.monotonic())

    def run(self, limit_seconds: float = 3600, until: Callable[[], bool] = lambda: False) -> int:
        """Step, moving the clock on by what each step asks for, until the daemon ends or `until` holds."""
        deadline = self.studio.clock.monotonic() + limit_seconds
        while self.daemon.exit_code is None and not until():
            wait = self.step()
            if self.daemon.exit_code is None:
                self.studio.clock.advance(wait + 0.001)
            assert self.studio.clock.monotonic() < deadline, f"not over after {limit_seconds} s: {self.state}"
        return -1 if self.daemon.exit_code is None else self.daemon.exit_code


def png(serial: int, height: int = 6, width: int = 8) -> bytes:
    """A small PNG that no other serial number has."""
    pixels = np.random.default_rng(serial).integers(0, 256, (height, width, 3), np.uint8)
    pixels[0, 0] = (serial >> 16 & 255, serial >> 8 & 255, serial & 255)
    return cv2.imencode(".png", pixels)[1].tobytes()


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """RGB pixels as a JPEG."""
    return cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()


def cutout_of(content: bytes) -> NDArray[np.uint8]:
    """The cut-out that an arithmetic matte makes of a PNG: BGRA, alpha is green."""
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return np.dstack([picture, picture[:, :, 1]])


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def broken(_: Photo) -> None:
    raise RejectedPhoto("broken", "it is broken", "send another")


def _is_record(path: Path) -> bool:
    return path.name in ("folder.json", "owner", "job.json")
