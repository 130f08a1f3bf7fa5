"""The gate before INT8: what passes, and what is said of what does not."""

from __future__ import annotations

import pytest

from bshm_watchd.matting.int8_gate import judged


@pytest.mark.parametrize(
    ("differences", "passed"),
    [
        ([0.0], True),
        ([0.01] * 20, True),
        ([0.011] * 20, False),
        ([0.0] * 19 + [0.05], True),
        ([0.0] * 19 + [0.051], False),
        ([0.05] + [0.0] * 3, False),
    ],
)
def test_it_opens_for_small_means_and_no_bad_photo(differences: list[float], passed: bool) -> None:
    assert judged("fast", {f"{n}.jpg": one for n, one in enumerate(differences)}).passed is passed


def test_a_photo_that_is_no_number_does_not_pass() -> None:
    assert not judged("fast", {"a.jpg": 0.0, "b.jpg": float("nan")}).passed


def test_what_is_missed_is_told_by_how_much_and_with_the_photo() -> None:
    told = judged("fast", {"a.jpg": 0.0, "b.jpg": 0.08}).told()
    assert told.startswith("fast: alpha differs by 0.0400 on average [0.0300 too much: at most 0.01], 0.0800 at worst")
    assert "(b.jpg) [0.0300 too much: at most 0.05], over 2 photos" in told


def test_of_what_passes_nothing_is_said_to_be_too_much() -> None:
    assert "too much" not in judged("fast", {"a.jpg": 0.001}).told()
