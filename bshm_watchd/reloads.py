"""Taking over a changed configuration while the daemon runs: all of it or nothing.

The file is read and judged beside the main thread, which then only replaces what changed. One reading at a time; who
asks while one is under way is answered by the next, because the file may have changed since.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from bshm_watchd import logs
from bshm_watchd.clock import Clock
from bshm_watchd.config import HotFolderSettings, Settings
from bshm_watchd.errors import ConfigError, ProgramEnding, WatchdError
from bshm_watchd.events import Reloaded
from bshm_watchd.folder_state import FolderState
from bshm_watchd.folders import Folders
from bshm_watchd.jobs import ENDED
from bshm_watchd.reconfigure import Changes, changes
from bshm_watchd.tally import Tally

Answer = Future[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Reloading:
    """What a reload needs from outside."""

    read: Callable[[Settings], None]  # begins to read the file, which ends in one `Reloaded`; told what runs now
    make: Callable[[HotFolderSettings], FolderState]  # a folder with its thread, not attached yet


@dataclass(frozen=True, slots=True)
class Refusal:
    wall: float
    problems: tuple[str, ...]


class Reloads:
    """Belongs to the main thread."""

    def __init__(
        self, settings: Settings, reloading: Reloading | None, folders: Folders, tally: Tally, clock: Clock
    ) -> None:
        self.settings = settings  # those that run
        self.loaded_wall = clock.wall()
        self.refusal: Refusal | None = None  # of the file, if the last reload was refused
        self._reloading = reloading
        self._folders = folders
        self._tally = tally
        self._clock = clock
        self._wanted = False
        self._asking: list[Answer] = []  # answered by the next reading
        self._reading: list[Answer] | None = None  # answered by the one under way; None: there is none

    @property
    def is_possible(self) -> bool:
        return self._reloading is not None

    def ask(self, answer: Answer | None = None) -> None:
        self._wanted = self.is_possible
        if answer is not None:
            self._asking.append(answer)

    def begin(self) -> None:
        """The next reading, if one is wanted and none is under way."""
        if self._reloading is None or not self._wanted or self._reading is not None:
            return
        self._wanted, self._reading, self._asking = False, self._asking, []
        self._reloading.read(self.settings)

    def read(self, found: Reloaded) -> None:
        """What the file says now: take it over, or refuse it."""
        if self._reloading is None:
            return  # all who asked were told
        asking, self._reading = self._reading or [], None
        for warning in found.warnings:
            logs.warning("a background picture can't be used yet", why=warning)
        try:
            told = self._taken_over(found)
        except WatchdError as error:
            self._refuse(error)
            for answer in asking:
                answer.set_exception(error)
        else:
            for answer in asking:
                answer.set_result({"changes": str(told), "changed": bool(told), "warnings": list(found.warnings)})

    def close(self) -> None:
        """The daemon drains: nothing is taken over any more."""
        for answer in (*self._asking, *(self._reading or [])):
            answer.set_exception(ProgramEnding("the daemon is stopping; nothing was reloaded"))
        self._reloading, self._wanted, self._asking, self._reading = None, False, [], None

    def _taken_over(self, found: Reloaded) -> Changes:
        if found.settings is None:
            raise ConfigError(list(found.problems))
        told = changes(self.settings, found.settings)
        made = self._made([folder for folder in found.settings.hot_folders if folder.name in told.anew])
        self._folders.replace(found.settings.hot_folders, made)
        self.settings, self.loaded_wall, self.refusal = found.settings, self._clock.wall(), None
        logs.info("reloaded", changes=str(told))
        return told

    def _made(self, wanted: list[HotFolderSettings]) -> dict[str, FolderState]:
        """All of them, or none and the reason."""
        assert self._reloading is not None
        made: dict[str, FolderState] = {}
        try:
            for settings in wanted:
                made[settings.name] = self._reloading.make(settings)
                made[settings.name].ended_before = self._ended_before(made[settings.name])
        except (WatchdError, OSError, RuntimeError) as error:  # the journal can't be read, no more threads
            for folder in made.values():
                folder.has_left()
            raise ConfigError([f"the new folders could not be prepared: {error}; try again"]) from error
        return made

    def _ended_before(self, folder: FolderState) -> Counter[str]:
        """Jobs that ended there before this process began: the tally has the others."""
        name = folder.settings.name
        if (before := self._folders.find(name)) is not None:
            return Counter(before.ended_before)
        ours = Counter({str(state): self._tally.count(state, folder=name) for state in ENDED})
        return Counter(folder.ended_before) - ours

    def _refuse(self, error: WatchdError) -> None:
        problems = tuple(error.problems) if isinstance(error, ConfigError) else (str(error),)
        self.refusal = Refusal(self._clock.wall(), problems)
        for problem in problems:
            logs.error("the changed configuration is refused, the one before goes on", why=problem)
