"""How the parts are put together, and taken apart in reverse."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bshm_watchd import logs
from bshm_watchd.answers import Answers
from bshm_watchd.clock import Clock, SystemClock
from bshm_watchd.config import HotFolderSettings, Settings
from bshm_watchd.daemon import Daemon, Seams
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.owner import Owner
from bshm_watchd.disk.probe import ignore_lease_signals
from bshm_watchd.disk.watched import WatchedDisk
from bshm_watchd.ending import EXIT_BROKEN, Once
from bshm_watchd.errors import ConfigError, PlaceUnavailable
from bshm_watchd.events import Answered, Hinted, Inbox, ModelFailed, ModelReady, StopAsked
from bshm_watchd.folder_calls import FolderCalls
from bshm_watchd.folder_state import FolderState
from bshm_watchd.instance import only_instance
from bshm_watchd.jobs import new_id
from bshm_watchd.journal import JOURNAL_NAME, Journal
from bshm_watchd.one_photo import one_photo_maker
from bshm_watchd.ops.asking import SOCKET_NAME
from bshm_watchd.ops.control import ControlServer
from bshm_watchd.ops.photos import Photos
from bshm_watchd.pipeline import Pipeline
from bshm_watchd.schedule import Schedule
from bshm_watchd.threads import FolderThread, WorkerThreads

if TYPE_CHECKING:
    from bshm_watchd.delivery.render import Renderer
    from bshm_watchd.matting.batcher import Batcher
    from bshm_watchd.matting.decoder import Decoder
    from bshm_watchd.matting.runtime import Runtime
    from bshm_watchd.matting.sandbox import Walls

_DETACH_SECONDS = 3.0
_CLOSE_SECONDS = 5.0


@contextlib.contextmanager
def open_daemon(settings: Settings, once: Once | None = None) -> Iterator[Daemon]:
    """A daemon, ready for `run`. Raises `ConfigError` or `InstanceRunning`; on the way out all is put back."""
    from bshm_watchd.matting.batcher import Batcher
    from bshm_watchd.matting.bundle import find_bundle
    from bshm_watchd.matting.decoder import ChildDecoder
    from bshm_watchd.matting.runtimes import make_runtime
    from bshm_watchd.matting.sandbox import walls
    from bshm_watchd.matting.told import computed

    clock, inbox, cores = SystemClock(), Inbox(), len(os.sched_getaffinity(0))
    us = Owner.this_process(new_id(clock.wall()), clock.wall())
    with contextlib.ExitStack() as stack:
        stack.enter_context(only_instance(settings.state_dir))
        bundle = find_bundle(settings.model.bundle, settings.state_dir)
        runtime = make_runtime(bundle, settings.model)
        device = computed(bundle, settings.model)
        batcher = Batcher(runtime, bundle, settings.batch.max_size, settings.batch.max_wait_ms / 1000)
        journal = stack.enter_context(Journal(settings.state_dir / JOURNAL_NAME, clock))
        os.umask(0o077)  # what is meant for others gets its mode explicitly; our own files are nobody else's
        ignore_lease_signals()
        limits = settings.limits
        decoder = ChildDecoder(cores, limits.max_pixels, limits.decode_seconds, max_file_bytes=limits.max_file_bytes)
        stack.enter_context(decoder)
        _tell_walls(walls())
        stack.enter_context(_loading(batcher, runtime, device, settings.batch.max_size, inbox))

        disks = {folder.name: WatchedDisk(Disk(), clock) for folder in settings.hot_folders}
        trees = {f.name: HotFolder(disks[f.name], f, settings.state_dir) for f in settings.hot_folders}
        states = [
            stack.enter_context(_folder(folder, trees[folder.name], settings, journal, inbox, us, clock))
            for folder in settings.hot_folders
        ]
        renderer = _renderer(decoder, settings)
        pipeline = Pipeline(decoder, batcher, renderer, journal, us, clock, settings.limits.max_attempts)
        schedule = _schedule(states, pipeline, inbox, settings, clock)
        answers = Answers(bundle.manifest.name, device, clock.wall())
        seams = Seams(us.incarnation, inbox, clock, journal, lambda name: disks[name].oldest_call(), answers.answer)
        daemon = Daemon(states, schedule, seams, settings.limits.max_attempts, 2 * cores, once)
        photos = Photos(one_photo_maker(decoder, batcher, settings.limits, clock), inbox.put)
        stack.enter_context(ControlServer(settings.state_dir / SOCKET_NAME, inbox.put, journal, photos=photos))
        with _signals_to(inbox):
            yield daemon
        if daemon.exit_code != EXIT_BROKEN:  # else a photo may be to blame: see recovery.judge
            _mark_clean_stop(journal, us)
        _detach(states, inbox, clock)


def _tell_walls(found: Walls) -> None:
    tell = logs.info if found.whole else logs.warning
    tell("photos are decoded in processes of their own", behind=str(found))


@contextlib.contextmanager
def _loading(batcher: Batcher, runtime: Runtime, device: str, max_size: int, inbox: Inbox) -> Iterator[None]:
    """Load and warm up the model beside everything else that a start does; it is closed on the way out."""
    started = threading.Event()

    def load() -> None:
        try:
            batcher.__enter__()
            started.set()
            logs.info("model ready", device=device)
            inbox.put(ModelReady(runtime.streams * min(max_size, runtime.max_batch)))
        except Exception as error:  # noqa: BLE001  carried to the main thread, which ends the program
            inbox.put(ModelFailed(error))

    thread = threading.Thread(target=load, name="model-loader", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join(_CLOSE_SECONDS)
        if started.is_set():
            batcher.__exit__(None, None, None)


def _mark_clean_stop(journal: Journal, us: Owner) -> None:
    try:
        journal.mark_clean_stop(us.incarnation)
    except PlaceUnavailable as error:
        logs.warning("the clean stop could not be noted: a photo in work may lose an attempt", why=error)


@contextlib.contextmanager
def _folder(
    folder: HotFolderSettings, tree: HotFolder, settings: Settings, journal: Journal, inbox: Inbox, us: Owner,
    clock: Clock,
) -> Iterator[FolderState]:  # fmt: skip
    def hint(relative: str | None) -> None:
        inbox.put(Hinted(folder.name, relative))

    from bshm_watchd.delivery.render import cost_bytes

    calls = FolderCalls(tree, settings.limits, hint, journal, us, clock, cost_bytes)
    with FolderThread(folder.name, inbox.put) as hand:
        yield FolderState(folder, calls, hand, journal.counts(folder.name))


def _renderer(decoder: Decoder, settings: Settings) -> Renderer:
    """Warns of background pictures that can't be used now; only the folders that need one will wait for it."""
    from bshm_watchd.delivery.background import BackgroundFiles
    from bshm_watchd.delivery.render import Renderer

    backgrounds = BackgroundFiles(decoder.decode)
    try:
        backgrounds.check(settings.background_pictures)
    except ConfigError as error:
        for message in error.problems:
            logs.warning("a background picture can't be used yet", why=message)
    return Renderer(backgrounds)


def _schedule(
    states: list[FolderState], pipeline: Pipeline, inbox: Inbox, settings: Settings, clock: Clock
) -> Schedule:
    from bshm_watchd.delivery.render import cost_bytes

    return Schedule(states, WorkerThreads(pipeline.run, inbox.put), settings.limits, cost_bytes, clock)


@contextlib.contextmanager
def _signals_to(inbox: Inbox) -> Iterator[None]:
    before = {
        number: signal.signal(number, lambda received, _: inbox.put(StopAsked(received)))
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _detach(states: list[FolderState], inbox: Inbox, clock: Clock) -> None:
    """Give up the folders; one that does not answer is left to its record, which names a dead process then."""
    idle = [state for state in states if not state.in_flight]  # the others' records name a dead process soon
    waiting = {state.settings.name for state in idle}
    for state in idle:
        state.hand.ask("detach", state.calls.detach)
    deadline = clock.monotonic() + _DETACH_SECONDS
    while waiting and (left := deadline - clock.monotonic()) > 0:
        for event in inbox.take(left):
            match event:
                case Answered(folder, "detach", _, error):
                    waiting.discard(folder)
                    if error is not None:
                        logs.warning("the folder could not be given up", HOT_FOLDER=folder, why=error)
                case _:
                    pass
