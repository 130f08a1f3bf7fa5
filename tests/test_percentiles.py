"""Percentiles between samples, and which of them so few samples can't tell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bshm_watchd.bench.percentiles import is_backed, percentile, spread


@pytest.mark.parametrize(("percent", "expected"), [(0, 1.0), (50, 2.5), (75, 3.25), (100, 4.0)])
def test_a_percentile_lies_between_its_neighbours(percent: float, expected: float) -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 100))
def test_percentiles_are_those_of_numpy(samples: list[float], percent: float) -> None:
    assert percentile(samples, percent) == pytest.approx(float(np.percentile(samples, percent)), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("samples", "percent"), [([], 50), ([1.0], 101), ([1.0], -1)])
def test_what_there_is_no_percentile_of_is_an_error(samples: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile(samples, percent)


@pytest.mark.parametrize(
    ("count", "percent", "backed"), [(19, 95, False), (20, 95, True), (99, 99, False), (100, 99, True)]
)
def test_a_percentile_is_told_only_where_a_sample_lies_beyond_it(count: int, percent: float, backed: bool) -> None:
    assert is_backed([1.0] * count, percent) is backed


def test_the_spread_is_half_of_the_middle_half_relative_to_the_median() -> None:
    assert spread([90.0, 95.0, 100.0, 105.0, 110.0]) == pytest.approx(0.05)
    assert spread([0.0, 0.0]) == 0.0
