"""Photos that clients bring share the memory with the jobs: bounded, in turn, and nobody waits for ever."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from bshm_watchd.errors import ProgramEnding
from bshm_watchd.photo_queue import MOST_AT_ONCE
from tests.support.served import MIB, Served


class Bringing(Served):
    """With clients that bring photos. `brought` has all that were begun, `names` by their clients' names."""

    def __init__(self, budget_mib: int = 100, **weights: float) -> None:
        super().__init__(budget_mib, **weights)
        self.photos: dict[str, Future[dict[str, Any]]] = {}

    def bring(self, mib: int, *names: str) -> None:
        for name in names:
            self.photos[name] = Future()
            self.schedule.photos.add(self.photos[name], mib * MIB)

    def begun_photos(self) -> list[str]:
        self.go()
        return [name for name, granted in self.photos.items() if granted.done()]

    def over(self, *names: str) -> None:
        for name in names:
            self.schedule.photos.over(self.photos.pop(name))


def _names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def test_a_photo_begins_when_there_is_memory_and_counts_until_it_is_over() -> None:
    served = Bringing(100)
    served.bring(60, "p", "q")
    assert served.begun_photos() == ["p"]
    assert served.schedule.in_flight_bytes == 60 * MIB
    served.over("p")
    assert served.begun_photos() == ["q"]
    served.over("q")
    assert served.schedule.in_flight_bytes == 0


def test_photos_and_jobs_together_stay_within_the_budget() -> None:
    served = Bringing(100, a=1)
    served.offer("a", 30, *_names("a", 10))
    served.bring(30, *_names("p", 10))
    for _ in range(20):
        begun = served.begun_photos()
        assert served.schedule.in_flight_bytes <= 100 * MIB
        served.over(*begun[:1])
        served.finish(*served.go()[:1])
    assert not served.photos
    assert len(served.begun) == 10


def test_photos_and_a_folder_are_served_in_turn() -> None:
    served = Bringing(100, a=1)
    served.offer("a", 20, *_names("a", 100))
    served.bring(20, *_names("p", 100))
    over = 0
    while len(served.begun) < 40:
        begun = served.begun_photos()
        if begun:
            served.over(begun[0])
            over += 1
        served.finish(*served.go()[:1])
    assert 30 <= over <= 50


def test_a_photo_is_not_starved_by_a_folder_that_fills_the_memory() -> None:
    served = Bringing(100, a=1)
    served.offer("a", 10, *_names("a", 200))
    served.go()
    served.bring(90, "p")
    for _ in range(40):
        if served.begun_photos() == ["p"]:
            break
        served.finish(*served.go()[:1])
    assert served.photos["p"].done()


def test_a_job_is_not_starved_by_clients_that_fill_the_memory() -> None:
    served = Bringing(100, a=1)
    served.bring(60, *_names("p", 200))
    served.begun_photos()
    served.offer("a", 90, "large", "large too")
    for _ in range(40):
        served.finish(*served.go())
        served.over(*served.begun_photos()[:1])
    assert served.begun == ["large", "large too"]


def test_a_photo_needs_no_lane() -> None:
    served = Bringing(100, a=1)
    served.offer("a", 1, *_names("a", 10))
    served.go(lanes=2)
    served.bring(1, "p")
    served.go(lanes=2)
    assert served.photos["p"].done()
    assert served.in_flight("a") == 2


def test_only_a_few_photos_are_made_at_once() -> None:
    served = Bringing(1000)
    served.bring(1, *_names("p", 20))
    assert served.begun_photos() == _names("p", MOST_AT_ONCE)
    served.over("p3")
    assert served.begun_photos()[-1] == f"p{MOST_AT_ONCE}"


def test_a_photo_that_nobody_waits_for_any_more_is_not_begun() -> None:
    served = Bringing(100)
    served.bring(100, "p", "q", "r")
    served.begun_photos()
    served.over("q")
    served.over("p")
    assert served.begun_photos() == ["r"]


def test_a_suspect_runs_alone_also_without_photos_beside_it() -> None:
    served = Bringing(100, a=1)
    served.bring(10, "p")
    assert served.begun_photos() == ["p"]
    served.recover("a", "suspect", suspect=True)
    assert served.go() == []
    served.bring(10, "q")
    served.over("p")
    assert served.go() == ["suspect"]
    assert not served.photos["q"].done()
    served.finish("suspect")
    assert served.begun_photos() == ["q"]


def test_once_it_is_closed_those_that_wait_are_refused_and_those_in_work_go_on() -> None:
    served = Bringing(100)
    served.bring(100, "p", "q")
    served.begun_photos()
    served.schedule.close()
    with pytest.raises(ProgramEnding):
        served.photos["q"].result(timeout=0)
    assert served.schedule.photos.in_flight == 1
    served.over("p")
    assert served.schedule.photos.in_flight == 0
