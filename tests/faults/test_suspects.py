"""A photo that ends the whole process: it leaves after three attempts of its own, and nobody else pays for it."""

from __future__ import annotations

import errno
import json
import signal
from collections.abc import Callable
from concurrent.futures import Future
from itertools import pairwise
from pathlib import Path

import pytest

from bshm_watchd.ending import EXIT_FINE, EXIT_LEFT, EXIT_SOME_REJECTED, Once
from bshm_watchd.events import Asked, StopAsked
from bshm_watchd.matting.photo import Photo
from tests.support import invariants
from tests.support.disks import Died, ErringDisk
from tests.support.studio import Running, Studio, cutout_of
from tests.support.workers import HeldWorkers

_MANY = 12  # starts: far more than any of these may need


class Poison:
    """Ends the process while one photo is in its matte, and with it whatever else is: each lets the next job begin
    beside it, and the process ends when all have begun."""

    def __init__(self, content: bytes) -> None:
        self._pixels = cutout_of(content)[:, :, 2::-1].tobytes()
        self._works = False
        self._begin_next: Callable[[], None] = lambda: None

    def __call__(self, photo: Photo) -> None:
        self._works |= photo.pixels.tobytes() == self._pixels
        self._begin_next()
        if self._works:
            raise Died("in a matte")

    def run(self, running: Running) -> None:
        """A life in which whatever is under way at one time is in its matte at one time."""
        self._works, self._begin_next = False, running.workers.begin_next
        while running.daemon.exit_code is None:
            running.run(until=lambda: bool(running.workers.started))
            running.workers.begin_next()


def _lives(studio: Studio, poison: Poison) -> int:
    """Start again and again until a life ends in good order; returns how many died."""
    for died in range(_MANY):
        try:
            with studio.start(spoil=poison, workers=HeldWorkers) as running:
                poison.run(running)
            return died
        except Died:
            continue
    raise AssertionError(f"still dying after {_MANY} starts")


def _attempts(studio: Studio) -> dict[str, tuple[str, int]]:
    return {row.name: (row.state, row.attempts) for row in studio.rows()}


@pytest.mark.contract("L1", "D5")
def test_a_photo_that_ends_the_process_alone_fails_after_three_attempts(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    assert _lives(studio, Poison(studio.drop("poison.png"))) == 3
    assert studio.tree("failed") == ["poison.png", "poison.png.error.json"]
    sidecar = json.loads((studio.hot / "failed/poison.png.error.json").read_bytes())
    assert (sidecar["reason"], sidecar["attempts"]) == ("ended_the_program", 3)
    invariants.check(studio)


@pytest.mark.contract("D5", "L1", "L2")
@pytest.mark.parametrize("place", range(4))
def test_in_company_only_the_photo_that_ends_the_process_fails(tmp_path: Path, place: int) -> None:
    studio = Studio(tmp_path)
    photos = [studio.drop(f"{number}.png") for number in range(4)]
    assert _lives(studio, Poison(photos[place])) == 1 + 3  # once in company, three times alone
    ended = _attempts(studio)
    assert ended.pop(f"{place}.png") == ("failed", 3)
    assert set(ended.values()) == {("done", 0)}
    assert studio.tree("failed") == [f"{place}.png", f"{place}.png.error.json"]
    invariants.check(studio)


@pytest.mark.contract("D5", "L1")
def test_two_that_end_the_process_cost_the_others_nothing(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    first = studio.drop("0.png")
    studio.drop("9.png", first)
    for number in range(1, 9):
        studio.drop(f"{number}.png")
    died = _lives(studio, Poison(first))
    assert died <= 2 + 2 * 3  # in company once for each at most
    ended = _attempts(studio)
    assert {name for name, (state, _) in ended.items() if state == "failed"} == {"0.png", "9.png"}
    assert {attempts for state, attempts in ended.values() if state == "done"} == {0}
    invariants.check(studio)


def test_photos_that_come_while_a_suspect_waits_are_not_begun_beside_it(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    dying = Poison(studio.drop("0.png"))
    studio.drop("1.png")
    with pytest.raises(Died), studio.start(spoil=dying, workers=HeldWorkers) as running:
        dying.run(running)
    studio.drop("2.png")
    alone: list[list[str]] = []
    with studio.start(workers=HeldWorkers) as running:
        while running.run(until=lambda: bool(running.workers.started)) == -1:
            alone.append([job.name for job in running.workers.started])
            running.workers.begin_next()
    assert (sorted(alone[:2]), alone[2:]) == ([["0.png"], ["1.png"]], [["2.png"]])
    invariants.check(studio)


def test_an_attempt_that_dies_at_its_last_try_is_not_tried_again(tmp_path: Path) -> None:
    studio = Studio(tmp_path, limits="{min_free_mib: 0, max_attempts: 1}")
    assert _lives(studio, Poison(studio.drop("poison.png"))) == 1
    assert _attempts(studio) == {"poison.png": ("failed", 1)}


@pytest.mark.contract("D5")
def test_beside_a_clients_photo_nobody_is_known_to_have_run_alone(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")

    def die(_: Photo) -> None:
        raise Died("of the client's photo")

    with pytest.raises(Died), studio.start(spoil=die, workers=HeldWorkers) as running:
        running.run(until=lambda: bool(running.workers.started))
        running.inbox.put(Asked("photo_begins", {"cost_bytes": 1}, Future()))
        running.step()
        running.workers.begin_next()
    with studio.start(workers=HeldWorkers) as again:
        again.run(until=lambda: bool(again.workers.started))
        assert [(job.attempts, job.suspect) for job in again.workers.started] == [(0, True)]


# -- what costs nothing ------------------------------------------------------------------------------------


class _Abandoned(BaseException):
    """The threads of a drained process are left as they are."""


def _abandon(_: Photo) -> None:
    raise _Abandoned


@pytest.mark.contract("D5")
def test_a_clean_stop_in_the_middle_costs_nothing(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")
    for _ in range(4):
        with studio.start(spoil=_abandon) as running, pytest.raises(_Abandoned):
            running.run()
    assert _attempts(studio) == {"a.png": ("running", 0)}
    assert studio.run() == EXIT_FINE
    assert _attempts(studio) == {"a.png": ("done", 0)}
    invariants.check(studio)


@pytest.mark.contract("D5")
def test_a_clean_stop_is_remembered_until_its_photo_is_seen_again(tmp_path: Path) -> None:
    """Also when others come between, while the photo's share is away."""
    studio = Studio(tmp_path)
    studio.drop("a.png")
    with studio.start(spoil=_abandon) as running, pytest.raises(_Abandoned):
        running.run()
    away = studio.hot.rename(tmp_path / "away")
    for _ in range(2):
        assert studio.run(once=Once(0)) == EXIT_LEFT
    away.rename(studio.hot)
    assert studio.run() == EXIT_FINE
    assert _attempts(studio) == {"a.png": ("done", 0)}
    invariants.check(studio)


def test_a_stop_that_finds_jobs_under_way_lets_them_end(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")
    studio.drop("b.png")
    with studio.start(workers=HeldWorkers, once=None) as running:
        running.run(until=lambda: len(running.workers.started) == 2)
        running.inbox.put(StopAsked(signal.SIGTERM))
        running.step()
        while running.workers.started:
            assert running.daemon.exit_code is None
            running.workers.begin_next()
            running.step()
        assert running.daemon.exit_code == EXIT_FINE
    assert _attempts(studio) == {"a.png": ("done", 0), "b.png": ("done", 0)}


def test_a_stop_does_not_wait_longer_than_it_may(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")
    with studio.start(workers=HeldWorkers, once=None) as running:
        running.run(until=lambda: bool(running.workers.started))
        running.inbox.put(StopAsked(signal.SIGTERM))
        assert running.run(limit_seconds=31) == EXIT_FINE
    assert studio.run() == EXIT_FINE
    assert _attempts(studio) == {"a.png": ("done", 0)}


@pytest.mark.contract("D5", "D6")
@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EACCES])
def test_an_error_of_the_place_is_refunded(fast_path: Path, code: int) -> None:
    """At each change of a job's way the place fails more often than a photo has attempts."""
    for at in range(20, 60, 3):
        studio = Studio(fast_path / str(at))
        studio.drop("a.png")
        disk = ErringDisk(at, code, once=False)
        with studio.start(disk, once=Once(3000)) as running:
            running.run(until=lambda disk=disk: disk.erred > 10)  # type: ignore[misc]
            disk.mended = True
            assert running.run() == EXIT_FINE
        assert _attempts(studio) == {"a.png": ("done", 0)}
        invariants.check(studio)


@pytest.mark.contract("D5", "L1")
def test_an_error_of_the_photos_own_is_counted_and_tried_again_later(tmp_path: Path) -> None:
    studio, tries = Studio(tmp_path), []
    studio.drop("a.png")

    def fail(_: Photo) -> None:
        tries.append(studio.clock.wall())
        raise ValueError("it can't be matted")

    assert studio.run(spoil=fail) == EXIT_SOME_REJECTED
    assert [round(later - sooner) for sooner, later in pairwise(tries)] == [5, 10]
    sidecar = json.loads((studio.hot / "failed/a.png.error.json").read_bytes())
    assert (sidecar["reason"], sidecar["attempts"]) == ("attempts_used_up", 3)
    invariants.check(studio)


def test_a_suspect_is_not_touched_before_the_program_is_ready(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    poison = Poison(studio.drop("a.png"))
    studio.drop("b.png")
    with pytest.raises(Died), studio.start(spoil=poison, workers=HeldWorkers) as running:
        poison.run(running)
    ready: list[bool] = []
    with studio.start(spoil=lambda _: ready.append(again.daemon.ready)) as again:
        assert again.run() == EXIT_FINE
    assert ready == [True, True]
