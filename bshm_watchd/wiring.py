"""How the parts are put together, and taken apart in reverse."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
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
from bshm_watchd.ending import Once, may_blame_a_photo
from bshm_watchd.errors import ConfigError, PlaceUnavailable, WatchdError
from bshm_watchd.events import Answered, Hinted, Inbox, ModelFailed, ModelReady, ReloadAsked, Reloaded, StopAsked
from bshm_watchd.folder_calls import FolderCalls
from bshm_watchd.folder_state import FolderState
from bshm_watchd.heap import keep_freed_memory
from bshm_watchd.instance import only_instance
from bshm_watchd.jobs import new_id
from bshm_watchd.journal import JOURNAL_NAME, Journal
from bshm_watchd.one_photo import one_photo_maker
from bshm_watchd.ops.asking import SOCKET_NAME
from bshm_watchd.ops.control import ControlServer
from bshm_watchd.ops.photos import Photos
from bshm_watchd.pipeline import Pipeline
from bshm_watchd.reconfigure import read_anew
from bshm_watchd.reloads import Reloading
from bshm_watchd.schedule import Schedule
from bshm_watchd.threads import FolderThread, WorkerThreads

if TYPE_CHECKING:
    from bshm_watchd.delivery.background import BackgroundFiles
    from bshm_watchd.matting.batcher import Batcher
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.devices.choice import Device
    from bshm_watchd.matting.devices.opening import Opening
    from bshm_watchd.matting.resident import ResidentModel
    from bshm_watchd.matting.sandbox import Walls
    from bshm_watchd.stages import Observe

_DETACH_SECONDS = 3.0
_CLOSE_SECONDS = 5.0


@contextlib.contextmanager
def open_daemon(
    settings: Settings, once: Once | None = None, config: Path | None = None, opening: Opening | None = None,
    observe: Observe | None = None,
) -> Iterator[Daemon]:  # fmt: skip
    """A daemon, ready for `run`. Raises `ConfigError` or `InstanceRunning`; on the way out all is put back.

    `config`: the file that the settings are from, read again at each reload; None: there are no reloads.
    `opening`: what opens the device that computes; None: the machine's own. `observe`: as of `Pipeline`.
    """
    from bshm_watchd.delivery.background import BackgroundFiles
    from bshm_watchd.delivery.render import Renderer
    from bshm_watchd.matting.batcher import Batcher
    from bshm_watchd.matting.bundle import configured_bundle
    from bshm_watchd.matting.decoder import ChildDecoder
    from bshm_watchd.matting.devices.figures import metered
    from bshm_watchd.matting.devices.opening import opened_device, tell
    from bshm_watchd.matting.resident import ResidentModel
    from bshm_watchd.matting.sandbox import walls
    from bshm_watchd.matting.told import computed

    clock, inbox, cores = SystemClock(), Inbox(), len(os.sched_getaffinity(0))
    us = Owner.this_process(new_id(clock.wall()), clock.wall())
    with contextlib.ExitStack() as stack:
        if config is not None:
            stack.enter_context(_hangups_to(inbox))
        stack.enter_context(only_instance(settings.state_dir))
        bundle = configured_bundle(settings.model, settings.state_dir)
        device = stack.enter_context((opening or opened_device)(bundle, settings.model))
        tell(device)
        on_device, batch, limits = device.settled(settings.model), settings.batch, settings.limits
        words = computed(bundle, on_device, device)
        figures = stack.enter_context(metered(device, clock))
        model = ResidentModel(bundle, on_device, settings.state_dir, batch.max_size)
        batcher = Batcher(
            model, bundle, batch.max_size, batch.max_wait_ms / 1000, clock, infer_seconds=limits.infer_seconds
        )
        journal = stack.enter_context(Journal(settings.state_dir / JOURNAL_NAME, clock))
        keep_freed_memory()
        threading.Thread(target=journal.look_through, name="journal", daemon=True).start()
        os.umask(0o077)  # what is meant for others gets its mode explicitly; our own files are nobody else's
        ignore_lease_signals()
        decoder = ChildDecoder(cores, limits.max_pixels, limits.decode_seconds, max_file_bytes=limits.max_file_bytes)
        stack.enter_context(decoder)
        _tell_walls(walls())
        check = partial(_check_golden_pictures, batcher, bundle, model, device, settings.state_dir, clock)
        stack.enter_context(_loading(batcher, model, check, words, batch.max_size, inbox))

        make = partial(_folder, settings=settings, journal=journal, inbox=inbox, us=us, clock=clock)
        states = [make(folder) for folder in settings.hot_folders]
        backgrounds = BackgroundFiles(decoder.decode)
        looking = partial(_look_at_backgrounds, backgrounds, settings.background_pictures)
        threading.Thread(target=looking, name="backgrounds", daemon=True).start()
        renderer = Renderer(backgrounds)
        pipeline = Pipeline(decoder, batcher, renderer, journal, us, clock, limits.max_attempts, observe)
        schedule = _schedule(states, pipeline, inbox, settings, clock)
        answers = Answers(bundle.manifest.name, lambda: device.status(words, figures()), clock.wall())
        reloading = Reloading(_reader(config, backgrounds, inbox), make) if config else None
        seams = Seams(us.incarnation, inbox, clock, journal, answers.answer, reloading)
        daemon = Daemon(states, schedule, seams, settings, 2 * cores, once)
        stack.callback(_end_threads, daemon)
        photos = Photos(one_photo_maker(decoder, batcher, settings.limits, clock), inbox.put)
        stack.enter_context(ControlServer(settings.state_dir / SOCKET_NAME, inbox.put, journal, photos=photos))
        with _signals_to(inbox):
            yield daemon
        if not may_blame_a_photo(daemon.exit_code, daemon.failure):
            _mark_clean_stop(journal, us)
        _detach(daemon.known.all, inbox, clock)


def _tell_walls(found: Walls) -> None:
    tell = logs.info if found.whole else logs.warning
    tell("photos are decoded in processes of their own", behind=str(found))


@contextlib.contextmanager
def _loading(
    batcher: Batcher, model: ResidentModel, check: Callable[[], None], device: str, max_size: int, inbox: Inbox
) -> Iterator[None]:
    """Settle, load, warm up and check the model beside all else that a start does; it is closed on the way out."""
    started = threading.Event()

    def load() -> None:
        try:
            batcher.__enter__()
            started.set()
            check()
            logs.info("model ready", device=device)
            inbox.put(ModelReady(model.streams * min(max_size, model.max_batch)))
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


def _check_golden_pictures(
    batcher: Batcher, bundle: Bundle, model: ResidentModel, device: Device, state_dir: Path, clock: Clock
) -> None:
    from bshm_watchd.matting.circumstances import circumstances, computed_as
    from bshm_watchd.matting.verified import verify_on_change

    if model.settings.verify_on_change:
        computed = computed_as(bundle, model.settings)
        verify_on_change(batcher, computed, circumstances(computed, device.name), state_dir, clock)


def _mark_clean_stop(journal: Journal, us: Owner) -> None:
    try:
        journal.mark_clean_stop(us.incarnation)
    except PlaceUnavailable as error:
        logs.warning("the clean stop could not be noted: a photo in work may lose an attempt", why=error)


def _folder(
    folder: HotFolderSettings, settings: Settings, journal: Journal, inbox: Inbox, us: Owner, clock: Clock
) -> FolderState:
    """A folder with its thread, at the start and at a reload alike; not attached yet."""

    def hint(relative: str | None) -> None:
        inbox.put(Hinted(folder.name, relative))

    from bshm_watchd.delivery.render import cost_bytes

    disk = WatchedDisk(Disk(), clock)
    tree = HotFolder(disk, folder, settings.state_dir)
    calls = FolderCalls(tree, settings.limits, hint, journal, us, clock, cost_bytes)
    ended_before = journal.counts(folder.name)
    hand = FolderThread(folder.name, inbox.put).__enter__()
    return FolderState(folder, calls, hand, ended_before, oldest_call=disk.oldest_call)


def _look_at_backgrounds(backgrounds: BackgroundFiles, pictures: Sequence[Path]) -> None:
    """Say which can't be used before the first photo needs one. On a thread: a share may take its time, or hang."""
    try:
        for warning in _unusable(backgrounds, pictures):
            logs.warning("a background picture can't be used yet", why=warning)
    except WatchdError as error:  # the program ends
        logs.info("background pictures were not looked at", why=error)


def _reader(config: Path, backgrounds: BackgroundFiles, inbox: Inbox) -> Callable[[Settings], None]:
    """Reads on a thread: the file, and the pictures that it names, may lie on a slow disk, or on one that hangs."""

    def read(running: Settings) -> None:
        try:
            inbox.put(_read(config, backgrounds, running))
        except Exception as error:  # noqa: BLE001  whoever asked must hear of it, and the daemon goes on
            unread(error)

    def unread(error: Exception) -> None:
        inbox.put(Reloaded(None, (f"{config}: can't be read: {type(error).__name__}: {error}",)))

    def begin(running: Settings) -> None:
        try:
            threading.Thread(target=read, args=(running,), name="reload", daemon=True).start()
        except RuntimeError as error:
            unread(error)

    return begin


def _read(config: Path, backgrounds: BackgroundFiles, running: Settings) -> Reloaded:
    found = read_anew(config, running)
    pictures = found.settings.background_pictures if found.settings else ()
    new = [picture for picture in pictures if picture not in running.background_pictures]
    return replace(found, warnings=tuple(_unusable(backgrounds, new)))


def _unusable(backgrounds: BackgroundFiles, pictures: Sequence[Path]) -> list[str]:
    """Background pictures that can't be used now; only the folders that need one will wait for it."""
    try:
        backgrounds.check(pictures)
    except ConfigError as error:
        return error.problems
    return []


def _schedule(
    states: list[FolderState], pipeline: Pipeline, inbox: Inbox, settings: Settings, clock: Clock
) -> Schedule:
    from bshm_watchd.delivery.render import cost_bytes

    return Schedule(states, WorkerThreads(pipeline.run, inbox.put), settings.limits, cost_bytes, clock)


@contextlib.contextmanager
def _hangups_to(inbox: Inbox) -> Iterator[None]:
    """From the very start: until it is heard, SIGHUP would end the program."""
    before = signal.signal(signal.SIGHUP, lambda *_: inbox.put(ReloadAsked()))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


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


def _end_threads(daemon: Daemon) -> None:
    for folder in daemon.known.all:
        folder.hand.end()


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
