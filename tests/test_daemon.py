"""The loop: what it waits for, when `once` is over, and jobs that are older than the configuration."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bshm_watchd.daemon import EXIT_FINE, EXIT_LEFT, Once
from bshm_watchd.events import StopAsked
from tests.support import invariants
from tests.support.disks import Died
from tests.support.studio import Studio
from tests.support.workers import HeldWorkers


def test_while_it_drains_it_waits_for_its_jobs_and_does_not_spin(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")
    with studio.start(workers=HeldWorkers, once=None) as running:
        running.run(until=lambda: bool(running.workers.started))
        studio.clock.advance(100)  # everything of the folder is overdue
        running.inbox.put(StopAsked(signal.SIGTERM))
        assert running.step() == pytest.approx(30, abs=0.1)
        running.workers.finish(running.workers.started[0])
        running.step()
        assert running.daemon.exit_code == EXIT_FINE
    invariants.check(studio)


def test_once_without_waiting_still_does_what_is_there(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")
    studio.drop("sub/b.png")
    assert studio.run(once=Once(0)) == EXIT_FINE
    assert studio.tree("results") == ["a.png", "sub/b.png"]


def test_once_does_not_spin_while_a_photo_takes_longer_than_it_would_wait(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")
    with studio.start(workers=HeldWorkers, once=Once(0)) as running:
        running.run(until=lambda: bool(running.workers.started))
        studio.clock.advance(1)
        assert running.step() > 0.5
        running.workers.finish(running.workers.started[0])
        assert running.run() == EXIT_FINE


def test_once_leaves_what_never_becomes_whole_and_says_so(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    (studio.hot / "drop" / "empty.png").write_bytes(b"")
    assert studio.run(once=Once(5)) == EXIT_LEFT


def test_a_job_is_published_to_an_output_that_was_taken_out_of_the_configuration(tmp_path: Path) -> None:
    white = tmp_path / "white"
    white.mkdir()
    extra = f'    outputs:\n      - {{kind: cutout, path: "{white}/{{stem}}.png"}}\n'
    studio = Studio(tmp_path, extra)
    studio.drop("a.png")

    def die(_: object) -> None:
        raise Died("in a matte")

    with pytest.raises(Died):
        studio.run(spoil=die)
    reconfigured = Studio(tmp_path)
    reconfigured.drop("b.png")
    assert reconfigured.run() == EXIT_FINE
    assert [path.name for path in white.glob("*.png")] == ["a.png"]
    assert reconfigured.tree("results") == ["b.png"]
