"""Photos that keep arriving do not keep each other waiting.

With more of them: BSHM_WATCHD_ARRIVALS=10000 pytest -s tests/test_arrivals.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bshm_watchd.events import Hinted
from tests.support.contracts import Evidence
from tests.support.studio import Studio, png

_SETTLE_SECONDS = 2.0  # on a local file system, where the writer probe says that nobody writes
_EVERY_SECONDS = 0.15
_PHOTOS = int(os.environ.get("BSHM_WATCHD_ARRIVALS", "1000"))
_RESCAN_SECONDS = 5.0  # where no events come
_LOOKS_APART_SECONDS = 0.1


@pytest.mark.contract("I5")
@pytest.mark.parametrize(
    ("count", "hints", "found_within_seconds"),
    [(_PHOTOS, True, 0.0), (_PHOTOS // 4, False, _RESCAN_SECONDS)],
    ids=["with hints", "with scans alone"],
)
def test_photos_arriving_one_by_one_do_not_starve_each_other(
    fast_path: Path, evidence: Evidence, count: int, hints: bool, found_within_seconds: float
) -> None:
    """Each is done once it has settled; a scan comes before that where no event told of it."""
    studio = Studio(fast_path)
    clock, arrived = studio.clock, {}
    with studio.start(once=None) as running:
        running.run(until=lambda: running.daemon.ready)
        for number in range(count):
            name = f"{number:04}.png"
            (studio.hot / "drop" / name).write_bytes(png(number))
            arrived[name] = clock.wall()
            if hints:
                running.inbox.put(Hinted("portraits", name))
            running.live(_EVERY_SECONDS)
        running.run(until=lambda: running.state.is_idle and running.journal.counts("portraits") == {"done": count})
        rows = running.journal.jobs(limit=2 * count)
    latencies = sorted(row.finished_wall - arrived[row.name] for row in rows if row.finished_wall)
    print(f"{count} photos, done after {latencies[count // 2]:.2f} s (median), {latencies[-1]:.2f} s at most")
    assert len(latencies) == count
    assert latencies[-1] <= _SETTLE_SECONDS + found_within_seconds + 3 * _LOOKS_APART_SECONDS + _EVERY_SECONDS
    evidence(photos_dropped=count)
