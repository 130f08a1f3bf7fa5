"""SPINE 1. What happens next: take events, `step(events, now)`, wait as long as it says.

`step` never sleeps and never touches a hot folder: it asks the folders' threads and the workers, and hears from them
through the inbox. All state here belongs to the main thread.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bshm_watchd import logs, recovery
from bshm_watchd.clock import Clock
from bshm_watchd.config import Settings
from bshm_watchd.ending import EXIT_BROKEN, EXIT_CONFIG, EXIT_FINE, EXIT_INTERRUPTED, Ending, Once
from bshm_watchd.errors import ConfigError, InstanceRunning, OwnershipLost, PlaceUnavailable, place_error
from bshm_watchd.events import (
    Answered,
    Asked,
    Event,
    Hinted,
    Inbox,
    JobOver,
    ModelFailed,
    ModelReady,
    ReloadAsked,
    Reloaded,
    StopAsked,
    WorkerDied,
)
from bshm_watchd.folder_calls import Attached, Seen
from bshm_watchd.folder_state import HUNG_SECONDS, FolderState
from bshm_watchd.folders import Folders
from bshm_watchd.jobs import FINAL, State
from bshm_watchd.journal import Journal
from bshm_watchd.pipeline import Broken, Ended, LetGo, Outcome, Retry, Waiting
from bshm_watchd.rejecting import Rejected
from bshm_watchd.reloads import Reloading, Reloads
from bshm_watchd.schedule import Schedule
from bshm_watchd.status import FolderMode
from bshm_watchd.tally import Tally

DRAIN_SECONDS = 30.0
_LONGEST_WAIT_SECONDS = 60.0
_FOR_EVER = float("inf")


@dataclass(frozen=True, slots=True)
class Seams:
    """What the daemon is given from outside, so that tests can give it something else."""

    incarnation: str  # of this process
    inbox: Inbox
    clock: Clock
    journal: Journal
    answer: Callable[[Daemon, Asked], None]  # answers a request of the control socket
    reloading: Reloading | None = None  # None: it works with what it was started with


class Daemon:
    def __init__(
        self, folders: Sequence[FolderState], schedule: Schedule, seams: Seams, settings: Settings, spare_lanes: int,
        once: Once | None = None,
    ) -> None:  # fmt: skip
        self.known = Folders(folders)
        self.folders = self.known.configured
        self.leaving = self.known.leaving
        self.schedule = schedule
        self.clock = seams.clock
        self.journal = seams.journal
        self.past = recovery.Past(seams.journal, seams.incarnation)
        self.tally = Tally()
        self.reloads = Reloads(settings, seams.reloading, self.known, self.tally, seams.clock)
        self.ready = False
        self.exit_code: int | None = None
        self.failure: BaseException | None = None
        self._seams = seams
        self._max_attempts = settings.limits.max_attempts
        self._spare_lanes = spare_lanes
        self._model_lanes: int | None = None
        self._judged = False
        self._drain_exit: int | None = None  # set while draining
        self._drain_deadline = _FOR_EVER
        self._ending = Ending(once, self.folders, seams.clock.monotonic())

    # -- the loop --------------------------------------------------------------------------------------

    def run(self, progress: Callable[[Daemon], None]) -> int:
        """Until it is over; returns the exit code. `progress` is called after each step."""
        wait = 0.0
        while self.exit_code is None:
            wait = self.step(self._seams.inbox.take(wait), self.clock.monotonic())
            progress(self)
        return self.exit_code

    def step(self, events: list[Event], now: float) -> float:
        """Take in what happened, start what is due; returns the seconds until it wants to be called again."""
        for event in events:
            self._take_in(event, now)
        self._notice_hung_folders(now)
        self._judge_recovered(now)
        self.known.let_go(now)
        if not self.draining:
            self._begin_reload()
            self._ask_folders(now)
            self._notice_ready(now)
            self._start_jobs(now)
        self._notice_end(now)
        return self._wait_seconds(now)

    @property
    def draining(self) -> bool:
        return self._drain_exit is not None

    def _take_in(self, event: Event, now: float) -> None:
        match event:
            case Hinted(name, relative) if (folder := self.known.find(name)) is not None:
                folder.hinted(relative)
            case Answered():
                self._answered(self.known.heard_of(event.folder), event, now)
            case JobOver(outcome):
                self._job_over(self.known.heard_of(outcome.job.folder), outcome, now)
            case ModelReady(lanes):
                self._model_lanes = lanes
            case ModelFailed(error) | WorkerDied(error):
                self._break(error)
            case StopAsked(number):
                self._stop_asked(number, now)
            case ReloadAsked():
                self.reloads.ask()
            case Reloaded():
                self.reloads.read(event)
                self.schedule.serve(self.known.all)
            case Asked():
                self._seams.answer(self, event)

    # -- folders ---------------------------------------------------------------------------------------

    def _ask_folders(self, now: float) -> None:
        for folder in self.folders.values():
            due = folder.due(now)
            if due == "attach":
                folder.ask_attach(now)
            elif due is not None:
                folder.ask_look(now, scan=due == "scan")

    def _begin_reload(self) -> None:
        """Not before the end of the last process was judged by all folders it had."""
        if self._judged:
            self.reloads.begin()

    def _answered(self, folder: FolderState, answered: Answered, now: float) -> None:
        if answered.call == folder.call:
            folder.call = None
        match answered:
            case Answered(call="detach", error=error):
                self.known.left(answered.folder, error)
                self.schedule.serve(self.known.all)
            case Answered(error=Exception() as error):
                self._call_failed(folder, answered.call, error, now)
            case Answered(value=Attached() as attached):
                folder.attached(attached, now)
                self.past.spare(attached.taken_from)
                logs.info(
                    "watching", HOT_FOLDER=folder.settings.name, path=folder.settings.path, events=attached.events
                )
            case Answered(value=Seen() as seen):
                folder.saw(seen, now)
            case Answered(call="commit", value=jobs):
                folder.backlog.extend(jobs)
            case Answered(call="requeue", value=job):
                folder.backlog.append(job)
            case Answered(call="claim", value=job):
                self.schedule.claimed(folder, job)
            case Answered(call="reject", value=Rejected() as rejected):
                folder.rejected(rejected, now)
                for job in rejected.ended:
                    self._job_over(folder, Ended(job), now)
                if rejected.trouble is not None:
                    self._place_trouble(folder, rejected.trouble, now)

    def _call_failed(self, folder: FolderState, call: str, error: Exception, now: float) -> None:
        """A place's trouble holds the folder; what else fails a requeue was told to whoever asked; the rest ends us."""
        if call in ("claim", "reject"):
            folder.claiming_bytes = None
        if isinstance(error, ConfigError) and self._judged:  # at the start it ends us; later it is that folder's alone
            self._trouble(folder, FolderMode.HELD, str(error), now, while_attaching=True)
        elif isinstance(error, InstanceRunning | OwnershipLost):
            self._trouble(folder, FolderMode.OWNED_ELSEWHERE, str(error), now, while_attaching=True)
        elif isinstance(error, PlaceUnavailable):
            self._place_trouble(folder, error, now, while_attaching=call == "attach")
        elif isinstance(error, OSError):
            place = place_error(error) or PlaceUnavailable("unexpected", str(error))
            self._place_trouble(folder, place, now, while_attaching=call == "attach")
        elif call != "requeue":
            self._break(error)

    def _place_trouble(
        self, folder: FolderState, error: PlaceUnavailable, now: float, *, while_attaching: bool = False
    ) -> None:
        mode = FolderMode.UNREACHABLE if error.reason in ("unreachable", "share_gone") else FolderMode.HELD
        self._trouble(folder, mode, str(error), now, while_attaching=while_attaching)

    def _trouble(
        self, folder: FolderState, mode: FolderMode, reason: str, now: float, *, while_attaching: bool = False
    ) -> None:
        if folder.trouble(mode, reason, now, while_attaching=while_attaching):
            logs.warning(str(mode), HOT_FOLDER=folder.settings.name, why=reason)

    def _notice_hung_folders(self, now: float) -> None:
        for folder in self.known.all:
            if folder.mode is FolderMode.UNREACHABLE:
                continue
            if folder.is_hung(now, folder.oldest_call()):
                self._trouble(folder, FolderMode.UNREACHABLE, "a file-system call there does not come back", now)
            elif folder.waits_in_vain(now):
                why = "a file-system call that was made there before the reload does not come back"
                self._trouble(folder, FolderMode.UNREACHABLE, why, now)

    # -- jobs ------------------------------------------------------------------------------------------

    def _judge_recovered(self, now: float) -> None:
        """Once every folder was attached or can't be: who is to blame for the last end? Later finds as they come."""
        if not self._judged and any(folder.mode is FolderMode.STARTING for folder in self.folders.values()):
            return
        self._judged = True
        found = [job for folder in self.folders.values() for job in folder.found]
        verdicts = recovery.judge(
            found, self.past.is_blameless, self._max_attempts,
            all_seen=len(self._watching) == len(self.folders), had_company=self.past.had_company,
        )  # fmt: skip
        judged = {job.id: job for job in verdicts}
        for folder in self.folders.values():
            if folder.found and folder.call is None:
                self.past.note_judged(folder.found)
                folder.ask_commit(judged, now)

    def _start_jobs(self, now: float) -> None:
        if self._model_lanes is not None and self._judged:
            # Enough under way to keep the model fed while others decode, encode and sync; more would only wait.
            self.schedule.start_jobs(2 * self._model_lanes + self._spare_lanes, now, ready=self.ready)

    def _job_over(self, folder: FolderState, outcome: Outcome, now: float) -> None:
        self.schedule.ended(folder, outcome.job.id)
        self._ending.progressed(now)
        match outcome:
            case Ended(job):
                self.tally.add(job)
                folder.worked()
                folder.scan_asked = folder.scan_asked or job.state is State.RELEASED
                self._ending.ended_in(folder.settings.name)
            case Retry(job):
                folder.backlog.append(job)
            case Waiting(job, error):
                if job.state in FINAL:
                    self.tally.add(job)
                else:
                    folder.backlog.append(job)
                self._place_trouble(folder, error, now)
            case LetGo(_, message):
                self._trouble(folder, FolderMode.OWNED_ELSEWHERE, message, now)
            case Broken(_, error):
                self._break(error)

    # -- beginning and end -----------------------------------------------------------------------------

    def _notice_ready(self, now: float) -> None:
        if self.ready or self._model_lanes is None or not self._judged:
            return
        unseen = (FolderMode.STARTING, FolderMode.WATCHING)
        if all(folder.scans or folder.mode not in unseen for folder in self.folders.values()):
            self.ready = True
            self._ending.progressed(now)
            logs.info("ready")

    def _break(self, error: BaseException) -> None:
        """Beyond repair from inside: end now; whatever is unfinished goes on at the next start."""
        self.failure = self.failure or error
        if isinstance(error, ConfigError):
            self.exit_code = EXIT_CONFIG
        else:
            logs.error("the program must end", error)
            self.exit_code = EXIT_BROKEN

    def _stop_asked(self, number: int, now: float) -> None:
        if self.draining:  # asked twice: at once
            self._drain_deadline = now
            return
        logs.info("draining", in_flight=sum(folder.in_flight for folder in self.known.all))
        self._drain(self._exit_for(number), now)

    def _drain(self, exit_code: int, now: float) -> None:
        """Begin nothing more, and end once all that was begun is over, or has had its time."""
        self.schedule.close()
        self.reloads.close()
        self._drain_exit = exit_code
        self._drain_deadline = now + DRAIN_SECONDS

    def _exit_for(self, signal_number: int) -> int:
        asked_by_person = signal_number == signal.SIGINT and self._ending.once is not None
        return EXIT_INTERRUPTED if asked_by_person else EXIT_FINE

    def _notice_end(self, now: float) -> None:
        if self.exit_code is not None:
            return
        if not self.draining and self._is_worked_off(now):
            self._drain(self._ending.exit_code(self.tally), now)
        if self._drain_exit is not None:
            busy = self._is_working or self.schedule.photos.in_flight or any(f.call for f in self._answering)
            if not busy or now >= self._drain_deadline:
                self.exit_code = self._drain_exit

    @property
    def _is_working(self) -> bool:
        """On jobs that can come to an end; what clients bring does not count: they could bring more for ever."""
        return any(folder.in_flight for folder in self._answering)

    @property
    def _answering(self) -> list[FolderState]:
        return [folder for folder in self.known.all if folder.mode is not FolderMode.UNREACHABLE]

    def _is_worked_off(self, now: float) -> bool:
        return self.ready and not self._is_working and self._ending.is_worked_off(now)

    @property
    def _watching(self) -> list[FolderState]:
        return [folder for folder in self.folders.values() if folder.mode is FolderMode.WATCHING]

    def _wait_seconds(self, now: float) -> float:
        if self.exit_code is not None:
            return 0.0
        oldest = [folder.oldest_call() for folder in self._answering]
        dues = [started + HUNG_SECONDS - now for started in oldest if started is not None]
        if self.draining:
            dues.append(self._drain_deadline - now)
        else:
            dues += self._work_dues(now)
        return max(0.0, min([_LONGEST_WAIT_SECONDS, *dues]))

    def _work_dues(self, now: float) -> list[float]:
        wall = self.clock.wall()
        dues = [folder.next_due() - now for folder in self.known.all]
        dues += [retry_wall - wall for f in self._watching for retry_wall in f.backlog.retries_after(wall)]
        if self.ready and not self._is_working:
            dues.append(self._ending.due() - now)
        return dues
