"""Damaged photos through the whole way that foreign bytes go. Long runs: `python -m tests.fuzz`."""

from __future__ import annotations

import pytest

from tests.fuzz.fuzzing import ALLOWED_BYTES, REASONS, fuzz
from tests.fuzz.mutations import damaged
from tests.fuzz.photos import PHOTOS
from tests.support.contracts import Evidence

_INPUTS = 4000


@pytest.mark.slow
@pytest.mark.contract("S1", "L3")
def test_every_damaged_photo_gives_a_photo_or_a_reason_within_its_memory_and_time(evidence: Evidence) -> None:
    course = fuzz(range(_INPUTS), PHOTOS)
    assert course.violations == []
    assert course.peak_bytes < ALLOWED_BYTES
    assert course.photos > _INPUTS / 10  # much of the damage goes deep
    assert course.refused.keys() >= REASONS
    evidence(inputs_decoded=course.inputs)


def test_the_same_number_gives_the_same_damage() -> None:
    assert [damaged(number, PHOTOS) for number in range(50)] == [damaged(number, PHOTOS) for number in range(50)]
