"""What the control socket's requests get from the daemon. Runs on the main thread, inside a step."""

from __future__ import annotations

import difflib
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bshm_watchd import __version__
from bshm_watchd.clock import timestamp
from bshm_watchd.errors import WatchdError
from bshm_watchd.events import Asked
from bshm_watchd.jobs import ENDED, Job, State
from bshm_watchd.ops.asking import EXIT_TRY_AGAIN, Busy, ControlError
from bshm_watchd.status import ConfigurationStatus, DeviceStatus, FolderMode, FolderStatus, Status

if TYPE_CHECKING:
    from bshm_watchd.daemon import Daemon
    from bshm_watchd.folder_state import FolderState
    from bshm_watchd.journal import Journal, Row


class BadRequest(WatchdError):
    """The request can't be done as it stands; the message says what to change."""


class Answers:
    """Answers `Asked` events. `model` and what `device` says at once are in the status as they are."""

    def __init__(self, model: str, device: Callable[[], DeviceStatus], since_wall: float) -> None:
        self._model = model
        self._device = device
        self._since_wall = since_wall

    def answer(self, daemon: Daemon, asked: Asked) -> None:
        verbs: dict[str, Callable[[Daemon, Asked], None]] = {
            "status": self._status,
            "requeue": _requeue,
            "reload": _reload,
            "folder_take": lambda d, a: _attach_again(d, a, take=True),
            "folder_adopt": lambda d, a: _attach_again(d, a, adopt=True),
            "photo_begins": _begin_photo,  # these two are asked by the control socket itself, for a client's photo
            "photo_over": lambda d, a: d.schedule.photos.over(a.arguments["of"]),
        }
        try:
            verb = verbs.get(asked.verb)
            if verb is None:
                raise BadRequest(f"unknown request {asked.verb!r}")
            verb(daemon, asked)
        except WatchdError as error:
            asked.answer.set_exception(error)

    def status_of(self, daemon: Daemon) -> Status:
        folders = tuple(_folder_status(daemon, folder) for folder in daemon.folders.values())
        leaving = tuple(_leaving_status(daemon, f) for name, f in daemon.leaving.items() if name not in daemon.folders)
        device = self._device()
        return Status(
            state=_state(daemon, folders, device),
            ready=daemon.ready,
            version=__version__,
            pid=os.getpid(),
            since=timestamp(self._since_wall),
            model=self._model,
            device=device,
            configuration=_configuration_status(daemon),
            in_flight_bytes=daemon.schedule.in_flight_bytes,
            finished=daemon.tally.count(*ENDED),
            folders=folders + leaving,
        )

    def _status(self, daemon: Daemon, asked: Asked) -> None:
        asked.answer.set_result(self.status_of(daemon).as_json())


def requeueable(journal: Journal, job_id: Any) -> Row:
    """The row of a job that can be requeued. Raises `BadRequest` that says why it can't."""
    row = journal.find(str(job_id))
    if row is None:
        raise BadRequest("no such job; bshm-watchd jobs list shows them")
    if row.requeued_as:
        raise BadRequest(f"already requeued, as job {row.requeued_as}")
    if row.state not in ENDED:
        raise BadRequest(f"the job is {row.state}: only done, review, rejected and failed ones can be requeued")
    return row


def named(names: Iterable[str], name: Any) -> str:
    """`name`, if it is one of the hot folders'. Raises `BadRequest` that suggests a close one."""
    known = list(names)
    if name in known:
        return str(name)
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
    raise BadRequest(f"no hot folder is named {name}; {hint}")


def _reload(daemon: Daemon, asked: Asked) -> None:
    """Answered once the file was read, by the reload itself."""
    if daemon.draining:
        raise ControlError("the daemon is stopping; nothing was reloaded", EXIT_TRY_AGAIN)
    if not daemon.reloads.is_possible:
        raise BadRequest("a run that ends when all is done works with the configuration it was started with")
    daemon.reloads.ask(asked.answer)


def _requeue(daemon: Daemon, asked: Asked) -> None:
    ids = [str(job_id) for job_id in asked.arguments.get("ids", [])]
    collected = _Collected(len(ids), asked)
    for job_id in ids:
        try:
            row = requeueable(daemon.journal, job_id)
            folder = daemon.folders[named(daemon.folders, row.folder)]
            if folder.mode is not FolderMode.WATCHING:
                raise BadRequest(f"hot folder {row.folder} is {folder.mode}: {folder.reason}")
            folder.hand.ask("requeue", collected.requeue(folder, row))
        except WatchdError as error:
            collected.failed(job_id, error)


class _Collected:
    """Answers a request once all of its parts have ended, on whatever thread the last one does."""

    def __init__(self, count: int, asked: Asked) -> None:
        self._asked = asked
        self._lock = threading.Lock()  # guards the rest
        self._left = count
        self._done: dict[str, list[dict[str, str]]] = {"requeued": [], "failed": []}
        if not count:
            asked.answer.set_result(dict(self._done))

    def requeue(self, folder: FolderState, row: Row) -> Callable[[], Job]:
        def work() -> Job:
            try:
                job = folder.calls.requeue(row)
            except Exception as error:
                self.failed(row.id, error)
                raise
            self._end("requeued", {"id": row.id, "new_id": job.id})
            return job

        return work

    def failed(self, job_id: str, error: Exception) -> None:
        self._end("failed", {"id": job_id, "why": str(error)})

    def _end(self, how: str, what: dict[str, str]) -> None:
        with self._lock:
            self._done[how].append(what)
            self._left -= 1
            over = self._left == 0
        if over:
            self._asked.answer.set_result(dict(self._done))


def _attach_again(daemon: Daemon, asked: Asked, *, adopt: bool = False, take: bool = False) -> None:
    folder = daemon.folders[named(daemon.folders, asked.arguments.get("name"))]
    if folder.mode is FolderMode.WATCHING:
        raise BadRequest(f"hot folder {folder.settings.name} is being watched already; there is nothing to do")
    if folder.call is not None or folder.running or folder.is_waiting:
        raise BadRequest(f"hot folder {folder.settings.name} does not answer right now; try again in a while")
    folder.ask_attach(daemon.clock.monotonic(), adopt=adopt, take=take)
    asked.answer.set_result({"name": folder.settings.name, "asked": "take" if take else "adopt"})


def _begin_photo(daemon: Daemon, asked: Asked) -> None:
    """Answered as soon as there is memory for it: by the schedule."""
    if daemon.draining:
        raise ControlError("the daemon is stopping; try again", EXIT_TRY_AGAIN)
    if not daemon.ready:
        raise Busy("the daemon is not ready yet; try again in a moment")
    daemon.past.note_photos()
    daemon.schedule.photos.add(asked.answer, asked.arguments["cost_bytes"])


def _state(daemon: Daemon, folders: tuple[FolderStatus, ...], device: DeviceStatus) -> str:
    if daemon.draining:
        return "draining"
    if not daemon.ready:
        return "starting"
    if device.fell_back is not None:
        return "degraded"
    if any(folder.state is not FolderMode.WATCHING for folder in folders):
        return "degraded"
    busy = any(folder.in_flight or folder.waiting or folder.retrying for folder in folders)
    return "busy" if busy or daemon.schedule.photos.in_flight else "idle"


def _configuration_status(daemon: Daemon) -> ConfigurationStatus:
    refusal, loaded = daemon.reloads.refusal, timestamp(daemon.reloads.loaded_wall)
    if refusal is None:
        return ConfigurationStatus(loaded, None, ())
    return ConfigurationStatus(loaded, timestamp(refusal.wall), refusal.problems)


def _leaving_status(daemon: Daemon, folder: FolderState) -> FolderStatus:
    status = _folder_status(daemon, folder)
    if folder.mode is FolderMode.UNREACHABLE:
        return replace(status, reason=f"no longer configured; {folder.reason}")
    return replace(status, state=FolderMode.LEAVING, reason="no longer configured; what is in work is finished")


def _folder_status(daemon: Daemon, folder: FolderState) -> FolderStatus:
    name, looked = folder.settings.name, folder.seen.looked if folder.seen else None
    oldest = looked.oldest_first_seen if looked else None

    def ended(state: State) -> int:
        return folder.ended_before.get(state, 0) + daemon.tally.count(state, folder=name)

    return FolderStatus(
        name=name,
        path=str(folder.settings.path),
        state=folder.mode,
        reason=folder.reason,
        waiting=folder.waiting,
        in_flight=folder.in_flight,
        retrying=folder.unfinished,
        oldest_waiting_seconds=None if oldest is None else round(daemon.clock.monotonic() - oldest, 1),
        not_photos=looked.other_files if looked else 0,
        left=looked.left if looked else 0,
        events=folder.events,
        done=ended(State.DONE),
        review=ended(State.REVIEW),
        rejected=ended(State.REJECTED),
        failed=ended(State.FAILED),
    )
