"""A result says which program, model and machine it was measured with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bshm_watchd import __version__
from bshm_watchd.bench.cores import usable_cores
from bshm_watchd.bench.stamping import _commit, stamp_of
from bshm_watchd.build_stamp import Stamp as BuildStamp
from bshm_watchd.config import ModelSettings
from bshm_watchd.matting.bundle import catalogue
from bshm_watchd.matting.devices.choice import Device
from tests.support.clock import FakeClock


def test_a_stamp_names_the_bundle_its_networks_and_what_computes_them() -> None:
    bundle = catalogue()["u2netp"]
    stamp = stamp_of(bundle, ModelSettings(device="cpu", runtime="openvino", precision="bf16"), Device())
    assert (stamp.bundle, stamp.runtime, stamp.precision, stamp.device) == ("u2netp", "openvino", "bf16", "cpu")
    assert stamp.networks == {file.path: file.sha256 for file in bundle.manifest.networks} != {}
    assert stamp.version == __version__
    assert stamp.libraries["numpy"]
    assert "bshm-watchd" not in stamp.libraries  # it has a place of its own


def test_a_stamp_is_made_at_the_clock_s_time() -> None:
    clock = FakeClock()
    before = stamp_of(catalogue()["arithmetic"], ModelSettings(device="cpu"), Device(), clock).made
    clock.advance(3600)
    assert stamp_of(catalogue()["arithmetic"], ModelSettings(device="cpu"), Device(), clock).made > before


def test_results_of_a_gpu_are_of_another_machine_than_those_of_its_processor() -> None:
    from bshm_watchd.bench.stamping import machine
    from bshm_watchd.matting.devices.evidence import Gpu

    with_gpu = machine(Device(Gpu(minor=0, name="A", node=None), "NVIDIA A"))
    assert with_gpu.gpu == "NVIDIA A"
    assert with_gpu.key != machine(Device()).key


@pytest.mark.parametrize(("changed", "told"), [(False, "abc"), (True, "abc+")])
def test_a_commit_with_changes_of_its_own_says_so(changed: bool, told: str) -> None:
    assert _commit(BuildStamp("abc", None, changed)) == told


@pytest.mark.parametrize(
    ("of_container", "of_service", "cores"),
    [
        ("50000 100000", "max 100000", 1),
        ("max 100000", "20000 100000", 1),
        ("max 100000", "max 100000", None),
        ("90000000 100000", "max 100000", None),  # more than there are
    ],
)
def test_a_control_group_that_gives_time_for_fewer_cores_counts_and_so_does_one_around_it(
    tmp_path: Path, of_container: str, of_service: str, cores: int | None
) -> None:
    (tmp_path / "container" / "service").mkdir(parents=True)
    (tmp_path / "container" / "cpu.max").write_text(f"{of_container}\n")
    (tmp_path / "container" / "service" / "cpu.max").write_text(f"{of_service}\n")
    own = tmp_path / "own"
    own.write_text("4:memory:/else\n0::/container/service\n")
    assert usable_cores(tmp_path, own) == (cores or len(os.sched_getaffinity(0)))


def test_without_control_groups_all_cores_count_that_it_may_run_on(tmp_path: Path) -> None:
    assert usable_cores(tmp_path, tmp_path / "missing") == len(os.sched_getaffinity(0))
