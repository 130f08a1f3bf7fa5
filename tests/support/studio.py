"""A whole daemon in one thread: real disk, journal and pipeline; fake time, inline threads, arithmetic mattes."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bshm_watchd import config
from bshm_watchd.answers import Answers
from bshm_watchd.daemon import Daemon, Seams
from bshm_watchd.delivery.render import cost_bytes
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.owner import Owner
from bshm_watchd.ending import Once, may_blame_a_photo
from bshm_watchd.errors import PlaceUnavailable, RejectedPhoto
from bshm_watchd.events import Asked, Inbox, ModelReady
from bshm_watchd.folder_calls import FolderCalls
from bshm_watchd.folder_state import FolderState
from bshm_watchd.jobs import new_id
from bshm_watchd.journal import JOURNAL_NAME, Journal, Row
from bshm_watchd.matting.photo import Photo
from bshm_watchd.pipeline import Pipeline, Render
from bshm_watchd.reconfigure import read_anew
from bshm_watchd.reloads import Reloading
from bshm_watchd.schedule import Schedule
from bshm_watchd.status import DeviceStatus
from tests.support.clock import FakeClock
from tests.support.decoders import InProcessDecoder
from tests.support.rendering import render
from tests.support.workers import InlineHand, InlineWorkers, Workers

_serial = itertools.count()
_ON_THE_CPU = DeviceStatus("cpu", "on the CPU (no network)")
_ONCE = Once(300)
_ONCE = Once(300)


class Greens:
    """Alpha is the green channel; `spoil` may raise for one photo."""

    def __init__(self, spoil: Callable[[Photo], None] = lambda photo: None) -> None:
        self._spoil = spoil

    def matte(self, photo: Photo) -> NDArray[np.uint8]:
        self._spoil(photo)
        return photo.pixels[:, :, 1].copy()


@dataclass
class HotTree:
    """A hot folder as its users see it, and what they have put there."""

    path: Path
    extra: str = ""  # more keys of the hot folder, as YAML lines
    originals: dict[str, list[str]] = field(default_factory=dict)  # sha256 -> names below drop/, one a copy
    sets_again: Counter[str] = field(default_factory=Counter)  # sha256 -> results made again by a requeue
    foreign: dict[str, bytes] = field(default_factory=dict)  # what somebody else put there, by its path in the folder

    def __post_init__(self) -> None:
        (self.path / "drop").mkdir(parents=True, exist_ok=True)

    def drop(self, name: str, content: bytes | None = None) -> bytes:
        """Put a whole photo into drop/ (a new one each time unless `content` is given), over what is there."""
        content = png(next(_serial)) if content is None else content
        path = self.path / "drop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.forget(name)
        path.write_bytes(content)
        self.originals.setdefault(sha256(content), []).append(name)
        return content

    def put_foreign(self, name: str, content: bytes = b"somebody else's") -> None:
        """A file that is not ours, wherever in the hot folder: nothing may ever happen to it."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.foreign[name] = content

    def forget(self, name: str) -> None:
        """Whatever its owner does to a photo that is still in drop/ is the owner's affair."""
        path = self.path / "drop" / name
        if path.exists():
            self.originals[sha256(path.read_bytes())].remove(name)

    def tree(self, below: str = "") -> list[str]:
        """All files but the daemon's own records, relative, sorted."""
        top = self.path / below
        return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file() and not _is_record(path))

    def everything(self) -> dict[str, str]:
        """Every file with its hash: equal snapshots mean nothing changed."""
        return {str(p.relative_to(self.path)): sha256(p.read_bytes()) for p in self.path.rglob("*") if p.is_file()}


@dataclass(frozen=True)
class Life:
    """What one life of the daemon is given."""

    disk: Disk
    disks: Mapping[str, Disk] = field(default_factory=dict)  # of single hot folders, instead of `disk`
    spoil: Callable[[Photo], None] = lambda photo: None
    render: Render = render
    workers: Workers = InlineWorkers
    hand: type[InlineHand] = InlineHand
    pipeline: type[Pipeline] = Pipeline
    calls: type[FolderCalls] = FolderCalls
    once: Once | None = _ONCE
    state: str = "state"  # the state directory's name: another one makes it another daemon
    device: DeviceStatus = _ON_THE_CPU
    living: bool = False  # else its process counts as gone for every other one, also while it lasts


@dataclass
class Studio:
    """A hot folder named `portraits` (and others), and the daemon that serves it; `start` it again and again."""

    base: Path
    extra: str = ""  # more keys of the hot folder, as YAML lines
    limits: str = "{min_free_mib: 0}"
    clock: FakeClock = field(default_factory=FakeClock)
    others: dict[str, str] = field(default_factory=dict)  # further hot folders: name -> more keys

    def __post_init__(self) -> None:
        folders = {"portraits": self.extra, **self.others}
        paths = {name: self.base / ("hot" if name == "portraits" else name) for name in folders}
        self.trees = {name: HotTree(paths[name], extra) for name, extra in folders.items()}

    @property
    def portraits(self) -> HotTree:
        return self.trees["portraits"]

    @property
    def hot(self) -> Path:
        return self.portraits.path

    @property
    def config(self) -> Path:
        """The file that a reload reads."""
        return self.base / "config.yaml"

    def settings(self, state: str = "state") -> config.Settings:
        return config.parse(self.text(state))

    def text(self, state: str = "state") -> str:
        folders = "".join(
            f"  - name: {name}\n    path: {tree.path}\n    watch: poll\n{tree.extra}"
            for name, tree in self.trees.items()
        )
        head = f"version: 1\nstate_dir: {self.base}/{state}\nlimits: {self.limits}\n"
        return f"{head}hot_folders:\n{folders}"

    def drop(self, name: str, content: bytes | None = None) -> bytes:
        return self.portraits.drop(name, content)

    def start(self, disk: Disk | None = None, **options: Any) -> Running:
        """One life; the options are those of `Life`."""
        return Running(self, Life(disk or Disk(), **options))

    def run(self, disk: Disk | None = None, **options: Any) -> int:
        """Work off everything; returns the exit code."""
        with self.start(disk, **options) as running:
            return running.run()

    def rows(self, state: str = "state") -> list[Row]:
        """What the journal remembers, the oldest first."""
        with Journal(self.base / state / JOURNAL_NAME, self.clock) as journal:
            return journal.jobs(limit=1000)[::-1]

    def tree(self, below: str = "") -> list[str]:
        return self.portraits.tree(below)

    def everything(self) -> dict[str, str]:
        return {f"{name}/{path}": h for name, tree in self.trees.items() for path, h in tree.everything().items()}


class Running:
    """One life of the daemon. Leaving it abruptly (an exception) is a crash: nothing is put in order."""

    def __init__(self, studio: Studio, life: Life) -> None:
        settings, clock = studio.settings(life.state), studio.clock
        settings.state_dir.mkdir(exist_ok=True)
        self.studio = studio
        self.inbox = Inbox()
        self.journal = Journal(settings.state_dir / JOURNAL_NAME, clock)
        self.us = Owner.this_process(new_id(clock.wall()), clock.wall())
        if not life.living:
            self.us = replace(self.us, pid_started="another life")
        self._settings, self._life = settings, life
        states = [self._folder(folder) for folder in settings.hot_folders]
        pipeline = life.pipeline(
            InProcessDecoder(max_pixels=settings.limits.max_pixels), Greens(life.spoil), life.render,
            self.journal, self.us, clock, settings.limits.max_attempts,
        )  # fmt: skip
        self.workers = life.workers(pipeline.run, self.inbox.put)
        schedule = Schedule(states, self.workers, settings.limits, cost_bytes, clock)
        answers = Answers("arithmetic", lambda: life.device, clock.wall())
        reloading = Reloading(self._read_anew, self._folder)
        seams = Seams(self.us.incarnation, self.inbox, clock, self.journal, answers.answer, reloading)
        self.daemon = Daemon(states, schedule, seams, settings, 4, life.once)

    def _folder(self, folder: config.HotFolderSettings) -> FolderState:
        tree = HotFolder(self._life.disks.get(folder.name, self._life.disk), folder, self._settings.state_dir)
        calls = self._life.calls(
            tree, self._settings.limits, lambda _: None, self.journal, self.us, self.studio.clock, cost_bytes
        )  # fmt: skip
        return FolderState(folder, calls, self._life.hand(folder.name, self.inbox.put))

    def _read_anew(self, running: config.Settings) -> None:
        self.inbox.put(read_anew(self.studio.config, running))

    @property
    def states(self) -> dict[str, FolderState]:
        return self.daemon.folders

    @property
    def state(self) -> FolderState:
        return self.states["portraits"]

    def __enter__(self) -> Running:
        self.journal.__enter__()
        self.inbox.put(ModelReady(lanes=2))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            if not may_blame_a_photo(self.daemon.exit_code, self.daemon.failure):
                self.journal.mark_clean_stop(self.us.incarnation)
            for state in self.daemon.known.all:
                with contextlib.suppress(OSError, PlaceUnavailable):  # a broken disk stays broken; as in wiring
                    state.calls.detach()
        self.journal.__exit__()

    def step(self) -> float:
        """Steps until nothing is left in the inbox: no time passes while the daemon has something to take in."""
        wait = self.daemon.step(self.inbox.take(0), self.studio.clock.monotonic())
        while self.daemon.exit_code is None and (events := self.inbox.take(0)):
            wait = self.daemon.step(events, self.studio.clock.monotonic())
        return wait

    def requeue(self, *job_ids: str) -> dict[str, list[dict[str, str]]]:
        """What the control socket would answer."""
        asked = Asked("requeue", {"ids": list(job_ids)}, Future())
        self.inbox.put(asked)
        self.step()
        return asked.answer.result(timeout=0)

    def reload(self, text: str | None = None) -> dict[str, Any]:
        """What the control socket would answer, once the file has this text (else: what the studio is now)."""
        self.studio.config.write_text(self.studio.text(self._life.state) if text is None else text)
        asked = Asked("reload", {}, Future())
        self.inbox.put(asked)
        self.step()
        return asked.answer.result(timeout=0)

    def run(self, limit_seconds: float = 3600, until: Callable[[], bool] = lambda: False) -> int:
        """Step, moving the clock on by what each step asks for, until the daemon ends or `until` holds."""
        deadline = self.studio.clock.monotonic() + limit_seconds
        while self.daemon.exit_code is None and not until():
            wait = self.step()
            if self.daemon.exit_code is None:
                self.studio.clock.advance(wait + 0.001)
            assert self.studio.clock.monotonic() < deadline, f"not over after {limit_seconds} s: {self.states}"
        return -1 if self.daemon.exit_code is None else self.daemon.exit_code

    def live(self, seconds: float) -> None:
        """Step for so long; the daemon neither ends nor is busy with nothing meanwhile."""
        clock, steps = self.studio.clock, 0
        end = clock.monotonic() + seconds
        while (now := clock.monotonic()) < end:
            wait = self.step()
            assert self.daemon.exit_code is None, self.daemon.failure
            clock.advance(min(wait + 0.001, end - now + 0.001))
            steps += 1
        assert steps < 100 + 20 * seconds, f"{steps} steps in {seconds} s: it is busy with nothing"


def png(serial: int, height: int = 6, width: int = 8) -> bytes:
    """A small PNG that no other serial number has. Green, and so opaque, in its left half only: no edge is soft."""
    pixels = np.random.default_rng(serial).integers(0, 256, (height, width, 3), np.uint8)
    pixels[:, :, 1] = np.where(np.arange(width) < width // 2, 255, 0)
    pixels[0, 0, 0], pixels[0, 0, 2], pixels[0, 1, 0] = serial >> 16 & 255, serial >> 8 & 255, serial & 255
    return cv2.imencode(".png", pixels)[1].tobytes()


def nobody() -> bytes:
    """A PNG without any green: its matte is empty."""
    picture = cv2.imdecode(np.frombuffer(png(next(_serial)), np.uint8), cv2.IMREAD_COLOR)
    picture[:, :, 1] = 0
    return cv2.imencode(".png", picture)[1].tobytes()


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
    return path.name in ("folder.json", "owner", "job.json") or path.name.endswith(".lot.json")
