"""What tests of a running daemon look at."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from bshm_watchd.events import Asked, StopAsked
from bshm_watchd.status import FolderMode
from tests.support.studio import Running


def watching(running: Running, *names: str) -> Callable[[], bool]:
    return lambda: all(running.states[name].mode is FolderMode.WATCHING for name in names)


def status(running: Running) -> dict[str, Any]:
    asked = Asked("status", {}, Future())
    running.inbox.put(asked)
    running.step()
    return asked.answer.result(timeout=0)


def stopped(running: Running) -> int:
    running.inbox.put(StopAsked(signal.SIGTERM))
    return running.run()
