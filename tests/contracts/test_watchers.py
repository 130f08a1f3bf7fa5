"""What every watcher keeps, and what those that hear something are good for."""

from __future__ import annotations

import fcntl
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bshm_watchd.intake.watcher import (
    EventWatcher,
    PollWatcher,
    Watcher,
    WatcherUnavailable,
    hint_of,
    make_watcher,
)
from tests.support.mounts import image, mount, mount_or_skip, unmount

WATCHERS: dict[str, Callable[[], Watcher]] = {"events": EventWatcher, "poll": PollWatcher}
DEADLINE_SECONDS = 20.0


class Hints:
    def __init__(self) -> None:
        self.queue: queue.Queue[str | None] = queue.Queue()
        self.seen: list[str | None] = []

    def __call__(self, hint: str | None) -> None:
        self.queue.put(hint)

    def until(self, wanted: str | None) -> bool:
        """Wait for one hint; whatever comes before it is kept in `seen`."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            try:
                self.seen.append(self.queue.get(timeout=left))
            except queue.Empty:
                break
            if self.seen[-1] == wanted:
                return True
        return False


@pytest.fixture
def hints() -> Hints:
    return Hints()


@pytest.fixture(params=WATCHERS)
def watcher(request: pytest.FixtureRequest) -> Iterator[Watcher]:
    made = WATCHERS[request.param]()
    yield made
    made.stop()


@pytest.fixture
def listening(tmp_path: Path, hints: Hints) -> Iterator[EventWatcher]:
    made = EventWatcher()
    made.start(str(tmp_path), hints)
    yield made
    made.stop()


# -- every watcher


def test_a_watcher_is_alive_from_its_start_to_its_stop(watcher: Watcher, hints: Hints, tmp_path: Path) -> None:
    assert not watcher.alive()
    watcher.start(str(tmp_path), hints)
    assert watcher.alive()
    watcher.stop()
    assert not watcher.alive()


def test_a_stopped_watcher_starts_again(watcher: Watcher, hints: Hints, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        watcher.start(str(tmp_path / name), hints)
        assert watcher.alive()
        (tmp_path / name / f"{name}.jpg").write_bytes(b"x")
        assert isinstance(watcher, PollWatcher) or hints.until(f"{name}.jpg")
        watcher.stop()


def test_a_watcher_may_be_stopped_twice_and_before_it_started(watcher: Watcher, hints: Hints, tmp_path: Path) -> None:
    watcher.stop()
    watcher.start(str(tmp_path), hints)
    watcher.stop()
    watcher.stop()


def test_every_hint_is_a_path_below_drop_or_none(watcher: Watcher, hints: Hints, tmp_path: Path) -> None:
    (tmp_path / "drop" / "old").mkdir(parents=True)
    watcher.start(str(tmp_path / "drop"), hints)
    (tmp_path / "a.jpg").write_bytes(b"x")
    (tmp_path / "a.jpg").rename(tmp_path / "drop" / "a.jpg")
    (tmp_path / "drop" / "old" / "b.jpg").write_bytes(b"x")
    (tmp_path / "drop" / "old").rename(tmp_path / "drop" / "new")
    (tmp_path / "drop" / "a.jpg").rename(tmp_path / "c.jpg")
    (tmp_path / "drop" / "last.jpg").write_bytes(b"x")
    if isinstance(watcher, EventWatcher):
        assert hints.until("last.jpg")
    watcher.stop()
    while not hints.queue.empty():
        hints.seen.append(hints.queue.get())
    assert set(hints.seen) <= {None, "a.jpg", "old/b.jpg", "new/b.jpg", "last.jpg"}


def test_after_the_stop_there_are_no_hints_and_no_threads(watcher: Watcher, hints: Hints, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    watcher.start(str(tmp_path), hints)
    watcher.stop()
    while not hints.queue.empty():
        hints.queue.get()
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert set(threading.enumerate()) <= before
    assert hints.queue.empty()


@pytest.mark.parametrize("what", ["missing", "a file", "a link"])
def test_what_is_no_directory_is_refused_aloud(watcher: Watcher, hints: Hints, tmp_path: Path, what: str) -> None:
    (tmp_path / "a file").write_bytes(b"")
    (tmp_path / "a link").symlink_to(tmp_path)
    threads = set(threading.enumerate())
    with pytest.raises(WatcherUnavailable, match=what):
        watcher.start(str(tmp_path / what), hints)
    assert not watcher.alive()
    assert set(threading.enumerate()) <= threads


@pytest.mark.contract("I1")
def test_the_configuration_and_the_file_system_choose_the_watcher() -> None:
    kinds = {
        (watch, network): type(make_watcher(watch, network=network))
        for watch in ("auto", "events", "poll")
        for network in (False, True)
    }
    assert [key for key, kind in kinds.items() if kind is EventWatcher] == [
        ("auto", False), ("events", False), ("events", True),
    ]  # fmt: skip


# -- the watcher that hears


def test_a_written_a_moved_and_a_linked_photo_are_heard(listening: Watcher, hints: Hints, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert hints.until("a.jpg")
    (tmp_path / "a.jpg").rename(tmp_path / "b.jpg")
    assert hints.until("b.jpg")
    (tmp_path / "c.jpg").hardlink_to(tmp_path / "b.jpg")
    assert hints.until("c.jpg")


def test_a_photo_that_goes_on_growing_is_heard_each_time(listening: Watcher, hints: Hints, tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb", buffering=0) as file:
        for _ in range(3):
            file.write(b"x")
            assert hints.until("a.jpg")
            while not hints.queue.empty():
                hints.queue.get()


def test_a_new_directory_asks_for_a_scan_and_is_listened_to(listening: Watcher, hints: Hints, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert hints.until(None)
    (tmp_path / "sub" / "a.jpg").write_bytes(b"x")
    assert hints.until("sub/a.jpg")


def test_a_directory_moved_in_asks_for_a_scan(listening: Watcher, hints: Hints, tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "a.jpg").write_bytes(b"x")
    outside.rename(tmp_path / "shoot")
    assert hints.until(None)


def test_a_name_of_any_bytes_is_heard(listening: Watcher, hints: Hints, tmp_path: Path) -> None:
    os.close(os.open(os.fsencode(tmp_path) + b"/caf\xe9.jpg", os.O_CREAT | os.O_WRONLY))
    assert hints.until("caf\udce9.jpg")


def test_what_is_read_or_taken_away_is_not_heard(listening: Watcher, hints: Hints, tmp_path: Path) -> None:
    for name in ("read.jpg", "taken.jpg"):
        (tmp_path / name).write_bytes(b"x")
        assert hints.until(name)
    (tmp_path / "before.jpg").write_bytes(b"x")
    assert hints.until("before.jpg")
    while not hints.queue.empty():
        hints.queue.get()
    begun = len(hints.seen)
    (tmp_path / "read.jpg").read_bytes()
    (tmp_path / "taken.jpg").rename(tmp_path.parent / f"{tmp_path.name}-taken.jpg")
    (tmp_path / "after.jpg").write_bytes(b"x")
    assert hints.until("after.jpg")
    assert set(hints.seen[begun:]) <= {"before.jpg", "after.jpg"}


@pytest.mark.contract("I1")
def test_a_drop_that_is_removed_ends_the_watch(hints: Hints, tmp_path: Path) -> None:
    watcher = EventWatcher()
    (tmp_path / "drop").mkdir()
    watcher.start(str(tmp_path / "drop"), hints)
    (tmp_path / "drop").rmdir()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while watcher.alive() and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert not watcher.alive()
    watcher.stop()


@pytest.mark.contract("I1")
def test_a_disk_that_was_unmounted_and_mounted_again_ends_the_watch(hints: Hints, tmp_path: Path) -> None:
    """It is the same directory, by every number; only its watches are gone."""
    with image(tmp_path / "disk", 4) as disk:
        (tmp_path / "drop").mkdir()
        mount_or_skip("-o", "loop", disk, tmp_path / "drop")
        watcher = EventWatcher()
        try:
            watcher.start(str(tmp_path / "drop"), hints)
            subprocess.run(["umount", tmp_path / "drop"], check=True)
            mount("-o", "loop", disk, tmp_path / "drop")
            assert hints.until(None)
            assert not watcher.alive()
            watcher.stop()
        finally:
            unmount(tmp_path / "drop")


def test_no_inotify_descriptor_is_left_open_across_exec(listening: Watcher) -> None:
    descriptors = [int(name) for name in os.listdir("/proc/self/fd") if _is_inotify(name)]
    assert descriptors
    assert all(fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC for fd in descriptors)


def _is_inotify(name: str) -> bool:
    try:
        return "inotify" in os.readlink(f"/proc/self/fd/{name}")
    except FileNotFoundError:
        return False


@pytest.mark.contract("I1")
def test_lost_events_ask_for_a_scan(hints: Hints, tmp_path: Path) -> None:
    from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, Mask, WatchDescriptor

    from bshm_watchd.intake.inotify import EventQueue

    lost = EventQueue(lambda: hints(None))
    lost.handle_event(InotifyEvent(WatchDescriptor(-1), Mask(InotifyConstants.IN_Q_OVERFLOW), 0, b""))
    assert hints.queue.get_nowait() is None
    lost.start()
    lost.stop()
    lost.join(DEADLINE_SECONDS)
    assert not lost.is_alive()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a namespace of its own")
@pytest.mark.parametrize(
    ("limit", "said"), [("max_user_watches", "max_user_watches"), ("max_user_instances", "max_user_instances")]
)
@pytest.mark.contract("I1")
def test_a_limit_of_the_kernel_is_said_with_what_to_do(tmp_path: Path, limit: str, said: str) -> None:
    script = f"""
import threading
from bshm_watchd.intake.watcher import EventWatcher, WatcherUnavailable
open("/proc/sys/user/{limit.replace("max_user", "max_inotify")}", "w").write("0")
try:
    EventWatcher().start({str(tmp_path)!r}, print)
except WatcherUnavailable as error:
    print(error, threading.active_count())
"""
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare" in done.stderr:
        pytest.skip(f"no user namespaces here: {done.stderr.strip()}")
    assert said in done.stdout and done.stdout.split()[-1] == "1", done.stderr


@pytest.mark.parametrize(
    ("path", "is_directory", "hint"),
    [
        ("/hot/drop/a.jpg", False, "a.jpg"),
        (b"/hot/drop/sub/\xe9.jpg", False, "sub/\udce9.jpg"),
        ("/hot/drop/sub", True, None),
        ("/hot/drop", False, None),
        ("/hot/drop/", False, None),
        ("/hot/dropped/a.jpg", False, None),
        ("", False, None),
    ],
)
def test_an_event_becomes_a_hint(path: bytes | str, is_directory: bool, hint: str | None) -> None:
    assert hint_of("/hot/drop", path, is_directory=is_directory) == hint
