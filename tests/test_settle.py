from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bshm_watchd.intake.probe import Writer
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

    def at(self, now: float, found: Stamp, writer: Writer = Writer.FREE) -> str:
        steps = []
        for path in self.tracker.due(now, 10):
            step = self.tracker.observed(path, found, now, WALL + now)
            steps.append(step)
            if step is Step.QUIET:
                self.tracker.probed(path, writer, now)
        if self.tracker.settled_count:
            return "settled"
        return steps[-1].value if steps else "not due"

    def inspected_incomplete(self, now: float) -> bool:
        path = self.tracker.take_settled()
        assert path is not None
        return self.tracker.incomplete(path, now, WALL + now)


F, U, B = Writer.FREE, Writer.UNKNOWN, Writer.BUSY
S1, S2 = stamp(100), stamp(200, mtime=WALL + 1, ctime=WALL + 1)


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
        (NETWORK, [(0, S1, F, "wait"), (9.9, S1, F, "not due"), (10, S1, F, "settled")]),
        (NETWORK, [(0, S1, U, "wait"), (10, S1, U, "settled")]),
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


def test_an_old_incomplete_file_is_rejected_at_its_first_settle() -> None:
    seen, old = Seen(), stamp(100, ctime=WALL - 3600)
    seen.at(0, old)
    seen.at(2, old)
    assert seen.inspected_incomplete(2)


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


# -- many


def observe_all(many: SettleTracker, now: float) -> int:
    seen = 0
    while due := many.due(now, 1000):
        for path in due:
            seen += 1
            if many.observed(path, S1, now, WALL) is Step.QUIET:
                many.probed(path, Writer.FREE, now)
    return seen


def test_files_are_offered_first_seen_first_then_in_natural_order() -> None:
    many = tracker()
    many.add({"b10.jpg", "b2.jpg", "b1.jpg"}, 0)
    many.add({"a.jpg"}, 1)
    observe_all(many, 1)
    observe_all(many, 3)
    many.restart("b1.jpg", 3)
    observe_all(many, 3)
    observe_all(many, 5)
    assert [many.take_settled() for _ in range(5)] == ["b1.jpg", "b2.jpg", "b10.jpg", "a.jpg", None]


def test_a_stream_of_new_files_starves_nobody() -> None:
    many, settled_at = tracker(), {}
    now = 0.0
    for number in range(400):
        now = number * 0.15
        many.add([f"{number}.jpg"], now)
        many.hint("growing.jpg", now)
        for path in many.due(now, 3):
            if many.observed(path, S1, now, WALL) is Step.QUIET:
                many.probed(path, Writer.FREE, now)
        while path := many.take_settled():
            settled_at[path] = now - int(path.split(".")[0]) * 0.15
            many.taken(path, now)
    assert len(settled_at) > 380
    assert max(settled_at.values()) < 2.5


def test_hints_by_the_thousand_do_not_grow_the_memory() -> None:
    one = tracker()
    one.add(["a.jpg"], 0)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(5000):
        now = number / 100
        one.hint("a.jpg", now)
        for path in one.due(now, 10):
            one.observed(path, S1, now, WALL)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 10_000


def test_a_hundred_thousand_waiting_files_are_small_and_asking_what_is_due_is_cheap() -> None:
    tracemalloc.start()
    many = tracker()
    many.add((f"IMG_{number:06}.jpg" for number in range(100_000)), 0)
    for path in many.due(0, 100_000):
        number = int(path[4:10])
        many.observed(
            path, Stamp(1 << 40, (1 << 41) + number, 10**7 + number, 10**18 + number, 10**18 + number), 0, WALL
        )
    size = tracemalloc.get_traced_memory()[0] / 100_000
    tracemalloc.stop()
    assert many.due(1.9, 100) == [] and many.next_due(1.9) == 2.0
    assert size < 1000


class AnyLife(RuleBasedStateMachine):
    """Whatever happens: what settles kept still for long enough, unhinted, and nothing is ever forgotten."""

    paths = ("a.jpg", "b.jpg", "c.jpg")

    def __init__(self) -> None:
        super().__init__()
        self.tracker = tracker()
        self.now = 0.0
        self.sizes = dict.fromkeys(self.paths, 1)
        self.disturbed = dict.fromkeys(self.paths, 0.0)
        self.offered: set[str] = set()
        self.tracker.add(self.paths, 0.0)

    @rule(seconds=st.sampled_from([0.1, 0.7, 1.0, 2.0, 3.3, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(path=st.sampled_from(paths))
    def it_grows(self, path: str) -> None:
        self.sizes[path] += 1
        self.disturbed[path] = self.now

    @rule(path=st.sampled_from(paths))
    def a_hint_comes(self, path: str) -> None:
        self.tracker.hint(path, self.now)
        if path not in self.offered:
            self.disturbed[path] = self.now

    @rule(writer=st.sampled_from(Writer), limit=st.integers(1, 3))
    def what_is_due_is_observed(self, writer: Writer, limit: int) -> None:
        for path in self.tracker.due(self.now, limit):
            assert path not in self.offered
            found = stamp(self.sizes[path], ctime=WALL + self.disturbed[path])
            if self.tracker.observed(path, found, self.now, WALL + self.now) is Step.QUIET:
                self.tracker.probed(path, writer, self.now)
                if writer is Writer.BUSY:
                    self.disturbed[path] = max(self.disturbed[path], self.now)

    @rule()
    def one_is_offered(self) -> None:
        path = self.tracker.take_settled()
        if path is not None:
            assert path not in self.offered
            seen = self.tracker.stamp(path)
            assert seen is not None
            if seen.size == self.sizes[path]:  # else the last look before the offer tells
                assert self.now >= self.disturbed[path] + 2.0 - 1e-9
            self.offered.add(path)

    @rule(path=st.sampled_from(paths))
    def one_is_put_back(self, path: str) -> None:
        if path in self.offered:
            self.offered.discard(path)
            self.tracker.restart(path, self.now)
            self.disturbed[path] = self.now

    @invariant()
    def nothing_is_forgotten(self) -> None:
        assert set(self.tracker) == set(self.paths)
        assert self.tracker.waiting_count == len(self.paths) - len(self.offered)
        if self.tracker.waiting_count > self.tracker.settled_count:
            assert self.tracker.next_due(self.now) is not None


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
