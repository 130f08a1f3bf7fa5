"""Two daemons at one hot folder: one is frozen at any moment, the other takes the folder, and the first one wakes.

`FROZEN_MOMENTS=all` tries every pair of moments (several minutes); otherwise a part of them.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from bshm_watchd.ending import EXIT_FINE, Once
from bshm_watchd.matting.photo import Photo
from tests.support import invariants
from tests.support.contracts import Evidence
from tests.support.crashes import TWO_OUTPUTS
from tests.support.disks import InterruptedDisk
from tests.support.studio import Studio

_LONG = 20.0
_ALL = os.environ.get("FROZEN_MOMENTS") == "all"
_STEP, _WAKE_STEP = (1, 1) if _ALL else (5, 17)


class _Frozen:
    """A daemon in a thread of its own that stands still ahead of its change number `at`, until it is woken."""

    def __init__(self, studio: Studio, at: int) -> None:
        self._studio = studio
        self._at = at
        self._changes = 0
        self._stands = threading.Event()
        self._woken = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        while self._thread.is_alive() and not self._stands.wait(0.001):
            pass

    def _run(self) -> None:
        try:
            self._studio.run(InterruptedDisk(self._before), living=True, once=Once(4))
        except BaseException as error:  # noqa: BLE001  raised again where the test waits for it
            self._error = error

    def _before(self, change: str, name: str) -> None:
        self._changes += 1
        if self._changes == self._at + 1:
            self._stands.set()
            assert self._woken.wait(_LONG)

    @property
    def stands(self) -> bool:
        return self._thread.is_alive() and not self._woken.is_set()

    def wake(self) -> None:
        """Go on, to its end."""
        self._woken.set()
        self._thread.join(_LONG)
        assert not self._thread.is_alive(), "the one that woke does not come to an end"
        assert self._error is None, self._error


def _known_to_both(base: Path) -> Studio:
    studio = Studio(base, TWO_OUTPUTS)
    assert studio.run(once=Once(0)) == studio.run(once=Once(0), state="rival") == EXIT_FINE
    studio.drop("a.png")
    return studio


def _is_locked(studio: Studio) -> bool:
    """Whether somebody stands within a change, or is about to become the owner."""
    with (studio.hot / ".bshm" / "folder.json").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _take_over(studio: Studio, frozen: _Frozen, wake_at: int) -> int:
    """Another daemon takes the folder and works it off; ahead of its change `wake_at` the first one wakes.

    Returns the number of its changes.
    """
    count = 0

    def before(change: str, name: str) -> None:
        nonlocal count
        count += 1
        if count > wake_at and frozen.stands and not _is_locked(studio):
            frozen.wake()

    with studio.start(InterruptedDisk(before), state="rival", living=True) as rival:
        rival.state.ask_attach(studio.clock.monotonic(), take=True)
        rival.run()
    return count


@pytest.mark.slow
@pytest.mark.contract("I3", "D1", "D3")
def test_an_owner_that_froze_at_any_moment_and_woke_at_any_other_doubles_and_loses_nothing(
    fast_path: Path, evidence: Evidence
) -> None:
    """One that stands within a change can't be taken from: then whoever takes waits."""
    takes = waits = 0
    at, ended = 0, False
    while not ended:
        wake_at, changes = at % _WAKE_STEP, 1
        while not ended and wake_at < changes + _WAKE_STEP:
            studio = _known_to_both(fast_path / f"{at}-{wake_at}")
            frozen = _Frozen(studio, at)
            ended = not frozen.stands
            if _is_locked(studio):
                waits += 1
                frozen.wake()
            changes = _take_over(studio, frozen, wake_at)
            frozen.wake()
            takes += 1
            studio.run()
            invariants.check(studio)
            wake_at += _WAKE_STEP
        at += _STEP
    assert takes > waits > 0
    evidence(takes=takes, takes_that_waited=waits)


@pytest.mark.contract("D5", "I3")
def test_a_photo_in_work_at_a_living_owner_is_not_blamed_for_losing_it(fast_path: Path) -> None:
    studio = Studio(fast_path)
    studio.drop("a.png")
    suspects: list[bool] = []

    def taken(_: Photo) -> None:
        with studio.start(
            state="rival",
            once=None,
            spoil=lambda _: suspects.extend(row.suspect for row in rival.journal.jobs(limit=9)),
        ) as rival:
            rival.run(until=lambda: rival.state.mode == "owned_elsewhere")
            rival.state.ask_attach(studio.clock.monotonic(), take=True)
            rival.run(until=lambda: studio.tree("results") == ["a.png"] and not rival.state.in_flight)

    assert studio.run(living=True, spoil=taken) == EXIT_FINE
    assert suspects == [False]
    (row,) = studio.rows(state="rival")
    assert (row.state, row.attempts) == ("done", 0)
