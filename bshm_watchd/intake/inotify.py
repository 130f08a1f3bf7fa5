"""watchdog's inotify threads, wired so that lost events are heard of and no child inherits the descriptor."""

from __future__ import annotations

import os
from collections.abc import Callable

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyEmitter
from watchdog.observers.inotify_c import InotifyEvent, InotifyFD

# No deletions and no reads: our own claims and inspections must not wake the folder they come from.
_HEARD: list[type[FileSystemEvent]] = [
    FileCreatedEvent,
    FileMovedEvent,
    FileModifiedEvent,
    FileClosedEvent,  # after writing
    DirCreatedEvent,
    DirMovedEvent,
]


def observe(drop_path: str, tell: Callable[[FileSystemEvent], None], lost: Callable[[], None]) -> BaseObserver:
    """Start watching; `tell` gets each event and `lost` is called on an overflow, both on watchdog's threads.

    Raises `OSError` with everything undone. `stop()` and `join()` of what is returned end all its threads.
    """
    queue = EventQueue(lost)
    queue.start()
    observer = _Observer(queue)
    try:
        observer.schedule(_Teller(tell), drop_path, recursive=True, event_filter=_HEARD)
        observer.start()
    except OSError:
        observer.on_thread_stop()
        raise
    return observer


class _Teller(FileSystemEventHandler):
    def __init__(self, tell: Callable[[FileSystemEvent], None]) -> None:
        self._tell = tell

    def dispatch(self, event: FileSystemEvent) -> None:
        self._tell(event)


class EventQueue(InotifyFD):
    """One folder's inotify descriptor and the thread that reads it."""

    def __init__(self, lost: Callable[[], None]) -> None:
        super().__init__()
        self._lost = lost
        self.is_deaf = False  # the last directory was unmounted or removed, and may be back at its path
        os.set_inheritable(self._inotify_fd, False)  # watchdog leaves it open across exec

    def handle_event(self, event: InotifyEvent) -> None:
        super().handle_event(event)
        self.is_deaf = event.is_ignored and not self._watch_for_wd
        if event.is_queue_overflow or self.is_deaf:
            self._lost()


class _Observer(BaseObserver):
    def __init__(self, queue: EventQueue) -> None:
        super().__init__(InotifyEmitter, inotify_fd=queue)
        self._queue = queue

    def is_alive(self) -> bool:
        return super().is_alive() and self._queue.is_alive() and not self._queue.is_deaf

    def on_thread_stop(self) -> None:
        super().on_thread_stop()
        self._queue.stop()
        self._queue.join()
