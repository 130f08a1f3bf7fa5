"""What is seen of a folder whose drop/ is moved away, or that has directories our rights don't reach."""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bshm_watchd.config import Limits
from bshm_watchd.delivery.render import cost_bytes
from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.owner import Owner
from bshm_watchd.ending import EXIT_FINE, EXIT_LEFT
from bshm_watchd.errors import OwnershipLost, PlaceUnavailable
from bshm_watchd.folder_calls import FolderCalls
from bshm_watchd.folder_state import FolderMode
from bshm_watchd.intake.intake import Offer
from bshm_watchd.jobs import Stamp
from bshm_watchd.journal import Journal
from tests.support import invariants
from tests.support.clock import FakeClock
from tests.support.studio import Studio, png
from tests.support.trees import BROKEN, hot_folder, tmpfs


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path)


@pytest.mark.contract("I1")
def test_photos_are_heard_of_in_a_drop_that_took_the_place_of_another(tmp_path: Path) -> None:
    hints: queue.Queue[str | None] = queue.Queue()
    clock, folder = FakeClock(), hot_folder(tmp_path, watch="events")
    with Journal(tmp_path / "journal", clock) as journal:
        us = Owner.this_process("us", clock.wall())
        calls = FolderCalls(folder, Limits(min_free_mib=0), hints.put, journal, us, clock, cost_bytes)
        assert calls.attach().events
        drop = tmp_path / "hot" / "drop"
        drop.rename(tmp_path / "hot" / "drop.old")
        drop.mkdir()
        (drop / "before.jpg").touch()
        seen = calls.look(frozenset(), 9, scan=False)
        assert (seen.looked.waiting, seen.events) == (1, True)
        (drop / "after.jpg").touch()
        while hints.get(timeout=10) != "after.jpg":
            pass
        assert not calls.look(frozenset(), 9, scan=False).looked.scanned
        calls.detach()


@contextlib.contextmanager
def _calls(base: Path, hint: Callable[[str | None], None], min_free_mib: int = 0) -> Iterator[FolderCalls]:
    """Attached, and listening."""
    clock, folder = FakeClock(), hot_folder(base, watch="events")
    with Journal(base / "journal", clock) as journal:
        us = Owner.this_process(f"us {min_free_mib}", clock.wall())
        limits = Limits(min_free_mib=min_free_mib)  # type: ignore[call-arg]
        calls = FolderCalls(folder, limits, hint, journal, us, clock, cost_bytes)
        calls.attach()
        try:
            yield calls
        finally:
            calls.detach()


@pytest.mark.contract("I1")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_watcher_that_broke_down_is_started_again_by_the_next_scan(tmp_path: Path) -> None:
    heard: queue.Queue[str | None] = queue.Queue()
    broken = threading.Event()

    def hint(relative: str | None) -> None:
        if not broken.is_set():
            broken.set()
            raise RuntimeError("a bug in whoever hears it")
        heard.put(relative)

    with _calls(tmp_path, hint) as calls:
        (tmp_path / "hot" / "drop" / "lost.jpg").touch()
        assert broken.wait(10)
        while calls.look(frozenset(), 9, scan=False).events:
            pass
        assert calls.look(frozenset(), 9, scan=True).events
        (tmp_path / "hot" / "drop" / "heard.jpg").touch()
        while heard.get(timeout=10) != "heard.jpg":
            pass


def _offer(base: Path) -> Offer:
    path = base / "hot" / "drop" / "a.png"
    path.write_bytes(png(1))
    return Offer("a.png", Stamp.of(path.lstat()), 0.0, "png", 8, 6)


@pytest.mark.contract("I3")
def test_a_daemon_that_lost_its_folder_claims_nothing_more(tmp_path: Path) -> None:
    with _calls(tmp_path, lambda _: None) as calls:
        record = tmp_path / "hot" / ".bshm" / "owner"
        record.write_text(record.read_text().replace('"us 0"', '"another"'))
        with pytest.raises(OwnershipLost):
            calls.claim(_offer(tmp_path), 1, None)
        with pytest.raises(OwnershipLost):
            calls.look(frozenset(), 9, scan=False)
        assert (tmp_path / "hot" / "drop" / "a.png").exists()


@pytest.mark.contract("I3")
def test_a_daemon_that_lost_its_folder_rejects_nothing_more(tmp_path: Path) -> None:
    with _calls(tmp_path, lambda _: None) as calls:
        record = tmp_path / "hot" / ".bshm" / "owner"
        record.write_text(record.read_text().replace('"us 0"', '"another"'))
        with pytest.raises(OwnershipLost):
            calls.reject([replace(_offer(tmp_path), rejection=BROKEN)])
        assert (tmp_path / "hot" / "drop" / "a.png").exists()
        assert not list((tmp_path / "hot" / ".bshm" / "work").iterdir())


@pytest.mark.contract("L4")
def test_a_photo_is_not_claimed_while_the_reserve_is_touched(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "hot", "size=4m"):
        with _calls(tmp_path, lambda _: None, min_free_mib=2) as calls:
            offer = _offer(tmp_path)
            (tmp_path / "hot" / "filler").write_bytes(bytes(3 << 20))
            with pytest.raises(PlaceUnavailable, match="kept in reserve") as caught:
                calls.claim(offer, 1, None)
            assert caught.value.reason == "disk_full"
            with pytest.raises(PlaceUnavailable, match="kept in reserve"):
                calls.reject([replace(offer, rejection=BROKEN)])
            (tmp_path / "hot" / "filler").unlink()
        with pytest.raises(PlaceUnavailable, match="reserve"), _calls(tmp_path, lambda _: None, min_free_mib=8):
            pass


@pytest.mark.contract("I1")
def test_a_polled_folder_says_that_no_event_reaches_it_and_is_scanned_as_often_as_a_share(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    with studio.start(once=None) as running:
        running.run(until=lambda: running.state.scans > 0)
        assert not running.state.events
        assert running.state.rescan_seconds == 5


class _Guarded(Disk):
    """A directory named `locked` gives nothing away (an `unlisted` one not even its names) until it is `open`."""

    def __init__(self) -> None:
        self.open = False
        self.tries = 0

    def open_directory(self, dir_fd: int, name: str) -> int:
        if name == "unlisted" and not self.open:
            raise PermissionError(13, "Permission denied", name)
        return super().open_directory(dir_fd, name)

    def replace(self, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
        if os.readlink(f"/proc/self/fd/{from_fd}").endswith("drop/locked") and not self.open:
            self.tries += 1
            raise PermissionError(13, "Permission denied", name)
        super().replace(from_fd, name, to_fd, new_name)


def _told(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, str]]:
    return [record.fields for record in caplog.records if record.getMessage() == event]  # type: ignore[attr-defined]


def test_a_directory_that_cannot_be_listed_is_told_once_and_is_not_an_empty_one(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    studio.drop("unlisted/a.png")
    studio.drop("b.png")
    assert studio.run(_Guarded()) == EXIT_LEFT
    assert studio.tree("results") == ["b.png"]
    [told] = _told(caplog, "a directory is left in drop")
    assert told["directory"] == "unlisted"
    assert "read, write and search rights" in told["why"]


def test_a_directory_that_lies_too_deep_is_told_once_and_is_not_an_empty_one(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    studio.drop("/".join(["d"] * 70) + "/a.png")
    assert studio.run() == EXIT_LEFT
    [told] = _told(caplog, "a directory is left in drop")
    assert "directories deep" in told["why"]


def test_status_counts_a_directory_that_cannot_be_listed_until_it_can_be(studio: Studio) -> None:
    studio.drop("unlisted/a.png")
    disk = _Guarded()
    with studio.start(disk) as running:
        running.run(until=lambda: running.state.left > 0)
        assert (running.state.waiting, running.state.left) == (1, 1)
        disk.open = True
        assert running.run() == EXIT_FINE
    invariants.check(studio)


def test_photos_that_cannot_be_taken_out_of_their_directory_hold_nobody_up(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("locked/a.png", "locked/b.png", "other/c.png", "d.png"):
        studio.drop(name)
    disk, modes = _Guarded(), set()

    def note() -> bool:
        modes.add(running.state.mode)
        return False

    with studio.start(disk) as running:
        assert running.run(until=note) == EXIT_LEFT
    assert modes == {FolderMode.STARTING, FolderMode.WATCHING}
    assert studio.tree("results") == ["d.png", "other/c.png"]
    assert studio.tree("drop") == ["locked/a.png", "locked/b.png"]
    assert list((studio.hot / ".bshm" / "work").iterdir()) == []
    told = {fields["photo"]: fields["why"] for fields in _told(caplog, "left in drop")}
    assert sorted(told) == ["locked/a.png", "locked/b.png"]
    assert "write and search rights" in told["locked/a.png"]
    assert disk.tries == len(_told(caplog, "left in drop")) == 2


def test_a_photo_is_taken_once_its_directory_gives_it_away(studio: Studio) -> None:
    studio.drop("locked/a.png")
    disk = _Guarded()
    with studio.start(disk) as running:
        running.run(until=lambda: running.state.left > 0)
        disk.open = True
        (studio.hot / "drop" / "locked").chmod(0o775)
        assert running.run() == EXIT_FINE
    assert studio.tree("results") == ["locked/a.png"]
    invariants.check(studio)


def test_rights_that_no_mode_shows_are_found_by_trying_and_told_once(
    studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    studio.drop("locked/a.png")
    disk = _Guarded()
    with studio.start(disk, once=None) as running:
        running.run(until=lambda: disk.tries == 2)
        disk.open = True
        running.run(until=lambda: studio.tree("results") == ["locked/a.png"])
    assert len(_told(caplog, "left in drop")) == 1


def test_a_mount_point_in_drop_keeps_its_own_photos_and_no_others(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    with tmpfs(studio.hot / "drop" / "mounted"):
        studio.drop("a.png")
        studio.drop("mounted/b.png")
        assert studio.run() == EXIT_LEFT
        assert studio.tree("results") == ["a.png"]
        assert studio.tree("drop") == ["mounted/b.png"]
