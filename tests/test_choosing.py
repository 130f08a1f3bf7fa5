"""Which photos make the next batch: when one is due, which goes first, and that nobody starves."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bshm_watchd.matting.choosing import PATIENCE_BATCHES, Alike, chosen, wait_seconds
from tests.batching import fullest_first, oldest_first, worked_off


@pytest.mark.parametrize(
    ("waiting", "waited", "most", "max_wait", "taken"),
    [
        (1, 0.0, 4, 0.0, 1),  # nobody configured a wait: go
        (3, 0.0, 4, 0.0, 3),
        (4, 0.0, 4, 0.5, 4),  # full: go
        (9, 0.0, 4, 0.5, 4),  # more than full: one batch
        (1, 0.4, 4, 0.5, 0),  # worth waiting
        (3, 0.5, 4, 0.5, 3),  # waited long enough: go with what is there
        (1, 9.0, 1, 0.5, 1),
        (1, 0.0, 1, 0.5, 1),  # a batch of one is always full
    ],
)
def test_when_a_batch_is_due(waiting: int, waited: float, most: int, max_wait: float, taken: int) -> None:
    assert Alike(waiting, most, waited).due(max_wait) == taken


@pytest.mark.parametrize(
    ("shapes", "max_wait", "first"),
    [
        ([], 0.0, None),
        ([Alike(3, 4, 0.1), Alike(2, 4, 0.2)], 0.5, None),  # all are worth waiting for
        ([Alike(1, 4, 9.0), Alike(4, 4, 0.1)], 0.0, 1),  # a full one before an older one
        ([Alike(1, 4, 9.0), Alike(2, 4, 0.1)], 0.0, 1),  # the fuller one
        ([Alike(2, 4, 0.1), Alike(2, 4, 0.2)], 0.0, 1),  # of two as full: the older one
        ([Alike(9, 4, 0.1), Alike(4, 4, 0.2)], 0.0, 1),  # a batch is not fuller than full
        ([Alike(3, 4, 0.1), Alike(1, 1, 0.1)], 0.0, 1),  # where one is all that fits, one is full
        ([Alike(1, 4, 0.1, PATIENCE_BATCHES), Alike(4, 4, 0.2)], 0.0, 0),  # passed over often enough
        ([Alike(1, 4, 0.1, PATIENCE_BATCHES - 1), Alike(4, 4, 0.2)], 0.0, 1),
        ([Alike(1, 4, 0.1, PATIENCE_BATCHES), Alike(1, 4, 0.1, PATIENCE_BATCHES + 1)], 0.0, 1),  # the more often
        ([Alike(3, 4, 0.1), Alike(1, 4, 0.6)], 0.5, 1),  # the only one that is due
    ],
)
def test_which_batch_goes_first(shapes: list[Alike], max_wait: float, first: int | None) -> None:
    assert chosen(shapes, max_wait) == first


def test_the_next_look_is_when_the_first_of_them_has_waited_long_enough() -> None:
    assert wait_seconds([Alike(3, 4, 0.25), Alike(1, 4, 0.125)], 0.5) == 0.25
    assert wait_seconds([], 0.5) is None


@pytest.mark.contract("I5")
@given(st.lists(st.integers(0, 11), max_size=150), st.integers(1, 40), st.integers(1, 8))
def test_nobody_is_passed_over_for_ever_whatever_comes(shapes: list[int], in_flight: int, most: int) -> None:
    """One that has been passed over often enough waits for those that have been so longer, and they are at most one a
    shape: each batch of theirs takes the oldest first.
    """
    queue = worked_off(shapes, in_flight, most, fullest_first)
    assert sum(queue.sizes) == len(shapes)
    assert queue.longest <= PATIENCE_BATCHES + max(12, in_flight)


@pytest.mark.contract("I5")
def test_a_rare_shape_has_its_turn_while_full_batches_of_another_one_keep_coming() -> None:
    queue = worked_off([1] * 8 + [2] + [1] * 400, 12, 4, fullest_first)
    assert 1 in queue.sizes
    assert queue.longest == PATIENCE_BATCHES


def test_photos_of_a_dozen_shapes_make_fuller_batches_than_by_their_age_alone() -> None:
    shapes = random.Random(3).choices(range(12), k=600)
    fullest, oldest = (worked_off(shapes, 12, 4, choose) for choose in (fullest_first, oldest_first))
    assert statistics.mean(fullest.sizes) > 1.1 * statistics.mean(oldest.sizes)


def test_photos_of_one_shape_fill_all_batches() -> None:
    assert worked_off([1] * 22, 12, 4, fullest_first).sizes == [4, 4, 4, 4, 4, 2]
