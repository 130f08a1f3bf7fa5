"""The soak as a test: ten minutes, or what BSHM_WATCHD_SOAK_MINUTES says."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.soak.soak import soak
from tests.support.contracts import Evidence

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts disks: needs root"),
    pytest.mark.skipif(shutil.which("bindfs") is None, reason="needs bindfs: apt-get install bindfs"),
]


@pytest.mark.contract("I1", "I7", "D1", "D3", "D4", "D6", "L3", "L6", "O3")
def test_whatever_happens_around_it_nothing_is_lost_doubled_or_hoarded(tmp_path: Path, evidence: Evidence) -> None:
    minutes = float(os.environ.get("BSHM_WATCHD_SOAK_MINUTES", "10"))
    soaked = soak(tmp_path, minutes * 60, seed="1", say=print)
    assert soaked.photos > 20 * minutes
    assert soaked.troubles > 2 * minutes
    evidence(
        photos_dropped=soaked.photos, troubles=soaked.troubles, lives=soaked.lives, files_checked=soaked.files_checked
    )
