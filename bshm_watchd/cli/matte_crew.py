"""Several photos at a time: threads make results, the main thread alone writes them and says how it goes."""

from __future__ import annotations

import contextlib
import errno
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bshm_watchd.cli.console import complain
from bshm_watchd.cli.matte_files import STANDARD, Errand, opened, write_result
from bshm_watchd.cli.matte_ways import Result, Way, is_fatal
from bshm_watchd.clock import Clock
from bshm_watchd.errors import RejectedPhoto, WatchdError
from bshm_watchd.logs import shown
from bshm_watchd.output_settings import OutputSettings

_ADVICE = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there, or have the quota raised",
    errno.EFBIG: "choose a place where larger files may be",
    errno.EACCES: "choose a directory that you may write to",
    errno.EPERM: "choose a directory that you may write to",
    errno.EROFS: "choose a directory that you may write to",
    errno.ENAMETOOLONG: "give the photo a shorter name",
    errno.ENOENT: "see that the directory is still there",
    errno.EPIPE: "the program that was to read it has ended",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one photo. `facts` of a made one, `problem` (reason, message, what to do) of another."""

    errand: Errand
    facts: dict[str, Any] | None
    problem: dict[str, str] | None
    seconds: float

    def as_json(self, through: str) -> dict[str, Any]:
        facts = dict(self.facts or {})
        seconds = {**facts.pop("seconds", {}), "whole": round(self.seconds, 4)}
        output = self.errand.target if self.problem is None else None
        return {
            "input": self.errand.source, "output": output, "ok": self.problem is None, **(self.problem or {}),
            **facts, "seconds": seconds, "through": through,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Finished:
    errand: Errand
    result: Result | Exception
    started: float


@dataclass(slots=True)
class Course:
    """All outcomes so far; `end` is what keeps the rest from being tried. Belongs to the main thread."""

    outcomes: list[Outcome] = field(default_factory=list)
    end: WatchdError | None = None

    @property
    def failed(self) -> int:
        return sum(outcome.problem is not None for outcome in self.outcomes)


class Crew:
    def __init__(
        self, way: Way, output: OutputSettings, background_fd: int | None, limit_bytes: int, clock: Clock
    ) -> None:
        self._way = way
        self._output = output
        self._background_fd = background_fd
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._todo: queue.SimpleQueue[Errand] = queue.SimpleQueue()
        self._finished: queue.SimpleQueue[_Finished] = queue.SimpleQueue()

    def work_off(self, errands: list[Errand], *, force: bool, note: Callable[[Course], None]) -> Course:
        """Make and write all results; `note` is called after each. At most a few are in memory at a time."""
        course, left = Course(), iter(errands)
        under_way = sum(self._hand_out(left) for _ in range(self._way.lanes))
        for number in range(under_way):
            # Abandoned when this ends early: whoever waits for the model then has nothing on the disk.
            threading.Thread(target=self._work, name=f"matte-{number}", daemon=True).start()
        while under_way:
            finished = self._finished.get()
            under_way -= 1
            self._conclude(finished, course, force=force)
            note(course)
            if course.end is None:
                under_way += self._hand_out(left)
        return course

    def _hand_out(self, left: Iterator[Errand]) -> int:
        errand = next(left, None)
        if errand is not None:
            self._todo.put(errand)
        return int(errand is not None)

    def _work(self) -> None:
        while True:
            errand = self._todo.get()
            started = self._clock.monotonic()
            self._finished.put(_Finished(errand, self._made(errand), started))

    def _made(self, errand: Errand) -> Result | Exception:
        try:
            with opened(errand.source, self._limit_bytes) as photo_fd:
                return self._way.make(self._output, photo_fd, self._background_fd)
        except Exception as error:  # noqa: BLE001  carried to the main thread, which says it with its photo
            return error

    def _conclude(self, finished: _Finished, course: Course, *, force: bool) -> None:
        errand, result = finished.errand, finished.result
        if isinstance(result, Exception):
            if is_fatal(result):
                course.end = course.end or result  # type: ignore[assignment]
                return
            problem: dict[str, str] | None = _problem(result)
        else:
            problem = _written(errand, result, force=force)
        facts = result.facts if isinstance(result, Result) else None
        course.outcomes.append(Outcome(errand, facts, problem, self._clock.monotonic() - finished.started))
        _tell(course.outcomes[-1])


def _written(errand: Errand, result: Result, *, force: bool) -> dict[str, str] | None:
    try:
        write_result(errand.target, result.content, force=force)
    except FileExistsError:
        message = f"{errand.target} has come into being meanwhile"
        return _words("exists", message, "choose another name, or write over it with --force")
    except OSError as error:
        name = "standard output" if errand.target == STANDARD else errand.target
        what_to_do = _ADVICE.get(error.errno or 0, "see that the disk or share there is well, then try again")
        return _words("not_written", f"{name} can't be written: {error.strerror}", what_to_do)
    return None


def _problem(error: Exception) -> dict[str, str]:
    if isinstance(error, RejectedPhoto):
        return _words(error.reason, error.message, error.what_to_do)
    if isinstance(error, OSError):
        return _words("unreadable", f"it can't be read: {error.strerror}", "see that it is there and yours to read")
    raise error


def _words(reason: str, message: str, what_to_do: str) -> dict[str, str]:
    return {"reason": reason, "message": message, "what_to_do": what_to_do}


def _tell(outcome: Outcome) -> None:
    name = "standard input" if outcome.errand.source == STANDARD else shown(outcome.errand.source)
    if outcome.problem is not None:
        complain(f"{name}: {outcome.problem['message']}; {outcome.problem['what_to_do']}")
        return
    facts = outcome.facts or {}
    if facts["doubt"]:
        complain(f"{name}: {facts['doubt']['message']}; {facts['doubt']['what_to_do']}")
    if facts["pages"] > 1:
        complain(f"{name}: only the first of its {facts['pages']} pictures is used")


@contextlib.contextmanager
def shown_course(total: int) -> Iterator[Callable[[Course], None]]:
    """A bar on standard error while there are several photos and somebody looks; failures are said above it."""
    if total < 2 or not sys.stderr.isatty():
        yield lambda course: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("photos"), BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True, soft_wrap=True)) as progress:
        task = progress.add_task("photos", total=total, rate="")

        def note(course: Course) -> None:
            speed = progress.tasks[0].speed
            rate = f"{speed:.1f} photos/s" if speed else ""
            progress.update(task, completed=len(course.outcomes), rate=rate)

        yield note
