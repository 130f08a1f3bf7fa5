from __future__ import annotations

import pytest

from bshm_watchd.disk.probe import Writer
from bshm_watchd.intake.settle import Quiet, SettleTracker, Step
from bshm_watchd.jobs import Stamp

WALL = 1_790_000_000.0
NETWORK = Quiet(10, 10, 10)


def stamp(size: int = 100, *, inode: int = 1, mtime: float = WALL, ctime: float = WALL) -> Stamp:
    return Stamp(1, inode, size, int(mtime * 1e9), int(ctime * 1e9))


def tracker(quiet: Quiet | None = None, **options: bool) -> SettleTracker:
    return SettleTracker(quiet or Quiet(), 60.0, **options)


class Seen:
    """One path and its life: `at(second, stamp, writer)` observes if, and only if, it is due."""

    def __init__(self, quiet: Quiet | None = None, **options: bool) -> None:
        self.tracker = tracker(quiet, **options)
        self.tracker.add(["a.jpg"], 0.0)
        self.wall_ahead = 0.0

    def at(self, now: float, found: Stamp, writer: Writer = Writer.FREE) -> str:
        steps = []
        for path in self.tracker.due(now, 10):
            step = self.tracker.observed(path, found, now, WALL + now + self.wall_ahead)
            steps.append(step)
            if step is Step.QUIET:
                self.tracker.probed(path, writer, now)
        if self.tracker.settled_count:
            return "settled"
        return steps[-1].value if steps else "not due"

    def inspected_incomplete(self, now: float) -> bool:
        path = self.tracker.take_settled()
        assert path is not None
        return self.tracker.incomplete(path, now)


F, U, B = Writer.FREE, Writer.UNKNOWN, Writer.BUSY
S1, S2 = stamp(100), stamp(200, mtime=WALL + 1, ctime=WALL + 1)


@pytest.mark.contract("I2")
@pytest.mark.parametrize(
    ("quiet", "looks"),
    [
        (None, [(0, S1, F, "wait"), (1.9, S1, F, "not due"), (2, S1, F, "settled")]),
        (None, [(0, S1, U, "wait"), (2, S1, U, "quiet"), (4.9, S1, U, "not due"), (5, S1, U, "settled")]),
        (None, [(0, S1, B, "wait"), (2, S1, B, "quiet"), (3.9, S1, F, "not due"), (4, S1, F, "settled")]),
        (None, [(0, S1, F, "wait"), (2, S2, F, "wait"), (3.9, S2, F, "not due"), (4, S2, F, "settled")]),
        (None, [(0, stamp(0), F, "wait"), (2, stamp(0), F, "empty"), (99, stamp(0), F, "empty")]),
        (None, [(0, S1, F, "wait"), (2, stamp(100, inode=2), F, "wait"), (4, stamp(100, inode=2), F, "settled")]),
        (None, [(0, S1, F, "wait"), (2, stamp(100, ctime=WALL + 1), F, "wait")]),
        (None, [(0, S1, F, "wait"), (1000, S1, F, "settled")]),
        (NETWORK, [(0, S1, F, "wait"), (5, S1, F, "wait"), (9.9, S1, F, "not due"), (10, S1, F, "settled")]),
        (NETWORK, [(0, S1, U, "wait"), (10, S1, U, "settled")]),
        (NETWORK, [(0, S1, F, "wait"), (5, S2, F, "wait"), (14.9, S2, F, "wait"), (15, S2, F, "settled")]),
        (NETWORK, [(0, S1, B, "wait"), (10, S1, B, "quiet"), (19, S1, F, "not due"), (20, S1, F, "settled")]),
        (Quiet(0.5, 0.5, 0.5), [(0, S1, U, "wait"), (0.5, S1, U, "settled")]),
    ],
)
def test_a_file_settles_when_it_has_kept_still(
    quiet: Quiet | None, looks: list[tuple[float, Stamp, Writer, str]]
) -> None:
    seen = Seen(quiet)
    assert [(now, seen.at(now, found, writer)) for now, found, writer, _ in looks] == [
        (now, outcome) for now, _, _, outcome in looks
    ]


def test_a_hint_starts_the_clock_of_its_own_path_again() -> None:
    both = tracker()
    both.add(["a.jpg", "b.jpg"], 0)
    for path in both.due(0, 10):
        both.observed(path, S1, 0, WALL)
    both.hint("a.jpg", 1)
    assert both.due(1, 10) == ["a.jpg"]
    both.observed("a.jpg", S1, 1, WALL)
    assert both.due(2, 10) == ["b.jpg"]
    assert both.observed("b.jpg", S1, 2, WALL) is Step.QUIET
    assert both.due(3, 10) == ["a.jpg"]
    assert both.observed("a.jpg", S1, 3, WALL) is Step.QUIET


def test_a_hint_takes_a_settled_file_back() -> None:
    seen = Seen()
    seen.at(0, S1)
    assert seen.at(2, S1) == "settled"
    seen.tracker.hint("a.jpg", 2.5)
    assert seen.tracker.take_settled() is None
    assert (seen.at(2.5, S1), seen.at(4.5, S1)) == ("wait", "settled")


def test_an_offered_file_is_offered_once_and_again_after_it_is_put_back() -> None:
    seen = Seen()
    seen.at(0, S1)
    seen.at(2, S1)
    assert [seen.tracker.take_settled(), seen.tracker.take_settled()] == ["a.jpg", None]
    seen.tracker.hint("a.jpg", 3)
    assert seen.tracker.due(3, 10) == []
    seen.tracker.restart("a.jpg", 4)
    assert (seen.at(4, S1), seen.at(6, S1)) == ("wait", "settled")
    assert seen.tracker.take_settled() == "a.jpg"


def test_a_hint_during_the_claim_is_about_the_next_file_of_that_name() -> None:
    seen = Seen()
    seen.at(0, S1)
    seen.at(2, S1)
    seen.tracker.take_settled()
    seen.tracker.hint("a.jpg", 3)
    seen.tracker.taken("a.jpg", 4)
    assert "a.jpg" in seen.tracker and seen.tracker.due(4, 10) == ["a.jpg"]
    seen.tracker.forget("a.jpg")
    assert len(seen.tracker) == seen.tracker.waiting_count == 0


@pytest.mark.contract("I2")
def test_an_incomplete_file_has_until_sixty_seconds_after_its_last_change() -> None:
    seen = Seen()
    seen.at(0, S1)
    seen.at(2, S1)
    assert not seen.inspected_incomplete(2)
    grown = stamp(150, mtime=WALL + 30, ctime=WALL + 30)
    assert [seen.at(30, grown), seen.at(32, grown)] == ["wait", "settled"]
    assert not seen.inspected_incomplete(32)
    assert [seen.at(now, grown) for now in (40, 50, 60, 80, 89.9)].count("settled") == 0
    assert seen.at(91, grown) == "settled"  # to be inspected once more before it is rejected
    assert seen.inspected_incomplete(91)


@pytest.mark.contract("I2")
@pytest.mark.parametrize("ahead_seconds", [600.0, 1e9, -600.0])
def test_a_clock_that_is_wrong_or_set_right_makes_no_growing_file_old(ahead_seconds: float) -> None:
    """A share's clock may go minutes behind ours, and ours jumps when it is set at boot."""
    seen = Seen()
    seen.at(0, S1)
    seen.wall_ahead = ahead_seconds
    assert [seen.at(2, S2), seen.at(4, S2)] == ["wait", "settled"]
    assert not seen.inspected_incomplete(4)
    assert [seen.at(now, S2) for now in (20, 40, 61)].count("settled") == 0
    assert seen.at(62, S2) == "settled"
    assert seen.inspected_incomplete(62)


def test_an_old_incomplete_file_is_rejected_at_its_first_settle() -> None:
    seen, old = Seen(), stamp(100, ctime=WALL - 3600)
    seen.at(0, old)
    seen.at(2, old)
    assert seen.inspected_incomplete(2)


@pytest.mark.contract("I2")
def test_an_incomplete_file_somebody_holds_open_is_not_given_up() -> None:
    seen = Seen()
    seen.at(0, S1)
    seen.at(2, S1)
    assert not seen.inspected_incomplete(2)
    assert [seen.at(now, S1, Writer.BUSY) for now in (100, 200, 300)].count("settled") == 0
    assert seen.at(400, S1, Writer.FREE) == "settled"


def test_false_hints_do_not_keep_an_incomplete_file_for_ever() -> None:
    seen = Seen()
    now = 0.0
    while now < 61:
        seen.tracker.hint("a.jpg", now)
        seen.at(now, S1)
        now += 3
        if seen.at(now, S1) == "settled" and seen.inspected_incomplete(now):
            return
    pytest.fail("it is still waited for after a minute without a change")


@pytest.mark.contract("I2")
def test_a_tail_of_zeros_extends_the_stillness_once() -> None:
    seen = Seen()
    seen.at(0, S1)
    seen.at(2, S1)
    path = seen.tracker.take_settled()
    assert path is not None and seen.tracker.extend(path, 2)
    assert [seen.at(5, S1), seen.at(9.9, S1), seen.at(10, S1)] == ["not due", "not due", "settled"]
    path = seen.tracker.take_settled()
    assert path is not None and not seen.tracker.extend(path, 10)


def test_a_tail_of_zeros_changes_nothing_on_a_network_or_where_a_number_is_configured() -> None:
    for quiet in (NETWORK, Quiet(1, 1, 1)):
        seen = Seen(quiet)
        seen.at(0, S1)
        assert seen.at(quiet.free_seconds, S1) == "settled"
        path = seen.tracker.take_settled()
        assert path is not None and not seen.tracker.extend(path, quiet.free_seconds)


# -- ready: rename


def test_a_renamed_file_settles_as_usual() -> None:
    seen, renamed = Seen(renamed_only=True), stamp(100, mtime=WALL - 5, ctime=WALL)
    assert [seen.at(0, renamed), seen.at(2, renamed)] == ["wait", "settled"]


@pytest.mark.contract("I2")
def test_a_file_written_in_place_is_left_until_a_rename_brings_another() -> None:
    seen = Seen(renamed_only=True)
    seen.at(0, S1)
    seen.at(2, S2)
    assert [seen.at(now, S2) for now in (4, 100, 1000)] == ["in_place", "in_place", "in_place"]
    touched = stamp(200, mtime=WALL + 1, ctime=WALL + 500)
    assert [seen.at(1100, touched), seen.at(1200, touched)] == ["wait", "in_place"]
    other = stamp(200, inode=2, mtime=WALL, ctime=WALL + 1300)
    assert [seen.at(1300, other), seen.at(1302, other)] == ["wait", "settled"]


def test_a_rename_without_a_trace_settles_after_the_longest_wait() -> None:
    seen = Seen(renamed_only=True)
    assert [seen.at(0, S1), seen.at(2, S1), seen.at(59, S1), seen.at(60.5, S1)] == ["wait", "wait", "wait", "settled"]


def test_a_backlog_settles_at_once_where_only_renamed_files_are_taken() -> None:
    seen, old = Seen(renamed_only=True), stamp(100, mtime=WALL - 900, ctime=WALL - 900)
    assert [seen.at(0, old), seen.at(2, old)] == ["wait", "settled"]


@pytest.mark.contract("I1")
def test_a_wall_clock_that_jumps_forward_does_not_make_a_half_photo_old() -> None:
    settling = tracker()
    settling.add(["a.jpg"], 0.0)
    assert settling.observed("a.jpg", S1, 0.0, WALL) is Step.WAIT
    assert settling.observed("a.jpg", S1, 2.0, WALL + 7200) is Step.QUIET
    settling.probed("a.jpg", Writer.FREE, 2.0)
    assert settling.take_settled() == "a.jpg"
    assert not settling.incomplete("a.jpg", 2.0)
