"""How the answers of several networks become one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from pydantic import ValidationError

from bshm_watchd.matting.fusion import fused
from bshm_watchd.matting.fusion_rule import FusionRule

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha

PLAIN = FusionRule(low=0, high=1)


def flat(value: int) -> Alpha:
    return np.full((3, 4), value, np.uint8)


def one(*values: int, rule: FusionRule = PLAIN) -> int:
    (value,) = np.unique(fused([flat(value) for value in values], rule))
    return int(value)


@pytest.mark.parametrize("value", [0, 1, 90, 128, 254, 255])
def test_networks_that_agree_are_believed(value: int) -> None:
    assert one(value, value, value) == pytest.approx(value, abs=1)


def test_two_that_contradict_each_other_equally_leave_it_open() -> None:
    assert one(0, 255) in (127, 128)


def test_the_surer_of_two_wins() -> None:
    assert one(255, 100) > 200
    assert one(0, 155) < 55


def test_a_heavier_one_wins_over_two_light_ones() -> None:
    assert one(255, 0, 0, rule=FusionRule(weights=(3, 1, 1), low=0, high=1)) > 128
    assert one(255, 0, 0, rule=FusionRule(weights=(1, 1, 1), low=0, high=1)) < 128


def test_only_the_ratio_of_weights_counts() -> None:
    assert one(200, 90, rule=FusionRule(weights=(4, 2), low=0, high=1)) == one(
        200, 90, rule=FusionRule(weights=(0.4, 0.2), low=0, high=1)
    )


def test_what_is_below_and_above_the_stretch_is_background_and_person() -> None:
    rule = FusionRule(low=0.2, high=0.8)
    assert [one(value, rule=rule) for value in (0, 50, 128, 205, 255)] == [0, 0, 128, 255, 255]


def test_each_pixel_is_fused_for_itself() -> None:
    left, right = flat(0), flat(255)
    left[0, 0], right[2, 3] = 255, 0
    alpha = fused([left, right], PLAIN)
    assert alpha.shape == (3, 4)
    assert alpha.dtype == np.uint8
    assert (int(alpha[0, 0]), int(alpha[2, 3])) == pytest.approx((255, 0), abs=1)
    assert int(alpha[1, 1]) in (127, 128)


def test_weights_that_do_not_fit_the_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="argument 2 is longer"):
        fused([flat(0)], FusionRule(weights=(1, 1), low=0, high=1))


def test_a_stretch_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(ValidationError, match="low must be less than high"):
        FusionRule(low=0.8, high=0.2)
