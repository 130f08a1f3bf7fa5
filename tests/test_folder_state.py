"""What is due for a folder, and when; what its trouble means. Times are monotonic seconds."""

from __future__ import annotations

import pytest

from bshm_watchd.folder_calls import Attached
from bshm_watchd.folder_state import HUNG_SECONDS, OFFERS_AHEAD, FolderState, next_lot_size
from bshm_watchd.intake.intake import Offer
from bshm_watchd.jobs import State
from bshm_watchd.status import FolderMode
from tests.support.served import MIB, WaitingHand, a_folder, a_look, an_offer
from tests.support.trees import WALL, a_job

_NEVER = float("inf")


def _watching(now: float = 0.0, *, events: bool = True, **options: object) -> FolderState:
    """Attached and scanned once."""
    folder = a_folder(**options)
    folder.attached(Attached((), events=events, network=False), now)
    folder.saw(a_look(scanned=True, events=events), now)
    return folder


def _asked(folder: FolderState) -> list[str]:
    hand = folder.hand
    assert isinstance(hand, WaitingHand)
    return [call for call, _ in hand.asked]


def test_a_new_folder_is_attached_at_once_and_then_scanned() -> None:
    folder = a_folder()
    folder.mode = FolderMode.STARTING
    assert folder.due(5.0) == "attach"
    folder.ask_attach(5.0)
    assert (folder.due(5.0), folder.next_due(), _asked(folder)) == (None, 5.0 + HUNG_SECONDS, ["attach"])
    folder.call = None
    folder.attached(Attached((), events=True, network=False), 6.0)
    assert (folder.mode, folder.due(6.0)) == (FolderMode.WATCHING, "scan")


@pytest.mark.parametrize(
    ("events", "network", "configured", "seconds"),
    [(True, False, "auto", 30), (False, False, "auto", 5), (True, True, "auto", 5), (True, False, 7, 7)],
)
def test_a_folder_is_scanned_on_a_clock(events: bool, network: bool, configured: object, seconds: float) -> None:
    folder = a_folder(rescan_seconds=configured)
    folder.attached(Attached((), events=events, network=network), 0.0)
    folder.saw(a_look(scanned=True, events=events), 100.0)
    assert folder.due(100.0 + seconds - 0.01) != "scan"
    assert folder.due(100.0 + seconds) == "scan"


@pytest.mark.parametrize(
    ("count", "seconds", "before", "after"),
    [
        (8, 0.01, 8, 16),  # it grows step by step
        (150, 0.1, 150, 200),
        (200, 0.0, 200, 200),
        (200, 4.0, 200, 50),  # as many as take a second
        (8, 60.0, 8, 8),
        (3, 0.01, 8, 8),  # it was not full
        (0, 5.0, 100, 100),
    ],
)
def test_as_many_photos_are_rejected_together_as_take_a_second(
    count: int, seconds: float, before: int, after: int
) -> None:  # fmt: skip
    assert next_lot_size(count, seconds, before) == after


@pytest.mark.parametrize(("took", "pause"), [(0.0, 1.0), (0.05, 1.0), (0.5, 5.0), (3.0, 30.0)])
def test_a_scan_asked_for_waits_for_a_second_and_for_ten_times_as_long_as_the_last_took(
    took: float, pause: float
) -> None:
    folder = a_folder()
    folder.saw(a_look(took, scanned=True), 100.0)
    folder.hinted(None)
    assert folder.due(100.0 + pause - 0.01) != "scan"
    assert folder.next_due() <= 100.0 + pause
    assert folder.due(100.0 + pause) == "scan"


def test_a_slow_scan_may_not_be_followed_by_the_next_at_once() -> None:
    folder = a_folder(rescan_seconds=5)
    folder.saw(a_look(20.0, scanned=True), 100.0)
    assert folder.due(200.0) != "scan"
    assert folder.due(300.0) == "scan"


def test_a_burst_of_hints_is_one_look() -> None:
    folder = _watching()
    for number in range(100):
        folder.hinted(f"{number}.png")
    assert folder.due(0.05) is None
    assert folder.next_due() == pytest.approx(0.1)
    assert folder.due(0.1) == "look"
    folder.ask_look(0.1, scan=False)
    assert (folder.hints, _asked(folder)) == (set(), ["look"])


def test_what_settles_is_looked_at_when_it_does() -> None:
    folder = _watching()
    folder.saw(a_look(next_due=1.5, waiting=1), 0.2)
    assert (folder.due(1.4), folder.next_due(), folder.due(1.5)) == (None, 1.5, "look")


def test_settled_photos_are_fetched_before_the_offers_run_out_and_no_sooner() -> None:
    folder = _watching()
    offers = tuple(an_offer(f"{number}.png", 1) for number in range(OFFERS_AHEAD))
    folder.saw(a_look(offers=offers, ready=50, waiting=50), 1.0)
    assert folder.due(1.2) is None
    for offer in offers[: OFFERS_AHEAD // 2 + 1]:
        folder.offers.remove(offer)
    assert folder.due(1.2) == "look"


@pytest.mark.contract("L5")
def test_a_folder_where_nothing_happens_is_left_alone_for_long() -> None:
    """No busy loop: at most a look every other second, to see whether the root is still there."""
    folder = _watching()
    looks, now = 0, 0.0
    while now < 60:
        now = max(now, folder.next_due())
        due = folder.due(now)
        assert due is not None, f"asked for at {now} and then nothing was due"
        looks += 1
        folder.saw(a_look(scanned=due == "scan"), now)
    assert looks <= 32


def test_a_scan_asked_while_looking_is_not_forgotten_and_one_that_was_done_is() -> None:
    folder = _watching()
    folder.hinted(None)
    folder.ask_look(5.0, scan=False)
    folder.call = None
    assert folder.due(5.0) == "scan"
    folder.ask_look(5.0, scan=True)
    folder.call = None
    folder.saw(a_look(scanned=True), 5.0)
    assert folder.due(6.0) != "scan"


@pytest.mark.contract("D6", "L5")
def test_a_folder_in_trouble_is_tried_again_less_and_less_often() -> None:
    folder = _watching()
    waits, now = [], 100.0
    for _ in range(9):
        folder.trouble(FolderMode.HELD, "disk full", now, while_attaching=True)
        waits.append(folder.next_due() - now)
        assert folder.due(folder.next_due() - 0.01) is None
        now = folder.next_due()
        assert folder.due(now) == "attach"
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_trouble_is_news_once() -> None:
    folder = _watching()
    assert folder.trouble(FolderMode.HELD, "disk full", 1.0)
    assert not folder.trouble(FolderMode.HELD, "disk full", 2.0)
    assert folder.trouble(FolderMode.HELD, "read-only", 3.0)
    assert folder.trouble(FolderMode.UNREACHABLE, "read-only", 4.0)


def test_after_a_photo_was_worked_on_the_next_trouble_is_a_new_one() -> None:
    folder = _watching()
    for now in (1.0, 2.0, 3.0):
        folder.trouble(FolderMode.HELD, "disk full", now)
    folder.attached(Attached((), events=True, network=False), 9.0)
    folder.worked()
    folder.trouble(FolderMode.HELD, "disk full", 10.0)
    assert folder.retry_due == 11.0


def test_a_folder_with_jobs_still_under_way_is_not_attached_under_them() -> None:
    folder = _watching()
    job = a_job(folder.settings, cost_bytes=7 * MIB)
    folder.running[job.id] = job
    folder.trouble(FolderMode.UNREACHABLE, "gone", 0.0)
    assert (folder.due(1000.0), folder.next_due()) == (None, _NEVER)
    folder.running.clear()
    assert folder.due(1000.0) == "attach"


@pytest.mark.contract("I1")
def test_a_scan_that_hung_for_an_hour_does_not_keep_the_folder_deaf_for_ten() -> None:
    folder = _watching()
    folder.trouble(FolderMode.UNREACHABLE, "it does not come back", 10.0)
    folder.saw(a_look(3600.0, scanned=True), 3600.0)
    folder.attached(Attached((), events=True, network=False), 3601.0)
    assert folder.due(3601.0) == "scan"


def test_offers_made_before_a_trouble_are_void() -> None:
    folder = _watching()
    folder.offers.append(an_offer("a.png", 1))
    folder.trouble(FolderMode.HELD, "disk full", 0.0)
    assert folder.next_offer() is None
    folder.attached(Attached((), events=True, network=False), 2.0)
    assert folder.next_offer() is None


@pytest.mark.parametrize(
    ("attaching_since", "oldest_call", "now", "hung"),
    [
        (None, None, 1000.0, False),
        (100.0, None, 110.0, False),
        (100.0, None, 110.1, True),
        (None, 100.0, 110.0, False),
        (None, 100.0, 110.1, True),
        (109.0, 100.0, 110.1, True),
        (109.0, 105.0, 110.1, False),
    ],
)
@pytest.mark.contract("L6")
def test_a_folder_is_hung_when_a_call_has_not_come_back_for_ten_seconds(
    attaching_since: float | None, oldest_call: float | None, now: float, hung: bool
) -> None:
    folder = a_folder()
    if attaching_since is not None:
        folder.ask_attach(attaching_since)
    assert folder.is_hung(now, oldest_call) is hung


def test_a_look_that_takes_long_does_not_wake_the_loop() -> None:
    folder = _watching()
    folder.ask_look(50.0, scan=True)
    assert (folder.due(99.0), folder.next_due()) == (None, _NEVER)


def test_several_jobs_that_meet_one_trouble_count_as_one() -> None:
    folder = _watching()
    for moment in (100.0, 100.1, 100.2, 100.3):
        folder.trouble(FolderMode.HELD, "disk full", moment)
    assert folder.next_due() == 101.0


def test_a_look_alone_does_not_prove_that_the_trouble_is_over() -> None:
    folder = _watching()
    folder.trouble(FolderMode.HELD, "no permission", 100.0)
    folder.attached(Attached((), events=True, network=False), 101.0)
    folder.saw(a_look(), 101.5)
    folder.trouble(FolderMode.HELD, "no permission", 102.0)
    assert folder.next_due() == 104.0
    folder.attached(Attached((), events=True, network=False), 104.0)
    folder.trouble(FolderMode.HELD, "disk full", 999.0)
    assert folder.next_due() == 1000.0, "long after, it is a new trouble"


def test_hints_are_not_gathered_while_the_folder_is_away() -> None:
    folder = _watching()
    folder.trouble(FolderMode.UNREACHABLE, "away", 100.0)
    for number in range(1000):
        folder.hinted(f"{number}.jpg")
    assert folder.hints == set()


@pytest.mark.contract("I1")
def test_a_clock_set_back_strands_no_retry() -> None:
    folder = _watching()
    years = 3 * 365 * 86400
    folder.backlog.append(a_job(folder.settings, state=State.CLAIMED, retry_wall=WALL + years))
    assert folder.next_job(WALL) is folder.backlog[0]


@pytest.mark.contract("L5", "L6")
def test_an_attachment_that_hangs_wakes_the_loop_once_and_then_no_more() -> None:
    folder = _watching()
    folder.ask_attach(50.0)
    assert folder.next_due() == 60.0
    folder.trouble(FolderMode.UNREACHABLE, "it does not come back", 60.1)
    assert (folder.due(99.0), folder.next_due()) == (None, _NEVER)


def test_a_job_waits_for_its_time_and_for_its_folder() -> None:
    folder = _watching()
    folder.backlog.append(a_job(folder.settings, state=State.CLAIMED, retry_wall=WALL + 5))
    assert folder.next_job(WALL) is None
    assert folder.next_job(WALL + 5) is folder.backlog[0]
    folder.trouble(FolderMode.HELD, "disk full", 0.0)
    assert folder.next_job(WALL + 5) is None


def test_photos_of_the_same_name_are_worked_on_one_after_the_other() -> None:
    """The one dropped later gets the later number."""
    folder = _watching()
    first, second = (a_job(folder.settings, "a.png", state=State.CLAIMED, id=f"{n:026d}") for n in (1, 2))
    folder.backlog.extend([second, first])
    folder.offers.extend([an_offer("a.png", 1), an_offer("b.png", 1)])
    assert folder.next_job(WALL) is first
    folder.backlog.drop(first.id)
    folder.running[first.id] = first
    assert folder.next_job(WALL) is None
    offer = folder.next_offer()
    assert offer is not None
    assert offer.relative == "b.png"
    folder.running.clear()
    assert folder.next_job(WALL) is second


@pytest.mark.parametrize("busy", ["hint", "scan", "offer", "backlog", "running", "found", "call", "claiming"])
def test_a_folder_is_idle_only_when_nothing_at_all_can_be_done(busy: str) -> None:
    folder = _watching()
    assert folder.is_idle
    job = a_job(folder.settings)
    {
        "hint": lambda: folder.hinted("a.png"),
        "scan": lambda: folder.hinted(None),
        "offer": lambda: folder.offers.append(an_offer("a.png", 1)),
        "backlog": lambda: folder.backlog.append(job),
        "running": lambda: folder.running.update({job.id: job}),
        "found": lambda: folder.found.append(job),
        "call": lambda: folder.ask_look(1.0, scan=False),
        "claiming": lambda: folder.ask_claim(_offered(folder), 1, None, 1.0),
    }[busy]()
    assert not folder.is_idle


def _offered(folder: FolderState) -> Offer:
    folder.offers.append(an_offer("a.png", 1))
    return folder.offers[0]


def test_photos_that_can_not_be_taken_do_not_keep_a_folder_busy() -> None:
    folder = _watching()
    folder.saw(a_look(waiting=2, left=2), 1.0)
    assert folder.is_idle
    folder.saw(a_look(waiting=3, left=2), 2.0)
    assert not folder.is_idle


def test_nothing_is_asked_of_a_folder_before_its_found_jobs_are_judged() -> None:
    folder = _watching()
    folder.attached(Attached((a_job(folder.settings),), events=True, network=False), 1.0)
    assert (folder.due(1.0), folder.next_due()) == (None, _NEVER)
    folder.ask_commit({}, 2.0)
    assert folder.due(2.0) == "scan"


def test_found_jobs_that_nobody_judged_go_on_and_the_others_wait_for_their_record() -> None:
    folder = _watching()
    first, second = (a_job(folder.settings, id=f"{n:026d}") for n in (1, 2))
    folder.found = [first, second]
    folder.ask_commit({second.id: second}, 1.0)
    assert (list(folder.backlog), folder.found, _asked(folder)) == ([first], [], ["commit"])
