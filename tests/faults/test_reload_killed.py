"""Dying around a reload."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from pathlib import Path

import pytest

from bshm_watchd.disk.ops import Disk
from bshm_watchd.ending import EXIT_FINE
from tests.support import invariants
from tests.support.contracts import Evidence
from tests.support.disks import Died, DyingDisk
from tests.support.reloading import stopped
from tests.support.studio import Studio
from tests.support.workers import HeldWorkers

pytestmark = pytest.mark.contract("O4")


@pytest.mark.contract("I8", "D4")
def test_dying_at_any_change_around_a_reload_converges(fast_path: Path, evidence: Evidence) -> None:
    """A photo in work, one that waits, a folder changed and another added, in one reload.

    At every eleventh change; BSHM_WATCHD_POINTS_APART=1 dies at each.
    """
    apart = int(os.environ.get("BSHM_WATCHD_POINTS_APART", "11"))
    killed = 0
    for at in itertools.count(0, apart):
        studio = Studio(fast_path / str(at), others={"weddings": ""})
        disk = DyingDisk(at)
        with contextlib.suppress(Died):
            _reload_under_load(studio, disk)
        for tree in studio.trees.values():
            invariants.each_original_is_in_one_place(tree)
        assert studio.run() == EXIT_FINE
        invariants.check(studio)
        shutil.rmtree(studio.base)
        if not disk.dead:
            break
        killed += 1
    assert killed > 150 // apart
    evidence(points_killed=killed, reloads=killed)


def _reload_under_load(studio: Studio, disk: Disk) -> None:
    weddings = studio.trees.pop("weddings")
    studio.drop("a.png")
    with studio.start(disk, once=None, workers=HeldWorkers) as running:
        running.run(until=lambda: bool(running.workers.started))
        studio.trees["weddings"] = weddings
        studio.portraits.extra = "    weight: 3\n    permissions: {strict: true}\n"
        weddings.drop("c.png")
        studio.drop("b.png")
        running.reload()
        for count in (1, 2, 3):
            running.run(until=lambda: bool(running.workers.started))
            running.workers.finish(running.workers.started[0])
            running.step()
            assert running.daemon.tally.count("done") == count  # type: ignore[arg-type]
        assert stopped(running) == EXIT_FINE
