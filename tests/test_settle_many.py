from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bshm_watchd.disk.probe import Writer
from bshm_watchd.intake.settle import Quiet, SettleTracker, Step
from bshm_watchd.jobs import Stamp

WALL = 1_790_000_000.0
S1 = Stamp(1, 1, 100, int(WALL * 1e9), int(WALL * 1e9))


def stamp(size: int, *, ctime: float) -> Stamp:
    return Stamp(1, 1, size, int(WALL * 1e9), int(ctime * 1e9))


def tracker() -> SettleTracker:
    return SettleTracker(Quiet(), 60.0)


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


@pytest.mark.contract("L5")
@pytest.mark.parametrize(("count", "looks_each"), [(1, 60), (1000, 60), (20_000, 15)])
def test_a_crowd_that_does_not_get_ready_is_looked_at_more_rarely_than_a_few(count: int, looks_each: int) -> None:
    """Empty files, for ten minutes: every ten seconds, but all together no more than five hundred times a second."""
    many, empty, looks = tracker(), replace(S1, size=0), 0
    many.add([f"{number}.jpg" for number in range(count)], 0)
    for second in range(600):
        while due := many.due(second, 10_000):
            looks += len(due)
            for path in due:
                many.observed(path, empty, second, WALL)
    assert 0.9 * looks_each <= looks / count <= 1.2 * looks_each + 4


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
        while settled := many.take_settled():
            settled_at[settled] = now - int(settled.split(".")[0]) * 0.15
            many.taken(settled, now)
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
