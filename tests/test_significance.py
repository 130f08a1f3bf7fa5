"""Permutation tests: exact where all ways can be tried, never p = 0, right about as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from bshm_watchd.bench.significance import least_p_of_pairs, least_p_of_ranks, pairs_differ, ranks_differ


def test_two_rows_that_do_not_overlap_are_as_uneven_as_only_two_ways_of_dealing_make_them() -> None:
    assert ranks_differ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10]) == pytest.approx(2 / 252)  # 10 over 5 ways


def test_p_is_that_of_mann_and_whitney_s_exact_table() -> None:
    assert ranks_differ([1, 2, 4, 6], [3, 5, 7, 8, 9]) == pytest.approx(2 * 7 / 126)  # U = 3 of 4 and 5


def test_one_slow_outlier_changes_nothing() -> None:
    old, new = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5], [1.05, 1.15, 1.25, 1.35, 1.45, 900.0]
    assert ranks_differ(old, new) > 0.3


def test_equal_samples_are_not_told_apart() -> None:
    assert ranks_differ([1.0] * 6, [1.0] * 6) == 1.0
    assert pairs_differ([0.0] * 8) == 1.0


def test_the_order_of_old_and_new_makes_no_difference() -> None:
    old, new = [3.0, 1.0, 4.0, 1.0, 5.0], [9.0, 2.0, 6.0, 5.0, 3.0]
    assert ranks_differ(old, new) == ranks_differ(new, old)


def test_pairs_that_all_got_worse_are_as_uneven_as_two_ways_of_giving_signs() -> None:
    assert pairs_differ([0.1, 0.3, 0.2, 0.4, 0.05, 0.6, 0.7, 0.8]) == pytest.approx(2 / 256)


def test_pairs_that_went_either_way_are_not_told_from_chance() -> None:
    assert pairs_differ([0.1, -0.1, 0.2, -0.2, 0.05, -0.05]) == 1.0


def test_of_many_samples_p_is_small_and_never_nothing() -> None:
    assert 0 < ranks_differ(list(range(100)), list(range(200, 300))) <= least_p_of_ranks(100, 100)
    assert 0 < pairs_differ([1.0] * 100) <= least_p_of_pairs(100)


def test_the_same_samples_give_the_same_p() -> None:
    chance = np.random.default_rng(5)
    old, new = list(chance.normal(1, 0.1, 60)), list(chance.normal(1.02, 0.1, 60))
    assert ranks_differ(old, new) == ranks_differ(old, new)


@pytest.mark.parametrize("count", [5, 30])
def test_where_nothing_changed_p_is_below_a_tenth_about_once_in_ten(count: int) -> None:
    chance = np.random.default_rng(11)
    found = [ranks_differ(list(chance.normal(1, 0.2, count)), list(chance.normal(1, 0.2, count))) for _ in range(60)]
    assert 1 <= sum(p <= 0.1 for p in found) <= 12


@pytest.mark.parametrize(("old", "new"), [([], [1.0]), ([1.0], [])])
def test_nothing_to_compare_is_an_error(old: list[float], new: list[float]) -> None:
    with pytest.raises(ValueError, match="no samples"):
        ranks_differ(old, new)


@pytest.mark.parametrize(("old", "new", "least"), [(1, 1, 1.0), (3, 3, 0.1), (5, 5, 2 / 252)])
def test_few_samples_can_t_give_a_small_p(old: int, new: int, least: float) -> None:
    assert least_p_of_ranks(old, new) == pytest.approx(least)
