"""Photos that keep arriving do not keep each other waiting."""

from __future__ import annotations

from pathlib import Path

from bshm_watchd.events import Hinted
from tests.support.studio import Studio, png

_SETTLE_SECONDS = 2.0  # on a local file system, where the writer probe says that nobody writes
_EVERY_SECONDS = 0.15
_LOOKS_APART_SECONDS = 0.1


def test_two_thousand_photos_arriving_one_by_one_do_not_starve_each_other(fast_path: Path) -> None:
    studio = Studio(fast_path)
    clock, arrived = studio.clock, {}
    with studio.start(once=None) as running:
        running.run(until=lambda: running.daemon.ready)
        for number in range(2000):
            name = f"{number:04}.png"
            (studio.hot / "drop" / name).write_bytes(png(number))
            arrived[name] = clock.wall()
            running.inbox.put(Hinted("portraits", name))
            next_arrival = clock.monotonic() + _EVERY_SECONDS
            while clock.monotonic() < next_arrival:
                wait = running.step()
                clock.advance(min(wait + 0.001, next_arrival - clock.monotonic()) + 1e-6)
        running.run(until=lambda: running.state.is_idle and running.journal.counts("portraits") == {"done": 2000})
        rows = running.journal.jobs(limit=3000)
    latencies = sorted(row.finished_wall - arrived[row.name] for row in rows if row.finished_wall)
    assert len(latencies) == 2000
    assert latencies[-1] <= _SETTLE_SECONDS + 3 * _LOOKS_APART_SECONDS + _EVERY_SECONDS
