"""Two scenes of `python -m tests.scale` in a small size: they play, and their bounds hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.scale.figures import Figure, missed
from tests.scale.journal import journal
from tests.scale.waiting import waiting
from tests.support.contracts import Evidence

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.mark.contract("I5", "L5")
@pytest.mark.parametrize(("scene", "files"), [(waiting, 5_000), (journal, 20_000)], ids=["waiting", "journal"])
def test_a_crowd_stays_within_its_bounds(
    tmp_path: Path, evidence: Evidence, scene: Callable[[Path, int], Iterator[Figure]], files: int
) -> None:
    figures = list(scene(tmp_path, files))
    print(*figures, sep="\n")
    assert len(figures) > 10
    assert missed(figures) == []
    evidence(files_checked=files)
