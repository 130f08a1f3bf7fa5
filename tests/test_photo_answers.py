"""What the daemon says to a client's photo: when it may begin, and when not."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.errors import ProgramEnding
from bshm_watchd.events import Asked, StopAsked
from bshm_watchd.ops.asking import ControlError
from tests.support.reloading import status
from tests.support.studio import Running, Studio
from tests.support.workers import HeldWorkers

MIB = 1 << 20


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path, limits="{min_free_mib: 0, in_flight_mib: 64}")


def bring(running: Running, mib: int) -> Future[dict[str, Any]]:
    asked = Asked("photo_begins", {"cost_bytes": mib * MIB}, Future())
    running.inbox.put(asked)
    running.step()
    return asked.answer


def over(running: Running, granted: Future[dict[str, Any]]) -> None:
    running.inbox.put(Asked("photo_over", {"of": granted}, Future()))
    running.step()


def refusal(granted: Future[dict[str, Any]]) -> tuple[int, str]:
    with pytest.raises(ControlError) as caught:
        granted.result(timeout=0)
    return caught.value.exit_code, str(caught.value)


def test_a_photo_is_refused_before_the_daemon_is_ready(studio: Studio) -> None:
    with studio.start(once=None) as running:
        running.inbox.take(0)  # the model is not there yet
        code, message = refusal(bring(running, 10))
    assert (code, "not ready yet" in message) == (75, True)


def test_a_photo_begins_at_once_where_there_is_memory_and_makes_the_daemon_busy(studio: Studio) -> None:
    with studio.start(once=None) as running:
        running.run(until=lambda: running.daemon.ready)
        granted = bring(running, 10)
        assert granted.result(timeout=0) == {}
        assert (status(running)["state"], status(running)["in_flight_bytes"]) == ("busy", 10 * MIB)
        over(running, granted)
        assert (status(running)["state"], status(running)["in_flight_bytes"]) == ("idle", 0)


def test_a_photo_that_waits_begins_as_soon_as_another_is_over(studio: Studio) -> None:
    with studio.start(once=None) as running:
        running.run(until=lambda: running.daemon.ready)
        first, second = bring(running, 40), bring(running, 40)
        assert not second.done()
        over(running, first)
        assert second.done()


def test_a_photo_waits_for_jobs_and_jobs_for_photos(studio: Studio) -> None:
    with studio.start(once=None, workers=HeldWorkers) as running:
        running.run(until=lambda: running.daemon.ready)
        granted = bring(running, 60)
        studio.drop("a.png")
        for _ in range(20):
            studio.clock.advance(1)
            running.step()
        assert running.workers.started == []  # type: ignore[union-attr]
        over(running, granted)
        running.run(until=lambda: bool(running.workers.started))  # type: ignore[union-attr]
        second = bring(running, 60)
        assert not second.done()
        running.workers.finish(running.workers.started[0])  # type: ignore[union-attr]
        running.step()
        assert second.done()


def test_a_daemon_ends_when_the_photos_in_work_are_made(studio: Studio) -> None:
    with studio.start(once=None) as running:
        running.run(until=lambda: running.daemon.ready)
        granted = bring(running, 10)
        running.inbox.put(StopAsked(15))
        running.step()
        assert running.daemon.exit_code is None
        over(running, granted)
        assert running.daemon.exit_code == 0


def test_a_photo_that_is_never_made_does_not_hold_up_the_end(studio: Studio) -> None:
    with studio.start(once=None) as running:
        running.run(until=lambda: running.daemon.ready)
        bring(running, 10)
        running.inbox.put(StopAsked(15))
        assert running.run(limit_seconds=31) == 0


def test_a_worked_off_backlog_ends_although_clients_bring_more(studio: Studio) -> None:
    studio.drop("a.png")
    with studio.start(workers=HeldWorkers) as running:
        running.run(until=lambda: running.daemon.ready and running.state.in_flight > 0)
        granted = bring(running, 10)
        running.workers.finish(running.workers.started[0])  # type: ignore[union-attr]
        wait = running.step()
        while not running.daemon.draining:
            studio.clock.advance(wait + 0.001)
            wait = running.step()
        assert running.daemon.exit_code is None
        assert wait > 1  # for the photo alone, without spinning
        code, message = refusal(bring(running, 10))
        assert (code, "is stopping" in message) == (75, True)
        over(running, granted)
        assert running.daemon.exit_code == 0


def test_a_client_that_never_lets_go_of_its_photo_does_not_hold_up_a_run_that_ends(studio: Studio) -> None:
    with studio.start() as running:
        running.run(until=lambda: running.daemon.ready)
        bring(running, 10)
        assert running.run(limit_seconds=40) == 0


def test_a_daemon_that_drains_refuses_those_that_wait_and_those_that_come(studio: Studio) -> None:
    studio.drop("a.png")
    with studio.start(once=None, workers=HeldWorkers) as running:
        running.run(until=lambda: running.daemon.ready and running.state.in_flight > 0)
        bring(running, 30)
        waiting = bring(running, 60)
        running.inbox.put(StopAsked(15))
        running.step()
        with pytest.raises(ProgramEnding):
            waiting.result(timeout=0)
        code, message = refusal(bring(running, 1))
    assert (code, "is stopping" in message) == (75, True)
