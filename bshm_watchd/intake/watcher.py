"""Hints from the kernel that something below drop/ changed. Only hints: the scan is the truth."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

from bshm_watchd.errors import WatchdError

if TYPE_CHECKING:
    from watchdog.events import FileSystemEvent
    from watchdog.observers.api import BaseObserver

PutHint = Callable[[str | None], None]


class WatcherUnavailable(WatchdError):
    """No hints for this folder: it is only scanned. The message says why and what would help."""


class Watcher(Protocol):
    """Gives hints about one drop/.

    - `put_hint` is called from any thread, with a path below drop/ (relative, no link followed, not necessarily
      existing any more) or None for *scan now*. It must not raise or block.
    - Hints may be lost, late, doubled, out of order or about nothing. Whoever needs certainty scans.
    - Directories are never named: whatever happens to one is None. What is lost and known to be lost is None.
    - After `stop` returns there are no more hints. `stop` may be called at any time, also twice.
    - A watcher follows the directory it started on, wherever that is moved to: whoever sees that drop/ has become
      another directory stops it and starts it again, which may be done as often as needed.
    """

    gives_hints: bool  # false for one that never does: whoever has it scans more often

    def start(self, drop_path: str, put_hint: PutHint) -> None:
        """Begin. Raises `WatcherUnavailable`; then it is as if stopped."""
        ...

    def alive(self) -> bool:
        """Whether it still does what it can. False before the start, after the stop, and when it broke down."""
        ...

    def stop(self) -> None: ...


def make_watcher(watch: Literal["auto", "events", "poll"], *, network: bool) -> Watcher:
    """A network file system hears nothing from other machines, so `auto` does not pretend to listen there."""
    if watch == "poll" or (watch == "auto" and network):
        return PollWatcher()
    return EventWatcher()


class PollWatcher:
    """No hints at all: scanning on the clock does the job alone."""

    gives_hints = False

    def __init__(self) -> None:
        self._started = False

    def start(self, drop_path: str, put_hint: PutHint) -> None:
        _check_directory(drop_path)
        self._started = True

    def alive(self) -> bool:
        return self._started

    def stop(self) -> None:
        self._started = False


class EventWatcher:
    """inotify, by watchdog. Sub-directories it may not watch are silent: the scan finds what is in them."""

    gives_hints = True

    def __init__(self) -> None:
        self._observer: BaseObserver | None = None

    def start(self, drop_path: str, put_hint: PutHint) -> None:
        _check_directory(drop_path)
        try:
            self._observer = _start_observer(drop_path, put_hint)
        except OSError as error:
            raise WatcherUnavailable(f"{drop_path}: {error.strerror}; {_advice(error)}") from error

    def alive(self) -> bool:
        observer = self._observer
        return observer is not None and observer.is_alive() and all(e.is_alive() for e in observer.emitters)

    def stop(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()


def hint_of(drop_path: str, path: bytes | str, *, is_directory: bool) -> str | None:
    """Pure: the hint for an event at `path`; None for drop/ itself, for a directory and for anything odd."""
    prefix = drop_path.rstrip("/") + "/"
    name = os.fsdecode(path)
    if is_directory or not name.startswith(prefix):
        return None
    return name[len(prefix) :] or None


def _start_observer(drop_path: str, put_hint: PutHint) -> BaseObserver:
    """Start watchdog's threads. Raises `OSError`, everything undone."""
    from bshm_watchd.intake.inotify import observe

    def tell(event: FileSystemEvent) -> None:
        path = event.dest_path or event.src_path
        put_hint(hint_of(drop_path, path, is_directory=event.is_directory))

    return observe(drop_path, tell, lost=lambda: put_hint(None))


def _check_directory(drop_path: str) -> None:
    """A directory we may list, and no link to one: watchdog takes either without a word and hears nothing."""
    try:
        os.close(os.open(drop_path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC))
    except OSError as error:
        raise WatcherUnavailable(f"{drop_path}: {error.strerror}; it must be a directory we may list") from error


def _advice(error: OSError) -> str:
    import errno

    if error.errno == errno.ENOSPC:
        return "raise fs.inotify.max_user_watches; until then the folder is only scanned"
    if error.errno == errno.EMFILE:
        return "raise fs.inotify.max_user_instances; until then the folder is only scanned"
    return "the folder is only scanned"
