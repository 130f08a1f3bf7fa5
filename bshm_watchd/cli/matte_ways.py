"""The two ways to a photo's result: the running daemon's resident model, or one that is loaded here."""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bshm_watchd.cli.console import complain
from bshm_watchd.config import BatchSettings, Limits, ModelSettings, Settings, default_state_dir
from bshm_watchd.errors import WatchdError
from bshm_watchd.ops.asking import EXIT_TRY_AGAIN, SOCKET_NAME, Busy, ControlError, NotRunning, ask, ask_for_photo
from bshm_watchd.output_settings import OutputSettings

if TYPE_CHECKING:
    from bshm_watchd.delivery.formats import Content
    from bshm_watchd.in_process import InProcess

_FEWEST_AT_ONCE, _MOST_AT_ONCE = 4, 8
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 2.0

Pause = Callable[[float], None]


def _pause(seconds: float) -> None:
    threading.Event().wait(seconds)


@dataclass(frozen=True, slots=True)
class Result:
    """A finished file, and what is told of it: see `one_photo.Facts`."""

    content: Content | mmap.mmap = field(repr=False)
    facts: dict[str, Any]


class Way(Protocol):
    """Makes results, on many threads. `lanes`: how many are worth having under way at once."""

    through: str
    lanes: int

    def make(self, output: OutputSettings, photo_fd: int, background_fd: int | None) -> Result:
        """The descriptors stay open. Raises `RejectedPhoto` for this photo, other `WatchdError`s for all of them."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What single photos are made with: the configuration's, or the defaults where there is none."""

    state_dir: Path
    model: ModelSettings
    batch: BatchSettings
    limits: Limits

    @classmethod
    def of(cls, settings: Settings | None) -> Means:
        if settings is None:
            return cls(default_state_dir(), ModelSettings(), BatchSettings(), Limits())
        return cls(settings.state_dir, settings.model, settings.batch, settings.limits)


@contextlib.contextmanager
def open_way(means: Means, *, local: bool, pause: Pause = _pause) -> Iterator[Way]:
    """Through the daemon where one runs; `pause` waits for some seconds while that is too busy.

    Raises `ConfigError`, `InstanceRunning` where the GPU is taken, and `ControlError` of a daemon that can't be asked.
    """
    socket = means.state_dir / SOCKET_NAME
    if not local and _runs(socket):
        yield _ThroughDaemon(socket, pause)
        return
    from bshm_watchd.in_process import open_in_process

    with open_in_process(means.model, means.batch, means.limits, means.state_dir) as here:
        if here.fell_back is not None:
            complain(f"computing on the CPU, not on a GPU: {here.fell_back}")
        yield _Here(here)


def _runs(socket: Path) -> bool:
    try:
        return bool(ask(socket, "status", {}))
    except NotRunning:
        return False
    except Busy:
        return True
    except ControlError as error:
        raise ControlError(f"{error}; or use --local", error.exit_code) from error


class _ThroughDaemon:
    through = "daemon"

    def __init__(self, socket: Path, pause: Pause) -> None:
        self._socket = socket
        self._pause = pause
        cores = len(os.sched_getaffinity(0))
        self.lanes = max(_FEWEST_AT_ONCE, min(2 * cores, _MOST_AT_ONCE))

    def make(self, output: OutputSettings, photo_fd: int, background_fd: int | None) -> Result:
        wanted = {
            "kind": output.kind,
            "format": output.format,
            "background": None if background_fd is not None else output.background,
            "quality": output.quality,
            "strip_gps": output.strip_gps,
        }
        descriptors = [photo_fd] if background_fd is None else [photo_fd, background_fd]
        try:
            facts, fd = self._asked(wanted, descriptors)
        except NotRunning as error:
            raise ControlError("the daemon has ended meanwhile; try again", EXIT_TRY_AGAIN) from error
        try:
            return Result(mmap.mmap(fd, 0, prot=mmap.PROT_READ), facts)
        finally:
            os.close(fd)

    def _asked(self, wanted: dict[str, Any], descriptors: list[int]) -> tuple[dict[str, Any], int]:
        """Again and again while the daemon has too much to do: it goes on, and so will this."""
        seconds = _SHORTEST_PAUSE_SECONDS
        while True:
            try:
                return ask_for_photo(self._socket, wanted, descriptors)
            except Busy:
                self._pause(seconds)
                seconds = min(2 * seconds, _LONGEST_PAUSE_SECONDS)


class _Here:
    through = "process"

    def __init__(self, here: InProcess) -> None:
        self._here = here
        self.lanes = here.lanes

    def make(self, output: OutputSettings, photo_fd: int, background_fd: int | None) -> Result:
        from bshm_watchd.one_photo import facts_as_json

        made = self._here.make(output, photo_fd, background_fd)
        return Result(made.content, facts_as_json(made.facts))


def is_fatal(error: Exception) -> bool:
    """Whether the next photo would fare no better: everything but what is wrong with one photo."""
    from bshm_watchd.errors import RejectedPhoto

    return isinstance(error, WatchdError) and not isinstance(error, RejectedPhoto)
