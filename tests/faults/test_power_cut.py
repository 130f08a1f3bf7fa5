"""The power fails at every change: what was not synced is gone, and still nothing is lost or doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from bshm_watchd.ending import EXIT_FINE, EXIT_SOME_REJECTED
from tests.support import invariants
from tests.support.crashes import TWO_OUTPUTS, busy_studio, die_everywhere
from tests.support.disks import NoReplaceMissing
from tests.support.power_cut import PowerCutDisk


@pytest.mark.contract("D1", "D2", "D8")
@pytest.mark.slow
@pytest.mark.parametrize("extra", ["", TWO_OUTPUTS], ids=["one output", "two outputs"])
def test_a_power_cut_at_any_change_loses_nothing_and_doubles_nothing(fast_path: Path, extra: str) -> None:
    assert die_everywhere(fast_path, extra, kept=PowerCutDisk) > 60


class _LinksOnly(NoReplaceMissing, PowerCutDisk):
    """The power of a machine fails whose share can't rename without replacing."""


@pytest.mark.contract("D1", "D2")
@pytest.mark.slow
def test_a_power_cut_loses_nothing_where_only_links_refuse_to_replace(fast_path: Path) -> None:
    assert die_everywhere(fast_path, TWO_OUTPUTS, kept=_LinksOnly, restarted={"disk": NoReplaceMissing()}) > 60


@pytest.mark.contract("D2", "D8")
def test_what_is_done_outlives_a_power_cut(fast_path: Path) -> None:
    studio = busy_studio(fast_path)
    disk = PowerCutDisk(studio.base / "attic")
    assert studio.run(disk) == EXIT_SOME_REJECTED
    before = studio.tree("results"), studio.tree("done"), studio.tree("rejected")
    assert disk.cut() > 0
    assert (studio.tree("results"), studio.tree("done"), studio.tree("rejected")) == before
    assert studio.run() == EXIT_FINE
    invariants.check(studio)
