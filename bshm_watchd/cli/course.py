"""How `once` goes: bars while it works (on a terminal), log lines (in a pipe), and a table at the end."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bshm_watchd import logs
from bshm_watchd.cli.console import complain, print_json, print_table
from bshm_watchd.clock import Clock
from bshm_watchd.jobs import ENDED
from bshm_watchd.status import FolderMode

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from bshm_watchd.daemon import Daemon
    from bshm_watchd.folder_state import FolderState

_BARS = 5  # more folders than that share one
_ADVICE = {
    1: "some photos were rejected or failed, each with a .error.json beside it; see: bshm-watchd jobs list",
    75: "not everything could be had; run it again",
    130: "interrupted: what is left goes on at the next start",
}


@dataclass(frozen=True, slots=True)
class FolderCourse:
    """How far one folder is. `left`: waiting, in work or waiting for another attempt."""

    folder: str
    done: int
    review: int
    rejected: int
    failed: int
    left: int
    state: str
    reason: str

    @property
    def ended(self) -> int:
        return self.done + self.review + self.rejected + self.failed


class Course:
    """Belongs to the main thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._busy_since: float | None = None
        self.busy_seconds = 0.0  # with a photo in work: waiting for files to settle says nothing about speed

    def note(self, daemon: Daemon) -> None:
        """After each step: is anything in work?"""
        now = self._clock.monotonic()
        if self._busy_since is not None:
            self.busy_seconds += now - self._busy_since
        self._busy_since = now if any(folder.in_flight for folder in daemon.folders.values()) else None

    def print_end(self, daemon: Daemon, code: int, *, as_json: bool) -> None:
        folders = folders_of(daemon)
        if as_json:
            print_json(self._as_json(folders, code))
            return
        self._print_table(folders)
        for folder in folders:
            if folder.reason:
                complain(f"{folder.folder} is {folder.state.replace('_', ' ')}: {folder.reason}")
        if code in _ADVICE:
            complain(_ADVICE[code])

    def _as_json(self, folders: list[FolderCourse], code: int) -> dict[str, Any]:
        rates = [self._rate(folder.ended) for folder in folders]
        rows = [asdict(folder) | {"photos_per_second": rate} for folder, rate in zip(folders, rates, strict=True)]
        total = sum(folder.ended for folder in folders)
        return {
            "exit": code,
            "busy_seconds": round(self.busy_seconds, 3),
            "photos_per_second": self._rate(total),
            "folders": rows,
        }

    def _print_table(self, folders: list[FolderCourse]) -> None:
        columns = ("folder", "done", "review", "rejected", "failed", "left", "photos/s")
        rows: list[tuple[Any, ...]] = [
            (one.folder, one.done, one.review, one.rejected, one.failed, one.left, self._rate(one.ended))
            for one in folders
        ]
        if len(rows) > 1:
            sums = [sum(numbers) for numbers in zip(*(row[1:6] for row in rows), strict=True)]
            rows.append(("all", *sums, self._rate(sum(sums[:4]))))
        print_table(columns, rows)

    def _rate(self, ended: int) -> float | None:
        return round(ended / self.busy_seconds, 2) if self.busy_seconds > 0 else None


def folders_of(daemon: Daemon) -> list[FolderCourse]:
    return [_folder_course(daemon, name, folder) for name, folder in daemon.folders.items()]


def _folder_course(daemon: Daemon, name: str, folder: FolderState) -> FolderCourse:
    done, review, rejected, failed = (daemon.tally.count(state, folder=name) for state in ENDED)
    left = folder.waiting + folder.in_flight + folder.unfinished
    working = folder.mode in (FolderMode.WATCHING, FolderMode.STARTING)
    return FolderCourse(name, done, review, rejected, failed, left, str(folder.mode), "" if working else folder.reason)


@contextlib.contextmanager
def shown_course(course: Course) -> Iterator[Callable[[Daemon], None]]:
    """What `Daemon.run` calls after each step. The log goes above the bars on a terminal, else as it comes."""
    if not sys.stderr.isatty():
        logs.start()
        yield course.note
        return
    with _bars() as progress:
        logs.start(logging.WARNING)  # onto the stream that the bars have put in place: lines go above them
        bars = _Bars(progress)

        def show(daemon: Daemon) -> None:
            course.note(daemon)
            bars.show(daemon)

        try:
            yield show
        finally:
            progress.stop()
            logs.start(logging.WARNING)


def _bars() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
    )


class _Bars:
    """A bar a folder; one for all of them where there are many."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._start = progress.add_task("loading the model", total=None, rate="")
        self._told_draining = False

    def show(self, daemon: Daemon) -> None:
        if daemon.draining and not self._told_draining:
            self._told_draining = True
            self._progress.console.print("ending when what is in work is safe; Ctrl-C again ends at once")
        if not daemon.ready:
            return
        self._progress.update(self._start, visible=False)
        for label, ended, known in _lines(daemon):
            if label not in self._tasks:
                self._tasks[label] = self._progress.add_task(label, total=known, rate="")
            self._update(self._tasks[label], ended, known)

    def _update(self, task: TaskID, ended: int, known: int) -> None:
        speed = self._progress.tasks[self._progress.task_ids.index(task)].speed
        rate = f"{speed:.1f} photos/s" if speed else ""
        self._progress.update(task, completed=ended, total=known, rate=rate)


def _lines(daemon: Daemon) -> list[tuple[str, int, int]]:
    """Label, photos that ended, photos known of; for each bar."""
    folders = folders_of(daemon)
    if len(folders) <= _BARS:
        return [(one.folder, one.ended, one.ended + one.left) for one in folders]
    ended = sum(one.ended for one in folders)
    return [(f"{len(folders)} folders", ended, ended + sum(one.left for one in folders))]
