"""Who is next takes no more work for all those who wait behind."""

from __future__ import annotations

from tests.support.calls import calls_of
from tests.support.served import Served

_LANES = 4


def _requeued(count: int) -> Served:
    served = Served(1000, a=1)
    for number in range(count):
        served.recover("a", f"{number}.png", cost_bytes=1)
    served.go(_LANES)
    return served


def _follows(served: Served) -> int:
    """Of one photo that ends, and the one that is started in its place."""

    def work() -> None:
        served.finish(served.running[0].name)
        served.schedule.start_jobs(_LANES, 0.0)

    work()  # what is only done once
    return calls_of(work)


def test_a_photo_is_followed_by_the_next_of_ten_thousand_as_quickly_as_of_fifty() -> None:
    assert _follows(_requeued(10_000)) == _follows(_requeued(50))


def _crowded(folders: int) -> Served:
    served = Served(1000, **{f"folder{number}": 1.0 for number in range(folders)})
    for name in served.folders:
        served.offer(name, 1, *(f"{name}-{number}" for number in range(8)))
    assert len(served.go(_LANES)) == _LANES
    return served


def _asks_in_vain(served: Served) -> int:
    return calls_of(lambda: served.schedule.start_jobs(_LANES, 0.0))


def test_while_all_lanes_are_taken_many_folders_cost_no_more_than_their_number() -> None:
    assert _asks_in_vain(_crowded(60)) < 11 * _asks_in_vain(_crowded(6))
