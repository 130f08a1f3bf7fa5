"""From a drop to its result, by the wall clock."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bshm_watchd.clock import SystemClock
from bshm_watchd.journal import JOURNAL_NAME, Journal
from tests.e2e.program import Program
from tests.support.contracts import Evidence
from tests.support.studio import png

pytestmark = [pytest.mark.e2e, pytest.mark.contract("I5")]

_PHOTOS = 20
_APART_SECONDS = 0.3
_SETTLE_SECONDS = 2.0
_BUSY_MACHINE_SECONDS = 15.0  # that long may others keep the processor


@pytest.mark.parametrize(("watch", "scan_seconds"), [("events", 0.0), ("poll", 5.0)])
def test_a_photo_waits_until_it_has_settled_and_where_no_events_come_for_one_scan(
    tmp_path: Path, evidence: Evidence, watch: str, scan_seconds: float
) -> None:
    program, arrived = Program(tmp_path, watch=watch), {}
    with program.running() as process:
        for number in range(_PHOTOS):
            (program.drop / f"{number}.png").write_bytes(png(number, 200, 300))
            arrived[f"{number}.png"] = time.time()
            time.sleep(_APART_SECONDS)
        program.wait_done(_PHOTOS, 60, process)
    with Journal(program.state_dir / JOURNAL_NAME, SystemClock()) as journal:
        rows = journal.jobs(limit=2 * _PHOTOS)
    seconds = sorted(row.finished_wall - arrived[row.name] for row in rows if row.finished_wall)
    print(f"{watch}: done after {seconds[_PHOTOS // 2]:.2f} s (median), {seconds[-1]:.2f} s at most")
    assert len(seconds) == _PHOTOS
    assert seconds[0] >= _SETTLE_SECONDS
    assert seconds[-1] <= _SETTLE_SECONDS + scan_seconds + _BUSY_MACHINE_SECONDS
    evidence(photos_dropped=_PHOTOS)
