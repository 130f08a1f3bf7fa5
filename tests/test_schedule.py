"""Who is next: bytes bound what is in flight, weights share it, and nobody waits for a folder that does not answer."""

from __future__ import annotations

import pytest

from bshm_watchd.status import FolderMode
from tests.support.served import MIB, Served, a_look, an_offer
from tests.support.trees import BROKEN


def _names(folder: str, count: int) -> list[str]:
    return [f"{folder}{number}" for number in range(count)]


@pytest.mark.contract("L3")
def test_what_is_in_flight_is_bounded_by_bytes() -> None:
    served = Served(100, a=1)
    served.offer("a", 30, *_names("a", 10))
    assert served.go() == ["a0", "a1", "a2"]
    assert served.schedule.in_flight_bytes == 90 * MIB
    served.finish("a1")
    assert served.go() == ["a0", "a2", "a3"]


def test_what_is_in_flight_is_bounded_by_lanes() -> None:
    served = Served(100, a=1)
    served.offer("a", 1, *_names("a", 10))
    assert served.go(lanes=2) == ["a0", "a1"]


def test_a_photo_as_large_as_the_budget_runs_by_itself_and_is_not_passed_over() -> None:
    served = Served(100, a=1)
    served.offer("a", 10, "small")
    served.offer("a", 100, "large")
    served.offer("a", 10, "small too")
    assert served.go() == ["small"]
    served.finish("small")
    assert served.go() == ["large"]
    served.finish("large")
    assert served.go() == ["small too"]


@pytest.mark.contract("L3")
def test_a_photo_that_can_never_fit_is_claimed_to_be_rejected_and_costs_nothing() -> None:
    served = Served(100, a=1)
    served.offer("a", 101, "huge")
    served.offer("a", 100, "large")
    assert served.go() == ["huge", "large"]
    problem = served.running[0].problem
    assert problem is not None
    assert problem.reason == "too_large"
    assert problem.message == "the photo (101 x 1 pixels) needs 101 MiB of memory, 100 MiB are allowed"
    assert "limits.in_flight_mib" in problem.what_to_do


def test_a_photo_that_was_rejected_at_its_first_sight_costs_nothing() -> None:
    served = Served(100, a=1)
    served.offer("a", 100, "large")
    served.folders["a"].offers.append(an_offer("b0", 90, BROKEN))
    assert served.go() == ["large"]
    served.finish("large")
    assert served.go() == ["b0"]
    assert served.schedule.in_flight_bytes == 0


def test_photos_of_one_directory_that_are_at_fault_are_rejected_together() -> None:
    served = Served(100, a=1)
    served.folders["a"].offers.extend(an_offer(name, 1, BROKEN) for name in ("b0", "sub/b1", "b2"))
    served.offer("a", 10, "good")
    served.folders["a"].offers.extend(an_offer(name, 1, BROKEN) for name in ("b3", "sub/b4"))
    assert served.go() == ["good"]
    assert served.lots == [["b0", "b2", "b3"], ["sub/b1", "sub/b4"]]
    assert served.schedule.in_flight_bytes == 10 * MIB


def test_a_good_photo_waits_for_one_lot_at_most_of_those_that_came_after_it() -> None:
    served = Served(100, a=1)
    served.folders["a"].offers.append(an_offer("b0", 1, BROKEN))
    served.offer("a", 10, "good")
    served.folders["a"].offers.extend(an_offer(f"b{number}", 1, BROKEN) for number in range(1, 50))
    served.schedule.start_jobs(10, 0.0)
    folder = served.folders["a"]
    assert len(folder.offers) == 51 - folder.lot_size
    assert folder.offers[0].relative == "good"


@pytest.mark.contract("L6")
def test_a_full_folder_of_broken_photos_takes_nothing_from_another_folder() -> None:
    served = Served(100, broken=1, b=1)
    served.folders["broken"].offers.extend(an_offer(f"b{number}", 1, BROKEN) for number in range(200))
    served.offer("b", 10, *_names("b", 5))
    served.schedule.start_jobs(10, 0.0)  # the lot is under way, and stays so
    assert served.folders["broken"].call == "reject"
    folder = served.folders["b"]
    assert folder.call == "claim"
    assert folder.in_flight_bytes == 10 * MIB


def test_within_a_folder_the_first_offered_is_the_first_served() -> None:
    served = Served(100, a=1)
    served.offer("a", 60, "c", "a", "b")
    for _ in range(3):
        served.finish(*served.go())
    assert served.begun == ["c", "a", "b"]


@pytest.mark.parametrize("lanes", [1, 2, 8])
@pytest.mark.parametrize(("weight", "of_forty"), [(1, 20), (3, 30), (0.25, 8)])
def test_folders_are_served_by_weight(weight: float, of_forty: int, lanes: int) -> None:
    served = Served(1000, a=weight, b=1)
    for folder in ("a", "b"):
        served.offer(folder, 20, *_names(folder, 40))
    while len(served.begun) < 40:
        served.finish(served.go(lanes)[0])
    assert abs(len([name for name in served.begun[:40] if name.startswith("a")]) - of_forty) <= 2


def test_it_is_bytes_that_are_shared_and_not_photos() -> None:
    served = Served(100, a=1, b=1)
    served.offer("a", 40, *_names("a", 40))
    served.offer("b", 10, *_names("b", 40))
    while len(served.begun) < 40:
        served.finish(served.go()[0])
    assert 28 <= len([name for name in served.begun if name.startswith("b")]) <= 36


@pytest.mark.parametrize("lanes", [1, 100])
def test_a_folder_that_was_idle_does_not_get_all_of_that_time_back(lanes: int) -> None:
    served = Served(100, a=1, b=1)
    served.offer("a", 20, *_names("a", 60))
    while len(served.begun) < 30:
        served.finish(served.go(lanes)[0])
    served.offer("b", 20, *_names("b", 60))
    while len(served.begun) < 50:
        served.finish(served.go(lanes)[0])
    assert 8 <= len([name for name in served.begun[30:50] if name.startswith("b")]) <= 14


def test_a_folder_has_at_most_half_the_budget_while_another_waits() -> None:
    served = Served(100, a=1, b=1)
    served.offer("a", 10, *_names("a", 20))
    served.offer("b", 10, "b0")
    served.folders["b"].call = "look"  # it is waiting, and can't be served right now
    served.go()
    assert served.in_flight("a") == 5
    served.folders["b"].offers.clear()
    served.go()
    assert served.in_flight("a") == 10


def test_a_folder_whose_only_offers_wait_for_earlier_photos_of_their_names_takes_no_share() -> None:
    served = Served(100, a=1, b=1)
    served.offer("a", 10, *_names("a", 20))
    served.recover("b", "again", retry_wall=served.clock.wall() + 600)
    served.offer("b", 10, "again")
    served.go()
    assert served.in_flight("a") == 10


def test_a_folder_keeps_its_half_while_it_is_being_looked_into() -> None:
    """Its offers may be used up for a moment, although photos wait in drop/."""
    served = Served(100, a=1, b=1)
    served.offer("a", 10, *_names("a", 20))
    served.folders["b"].saw(a_look(ready=5, waiting=5), 0.0)
    served.go()
    assert served.in_flight("a") == 5
    served.folders["b"].saw(a_look(), 1.0)
    served.go()
    assert served.in_flight("a") == 10


def test_a_photo_larger_than_half_is_not_kept_waiting_for_ever() -> None:
    served = Served(100, a=1, b=1)
    served.offer("a", 70, *_names("a", 3))
    served.offer("b", 10, *_names("b", 100))
    for _ in range(30):
        served.finish(served.go()[0])
    assert {"a0", "a1", "a2"} <= set(served.begun)


@pytest.mark.contract("L6")
def test_a_slow_folder_does_not_slow_another() -> None:
    """Its photos stay in flight; the other's end at once, and get their half of the memory again and again."""
    served = Served(100, slow=1, b=1)
    served.offer("slow", 10, *_names("slow", 100))
    served.offer("b", 10, *_names("b", 100))
    for _ in range(40):
        served.finish(*[name for name in served.go() if name.startswith("b")])
    assert len([name for name in served.begun if name.startswith("b")]) == 100
    assert served.in_flight("slow") >= 5


def test_a_slow_folder_does_not_take_every_lane_either() -> None:
    served = Served(1000, slow=1, b=1)
    served.offer("slow", 1, *_names("slow", 100))
    served.offer("b", 1, *_names("b", 60))
    for _ in range(40):
        served.finish(*[name for name in served.go(lanes=4) if name.startswith("b")])
    assert len([name for name in served.begun if name.startswith("b")]) == 60


def test_one_lane_is_not_split() -> None:
    served = Served(100, a=1, b=1)
    for folder in ("a", "b"):
        served.offer(folder, 10, *_names(folder, 3))
    for _ in range(6):
        running = served.go(lanes=1)
        assert len(running) == 1
        served.finish(*running)
    assert len(served.begun) == 6


@pytest.mark.parametrize("mode", [FolderMode.HELD, FolderMode.UNREACHABLE, FolderMode.OWNED_ELSEWHERE])
def test_a_folder_in_trouble_gets_nothing_and_takes_nothing_from_the_others(mode: FolderMode) -> None:
    served = Served(100, a=1, b=1)
    served.offer("a", 10, *_names("a", 20))
    served.recover("b", "b0", cost_bytes=10 * MIB)
    served.offer("b", 10, "b1")
    served.folders["b"].mode = mode
    served.go()
    assert (served.in_flight("a"), served.in_flight("b")) == (10, 0)


@pytest.mark.contract("L6")
def test_photos_hanging_in_a_dead_share_do_not_count_for_the_others() -> None:
    served = Served(100, dead=1, b=1)
    served.offer("dead", 20, *_names("dead", 5))
    served.go()
    assert served.in_flight("dead") == 5
    served.folders["dead"].mode = FolderMode.UNREACHABLE
    served.offer("b", 20, *_names("b", 5))
    served.go()
    assert served.in_flight("b") == 5


def test_a_job_that_waits_for_its_next_attempt_is_started_when_that_is_due() -> None:
    served = Served(100, a=1)
    served.recover("a", "again", retry_wall=served.clock.wall() + 5)
    assert served.go() == []
    served.clock.advance(5)
    assert served.go() == ["again"]


def test_what_is_claimed_goes_before_what_is_offered() -> None:
    served = Served(100, a=1)
    served.offer("a", 60, "new")
    served.recover("a", "old", cost_bytes=60 * MIB)
    assert served.go() == ["old"]


def test_a_suspect_runs_alone_and_before_everything_else() -> None:
    served = Served(100, a=1, b=1)
    served.offer("a", 10, "a0")
    served.recover("b", "suspect", suspect=True)
    served.recover("b", "suspect too", suspect=True)
    assert served.go() == ["suspect"]
    served.finish("suspect")
    assert served.go() == ["suspect too"]
    served.finish("suspect too")
    assert served.go() == ["a0"]


def test_a_suspect_waits_until_nothing_else_is_in_flight() -> None:
    served = Served(100, a=1, b=1)
    served.offer("a", 10, "a0", "a1", "a2")
    served.go(lanes=2)
    served.recover("b", "suspect", suspect=True)
    served.finish("a0")
    assert served.go() == ["a1"]
    served.finish("a1")
    assert served.go() == ["suspect"]


def test_a_suspect_that_hangs_in_a_dead_share_does_not_stop_the_other_folders() -> None:
    served = Served(100, dead=1, b=1)
    served.recover("dead", "suspect", suspect=True)
    served.offer("b", 10, "b0")
    assert served.go() == ["suspect"]
    served.folders["dead"].mode = FolderMode.UNREACHABLE
    assert served.go() == ["suspect", "b0"]
    served.finish("suspect", "b0")
    served.offer("b", 10, "b1")
    assert served.go() == ["b1"]


def test_a_claim_that_was_lost_frees_its_bytes() -> None:
    served = Served(100, a=1)
    folder = served.folders["a"]
    served.offer("a", 100, "a0", "a1")
    served.schedule.start_jobs(10, 0.0)
    assert folder.in_flight_bytes == 100 * MIB
    _, work = folder.hand.asked.popleft()  # type: ignore[attr-defined]
    folder.call = None
    released = work().moved("released")
    served.schedule.claimed(folder, released)
    assert folder.in_flight_bytes == 0
    assert served.go() == ["a1"]


def test_once_it_is_closed_nothing_is_started_any_more() -> None:
    served = Served(100, a=1)
    served.offer("a", 10, "a0", "a1")
    served.recover("a", "old")
    served.schedule.close()
    assert served.go() == []
