"""The loop: what it waits for, when `once` is over, and jobs that are older than the configuration."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from bshm_watchd.ending import EXIT_BROKEN, EXIT_FINE, EXIT_LEFT, EXIT_SOME_REJECTED, Once
from bshm_watchd.errors import DecoderUnsafe, RuntimeBroken
from bshm_watchd.events import StopAsked
from tests.support import invariants
from tests.support.contracts import Evidence
from tests.support.disks import Died
from tests.support.studio import Studio
from tests.support.workers import HeldWorkers


@pytest.mark.contract("O3", "L5")
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


@pytest.mark.contract("O3")
def test_a_stop_does_not_wait_for_a_job_beyond_its_deadline(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")
    with studio.start(workers=HeldWorkers, once=None) as running:
        running.run(until=lambda: bool(running.workers.started))
        running.inbox.put(StopAsked(signal.SIGTERM))
        running.step()
        studio.clock.advance(31)
        running.step()
        assert running.daemon.exit_code == EXIT_FINE
    assert studio.run() == EXIT_FINE
    invariants.check(studio)


@pytest.mark.contract("O1")
def test_it_is_ready_once_every_folder_was_looked_into_or_is_known_not_to_answer(tmp_path: Path) -> None:
    studio = Studio(tmp_path, others={"weddings": ""})
    studio.run()
    studio.trees["weddings"].path.rename(tmp_path / "away")
    with studio.start(once=None) as running:
        ready_after: list[int] = []

        def note() -> bool:
            if running.daemon.ready:
                ready_after.append(running.state.scans)
            return running.daemon.ready

        daemon, inbox = running.daemon, running.inbox
        while not note():
            daemon.step(inbox.take(0), studio.clock.monotonic())
        assert ready_after[0] > 0
        assert running.states["weddings"].mode == "unreachable"


@pytest.mark.contract("O1")
def test_it_is_not_ready_before_the_model_is_warm_however_long_that_takes(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    with studio.start(once=None) as running:
        warm = running.inbox.take(0)
        running.live(60)
        assert running.state.scans > 0
        assert not running.daemon.ready
        for event in warm:
            running.inbox.put(event)
        running.step()
        assert running.daemon.ready


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


@pytest.mark.contract("O7")
def test_a_broken_model_ends_the_program_and_the_next_one_goes_on(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")

    def break_down(_: object) -> None:
        raise RuntimeBroken("the device is gone")

    assert studio.run(spoil=break_down) == EXIT_BROKEN == 70
    assert studio.run() == EXIT_FINE
    assert studio.tree("results") == ["a.png"]
    invariants.check(studio)


@pytest.mark.contract("D5", "O7")
def test_a_machine_that_will_not_confine_decoders_blames_no_photo_however_often_it_starts(tmp_path: Path) -> None:
    """Also one that was under way beside the first that met it."""
    studio = Studio(tmp_path)
    for name in ("a.png", "b.png"):
        studio.drop(name)

    def refuse(_: object) -> None:
        raise DecoderUnsafe("photos can't be decoded safely on this machine")

    for _ in range(4):
        with studio.start(spoil=refuse, workers=HeldWorkers) as running:
            running.run(until=lambda: len(running.workers.started) == 2)
            running.workers.begin_next()
            assert running.run() == EXIT_BROKEN
    assert [(row.attempts, row.suspect) for row in studio.rows()] == [(0, False), (0, False)]
    assert studio.run() == EXIT_FINE
    assert studio.tree("results") == ["a.png", "b.png"]
    invariants.check(studio)


@pytest.mark.contract("D5", "L1")
def test_a_photo_that_breaks_the_model_each_time_leaves_after_its_attempts(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")

    def break_down(_: object) -> None:
        raise RuntimeBroken("the device is gone")

    assert [studio.run(spoil=break_down) for _ in range(4)] == [EXIT_BROKEN] * 3 + [EXIT_SOME_REJECTED]
    assert [(row.state, row.reason) for row in studio.rows()] == [("failed", "ended_the_program")]


@pytest.mark.contract("O7")
def test_once_leaves_what_never_becomes_whole_and_says_so(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    (studio.hot / "drop" / "empty.png").write_bytes(b"")
    assert studio.run(once=Once(5)) == EXIT_LEFT


@pytest.mark.contract("I8")
def test_a_job_keeps_the_rights_outputs_and_places_it_was_claimed_with(tmp_path: Path, evidence: Evidence) -> None:
    """Also those of directories, and of the original's: after a restart with quite another configuration."""
    planned = """
    outputs: [{kind: cutout, path: "old/{stem}.png"}]
    originals: {done: "was done"}
    permissions: {mode: "0640", directory_mode: "0751"}
"""
    studio = Studio(tmp_path, planned)
    studio.drop("a.png")

    def die(_: object) -> None:
        raise Died("in a matte")

    with pytest.raises(Died):
        studio.run(spoil=die)
    now = """
    outputs: [{kind: matte, path: "new/{stem}.png"}]
    permissions: {mode: "0604", directory_mode: "0715", strict: true}
"""
    reconfigured = Studio(tmp_path, now)
    reconfigured.drop("b.png")
    assert reconfigured.run() == EXIT_FINE
    modes = {path: (studio.hot / path).stat().st_mode & 0o777 for path in ("old", "old/a.png", "new", "new/b.png")}
    assert modes == {"old": 0o751, "old/a.png": 0o640, "new": 0o715, "new/b.png": 0o604}
    assert (studio.hot / "was done" / "a.png").is_file()
    assert (studio.hot / "was done").stat().st_mode & 0o777 == 0o751
    evidence(files_checked=6)


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
