"""What may lie in the inbox. Threads and signal handlers only put; the main thread alone takes."""

from __future__ import annotations

import queue
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from bshm_watchd.config import Settings
from bshm_watchd.pipeline import Outcome


@dataclass(frozen=True, slots=True)
class Hinted:
    """Something may have happened to a path below drop/; None: anywhere, look at everything."""

    folder: str
    relative: str | None


@dataclass(frozen=True, slots=True)
class Answered:
    """A call that a folder's thread was asked for has ended, with a value or an error."""

    folder: str
    call: str
    value: Any
    error: Exception | None


@dataclass(frozen=True, slots=True)
class JobOver:
    """A worker is through with a job, for now or for good."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker ended by an error of the program's own: nothing can be trusted any more."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class ModelReady:
    """The model is resident and warm."""

    lanes: int  # photos it can have in work at the same time: streams x batch


@dataclass(frozen=True, slots=True)
class ModelFailed:
    error: Exception


@dataclass(frozen=True, slots=True)
class StopAsked:
    signal_number: int


@dataclass(frozen=True, slots=True)
class ReloadAsked:
    """By a signal. A request for it comes as `Asked`."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The configuration file was read anew: settings that can be taken over as they are, or all that is wrong."""

    settings: Settings | None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request from the control socket. The answer (a JSON object) or an error goes into `answer`, once."""

    verb: str
    arguments: dict[str, Any]
    answer: Future[dict[str, Any]]


Event = Hinted | Answered | JobOver | WorkerDied | ModelReady | ModelFailed | StopAsked | ReloadAsked | Reloaded | Asked


class Inbox:
    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Event] = queue.SimpleQueue()

    def put(self, event: Event) -> None:
        """From any thread or signal handler."""
        self._queue.put(event)

    def take(self, timeout_seconds: float) -> list[Event]:
        """All that is there; waits for the first at most that long. Main thread only."""
        events: list[Event] = []
        try:
            events.append(self._queue.get(timeout=timeout_seconds) if timeout_seconds > 0 else self._queue.get_nowait())
            while True:
                events.append(self._queue.get_nowait())
        except queue.Empty:
            return events
