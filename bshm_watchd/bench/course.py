"""What a daemon in another process tells of its jobs, and what can be read off that. Pure, but for the telling."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bshm_watchd.errors import ConfigError, WatchdError
from bshm_watchd.jobs import State
from bshm_watchd.stages import Took
from bshm_watchd.status import FolderMode

if TYPE_CHECKING:
    from bshm_watchd.clock import Clock

_TROUBLE = (FolderMode.HELD, FolderMode.UNREACHABLE, FolderMode.OWNED_ELSEWHERE)
_STATES = frozenset(map(str, State))
_FINE = (State.DONE, State.REVIEW)


class MeasuringFailed(WatchdError):
    """The daemon that is measured did not do what it was to; nothing of it can be told."""


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the daemon's log: seconds, monotonic; `job`, `photo` and `why` empty where it names none."""

    event: str
    at: float
    job: str = ""
    photo: str = ""
    why: str = ""


class Teller:
    """Writes to a descriptor, a line each. Called from any thread: short lines go out whole."""

    def __init__(self, fd: int, clock: Clock) -> None:
        self._fd = fd
        self._clock = clock
        self._lock = threading.Lock()  # for lines too long for the kernel to keep together

    def took(self, took: Took) -> None:
        self._write({"took": [took.job, took.stage, took.began, took.ended]})

    def heard(self, event: str, fields: dict[str, Any]) -> None:
        words = [str(fields.get(name, "")) for name in ("JOB_ID", "photo", "why")]
        self._write({"event": [event, self._clock.monotonic(), *words]})

    def _write(self, content: dict[str, Any]) -> None:
        line = json.dumps(content).encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._fd, line) :]


def told(line: bytes) -> Took | Event:
    """What a `Teller` has written as one line."""
    content = json.loads(line)
    return Took(*content["took"]) if "took" in content else Event(*content["event"])


@dataclass(slots=True)
class Course:
    """One job as far as it is told. `claimed`, `published`, `over`: seconds, monotonic; None: not yet."""

    photo: str
    state: str = State.CLAIMED
    why: str = ""
    claimed: float | None = None
    over: float | None = None
    stages: list[Took] = field(default_factory=list)

    @property
    def published(self) -> float | None:
        """When its last result got its name."""
        return max((took.ended for took in self.stages if took.stage == "publish"), default=None)


class Courses:
    """All jobs that were told of, in the order of their claims."""

    def __init__(self) -> None:
        self.ready = False
        self.trouble = ""  # of the folder, in the daemon's words
        self._jobs: dict[str, Course] = {}

    def add(self, one: Took | Event) -> None:
        if isinstance(one, Took):
            self._took(one)
        elif one.job:
            self._moved(one)
        elif one.event == "ready":
            self.ready = True
        elif one.event in _TROUBLE:
            self.trouble = f"{one.event}: {one.why}"

    def of(self, photos: list[str]) -> list[Course]:
        """The jobs of these photos that have begun and were not released."""
        wanted = set(photos)
        return [course for course in self._jobs.values() if course.photo in wanted]

    def over(self, photos: list[str]) -> bool:
        return sum(course.over is not None for course in self.of(photos)) == len(photos)

    def forget(self) -> None:
        """Before photos of the same names are dropped again."""
        self._jobs.clear()

    def _moved(self, event: Event) -> None:
        if event.event in (State.GONE, State.RELEASED):
            self._jobs.pop(event.job, None)
            return
        if event.event not in _STATES:  # a remark on a job
            return
        course = self._jobs.setdefault(event.job, Course(event.photo))
        course.state, course.why = event.event, event.why
        if event.event == State.CLAIMED and course.claimed is None:
            course.claimed = event.at

    def _took(self, took: Took) -> None:
        if (course := self._jobs.get(took.job)) is None:
            return
        course.stages.append(took)
        if took.stage == "file":
            course.over = took.ended


@dataclass(frozen=True, slots=True)
class Finished:
    """A photo that has its results: seconds, monotonic."""

    photo: str
    claimed: float
    published: float
    over: float
    stages: tuple[Took, ...]

    @property
    def matte_seconds(self) -> float:
        return sum(took.seconds for took in self.stages if took.stage == "matte")


def finished(courses: list[Course]) -> list[Finished]:
    """In the order of their claims. Raises `ConfigError` that names each photo that has no results, and why."""
    without = sorted({f"{one.photo}: {one.state}: {one.why}" for one in courses if one.state not in _FINE})
    if without:
        raise ConfigError([*without, "photos without results say nothing of those that get some; measure without them"])
    found = [_finished(course) for course in courses]
    return sorted(found, key=lambda one: one.claimed)


def _finished(course: Course) -> Finished:
    if course.claimed is None or course.published is None or course.over is None:
        raise MeasuringFailed(f"{course.photo}: the daemon did not tell its whole way; measure again")
    return Finished(course.photo, course.claimed, course.published, course.over, tuple(course.stages))
