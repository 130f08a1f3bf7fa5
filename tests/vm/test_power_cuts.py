"""The power of a whole machine fails in the middle of work, again and again, on the same disk.

Two cuts by default; `BSHM_VM_POWER_CUTS=20 make vm` is the long run. `BSHM_VM_POWER_UNSYNCED=1` runs the daemon without
a single fsync of its own, to show that this test sees what is lost then: it must fail.
"""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.contracts import Evidence
from tests.vm.machine import Machine, a_disk, missing

pytestmark = [pytest.mark.vm, pytest.mark.skipif(missing() is not None, reason=str(missing()))]

_CUTS = int(os.environ.get("BSHM_VM_POWER_CUTS", "2"))
_UNSYNCED = bool(os.environ.get("BSHM_VM_POWER_UNSYNCED"))
_SEED = int(os.environ.get("BSHM_VM_SEED", "20250711"))
_LIFE_SECONDS = 600  # far more than an emulated machine on a busy host needs


@dataclass
class _Told:
    """What the guests have said, over all their lives."""

    dropped: set[int] = field(default_factory=set)
    dropping: set[int] = field(default_factory=set)
    finished: dict[str, str] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def take(self, line: dict[str, Any]) -> None:
        match line:
            case {"dropping": serial}:
                self.dropping.add(serial)
            case {"dropped": serial}:
                self.dropped.add(serial)
            case {"finished": name, "sha256": digest}:
                self.finished[name] = digest
            case {"violation": what}:
                self.violations.append(what)

    def request(self, *, last: bool) -> dict[str, Any]:
        return {
            "dropped": sorted(self.dropped), "perhaps": sorted(self.dropping - self.dropped),
            "finished": self.finished, "next": max(self.dropping, default=-1) + 1, "unsynced": _UNSYNCED, "last": last,
        }  # fmt: skip


@pytest.mark.contract("D1", "D2", "D3", "D4", "D8")
def test_power_cuts_in_the_middle_of_work_lose_nothing_and_double_nothing(tmp_path: Path, evidence: Evidence) -> None:
    disk, told, when = a_disk(tmp_path / "disk"), _Told(), random.Random(_SEED)
    for cut in range(_CUTS):
        _one_life(disk, told, when, at_work=cut % 3 != 1)
        print(
            f"cut {cut + 1}: {len(told.finished)} results acknowledged, violations {len(told.violations)}", flush=True
        )
    with Machine("power", told.request(last=True), [disk]) as machine:
        for line in machine.told(_LIFE_SECONDS):
            told.take(line)
            assert not told.violations or "violation" in line, "\n".join(told.violations)
        assert line == {"over": True}, machine.last_words()
    evidence(
        power_cuts=_CUTS, photos_dropped=len(told.dropped), acknowledged_results=len(told.finished),
    )  # fmt: skip
    assert not told.violations
    assert 0 < len(told.finished) <= len(told.dropped)


def _one_life(disk: Path, told: _Told, when: random.Random, *, at_work: bool) -> None:
    """Cut after some results, or (before any) while it starts and recovers; a bit later than what was waited for."""
    wanted, count = ("finished", when.randint(1, 20)) if at_work else ("started", 1)
    later = when.uniform(0, 1) if at_work else when.uniform(2, 20)
    with Machine("power", told.request(last=False), [disk]) as machine:
        for _ in range(count):
            for line in machine.wait_for(lambda line: wanted in line, _LIFE_SECONDS):
                told.take(line)
        time.sleep(later)
        machine.cut_power()
        for line in machine.told(_LIFE_SECONDS):  # all that was said before the cut
            told.take(line)
