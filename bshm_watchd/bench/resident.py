"""The daemon that is measured, seen from outside: it is given photos, heard, asked for what it takes, and ended."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bshm_watchd.bench.course import Courses, MeasuringFailed, told
from bshm_watchd.bench.processes import family_cpu_seconds, family_peak_mib, reset_peaks

if TYPE_CHECKING:
    from bshm_watchd.clock import Clock
    from bshm_watchd.config import Settings

_PATIENCE_SECONDS = 600.0  # without any word from it
_END_SECONDS = 60.0
_BLOCK_BYTES = 1 << 16
_LAST_WORDS = 3
_CHILD = "bshm_watchd.bench.resident_child"


class Resident:
    """Started on entry, ended on exit. `command`: what is run, with the settings' file and a descriptor behind it."""

    def __init__(
        self, settings: Settings, directory: Path, clock: Clock, command: Sequence[str] | None = None,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:  # fmt: skip
        self.courses = Courses()
        self._settings = settings
        self._file, self._log = directory / "settings.json", directory / "daemon.log"
        self._clock = clock
        # -P: nothing is imported from the directory that somebody happens to stand in
        self._command = list(command or (sys.executable, "-P", "-m", _CHILD))
        self._patience_seconds = patience_seconds
        self._unread = b""
        self._stack = contextlib.ExitStack()
        self.started = 0.0

    def __enter__(self) -> Self:
        self._file.write_text(self._settings.model_dump_json(), encoding="utf-8")
        with contextlib.ExitStack() as stack:
            self._fd, theirs = os.pipe()
            stack.callback(os.close, self._fd)
            log = stack.enter_context(self._log.open("wb"))
            self.started = self._clock.monotonic()
            try:
                self._process = subprocess.Popen(
                    [*self._command, str(self._file), str(theirs)],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[theirs],
                )  # fmt: skip
            finally:
                os.close(theirs)
            stack.callback(self._end)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def wait_until_ready(self) -> None:
        """Raises `MeasuringFailed` where it does not get ready."""
        self.wait_until(lambda: self.courses.ready)

    def wait_until_over(self, photos: list[str], each: Callable[[int], None] = lambda over: None) -> None:
        """Until these photos' jobs are over; `each` is told how many are. Raises `MeasuringFailed` as `wait_until`."""

        def are_over() -> bool:
            each(sum(course.over is not None for course in self.courses.of(photos)))
            return self.courses.over(photos)

        self.wait_until(are_over)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Raises `MeasuringFailed` with its last words when it ends, holds its folder, or says nothing any more."""
        while not condition():
            if self.courses.trouble:
                where = f"the hot folder that is measured in ({self._settings.hot_folders[0].path})"
                raise MeasuringFailed(
                    f"{where} is {self.courses.trouble}; measure in another place: `bench speed --on DIR`"
                )
            if not select.select([self._fd], [], [], self._patience_seconds)[0]:
                raise MeasuringFailed(self._words(f"said nothing for {self._patience_seconds:g} seconds"))
            block = os.read(self._fd, _BLOCK_BYTES)
            if not block:
                raise MeasuringFailed(self._words(f"ended (exit code {self._process.wait(_END_SECONDS)})"))
            *lines, self._unread = (self._unread + block).split(b"\n")
            for line in lines:
                self.courses.add(told(line))

    def cpu_seconds(self) -> float:
        """So far, of it and of all that it started. Raises `MeasuringFailed` once it has ended."""
        return self._asked(family_cpu_seconds)

    def peak_mib(self) -> float:
        """The most since `reset_peak`, of it and of all that it started. Raises `MeasuringFailed` once it has ended."""
        return self._asked(family_peak_mib)

    def reset_peak(self) -> None:
        reset_peaks(self._process.pid)

    def _asked(self, figure: Callable[[int], float]) -> float:
        try:
            return figure(self._process.pid)
        except OSError as error:
            raise MeasuringFailed(self._words("has ended")) from error

    def _end(self) -> None:
        """In good order, since the next one is to find its folder given up. What it still tells is nobody's."""
        self._process.send_signal(signal.SIGTERM)
        while select.select([self._fd], [], [], _END_SECONDS)[0] and os.read(self._fd, _BLOCK_BYTES):
            pass
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _words(self, what: str) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-_LAST_WORDS:]
        return "\n".join([f"the daemon that is measured {what}; the last it said:", *lines])
