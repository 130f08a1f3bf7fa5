"""Which mattes somebody should look at."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bshm_watchd.matting.doubt import doubt


def alpha(*boxes: tuple[int, int, int, int], height: int = 600, width: int = 900) -> NDArray[np.uint8]:
    """A matte with these boxes (top, left, height, width) opaque."""
    picture = np.zeros((height, width), np.uint8)
    for top, left, tall, wide in boxes:
        picture[top : top + tall, left : left + wide] = 255
    return picture


def reason(matte: NDArray[np.uint8]) -> str | None:
    problem = doubt(matte)
    return problem and problem.reason


def test_a_person_is_no_doubt() -> None:
    assert reason(alpha((100, 300, 500, 250))) is None


@pytest.mark.parametrize("people", [2, 3, 5, 15])
def test_people_apart_from_each_other_are_no_doubt(people: int) -> None:
    assert reason(alpha(*((200, 20 + 55 * one, 400, 40) for one in range(people)))) is None


def test_a_matte_with_hardly_anybody_is_empty() -> None:
    found = doubt(alpha((0, 0, 60, 40)))  # 0.44 %
    assert found is not None and (found.reason, found.message) == (
        "empty", "nobody was found: the matte covers 0.44% of the picture",
    )  # fmt: skip
    assert reason(alpha((0, 0, 60, 46))) is None  # 0.51 %


def test_a_haze_over_everything_is_not_taken_for_somebody() -> None:
    assert reason(np.full((50, 70), 1, np.uint8)) == "empty"


def test_a_matte_in_pieces_is_fragmented() -> None:
    crumbs = [(40 * row, 45 * column, 20, 20) for row in range(14) for column in range(10)]
    assert reason(alpha((100, 600, 400, 200), *crumbs)) == "fragmented"


def test_a_crumb_beside_a_person_is_no_doubt() -> None:
    assert reason(alpha((100, 300, 500, 250), (10, 10, 60, 60))) is None


def test_a_matte_that_decides_too_little_is_told() -> None:
    found = doubt(alpha((100, 300, 500, 250)) // 2)
    assert found is not None and found.reason == "undecided" and "100%" in found.message


def test_soft_edges_are_no_doubt() -> None:
    assert reason(cv2.GaussianBlur(alpha((100, 300, 500, 250)), (0, 0), 4)) is None


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_any_size_is_judged(size: tuple[int, int]) -> None:
    assert reason(np.full(size, 255, np.uint8)) is None
    assert reason(np.zeros(size, np.uint8)) == "empty"
