"""Which device computes: never another one than was asked for, and never silently."""

from __future__ import annotations

import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.devices.choice import Device, Setting, chosen
from bshm_watchd.matting.devices.evidence import Evidence
from bshm_watchd.matting.runtimes import can_use_gpu, make_runtime
from bshm_watchd.status import GpuFigures
from tests.support.gpus import NAME, NO_GPU, a_gpu, evidence, unseen
from tests.support.runtimes import arithmetic_bundle, portrait_bundle


def decided(setting: Setting, found: Evidence, *, able: bool = True) -> Device:
    return chosen(setting, found, model_can_use_gpu=able, bundle="bshm")


@pytest.mark.contract("G1")
@pytest.mark.parametrize("setting", ["auto", "gpu"])
def test_a_gpu_that_is_whole_computes(setting: Setting) -> None:
    device = decided(setting, evidence())
    assert (device.kind, device.node, device.name, device.fell_back) == ("gpu", "/dev/nvidia0", NAME, None)
    assert str(device) == f"on GPU 0, {NAME}"


@pytest.mark.contract("G1")
@pytest.mark.parametrize("found", [NO_GPU, unseen(), unseen(driver_library=None), unseen(visible="")])
def test_a_gpu_that_is_wanted_and_can_not_be_had_is_an_error(found: Evidence) -> None:
    with pytest.raises(ConfigError, match=r"^model\.device: gpu, but "):
        decided("gpu", found)


@pytest.mark.contract("G1")
def test_every_reason_is_a_problem_of_its_own() -> None:
    with pytest.raises(ConfigError) as caught:
        decided("gpu", unseen(driver_library=None, memory=None))
    first, second = caught.value.problems
    assert "/dev/nvidia-uvm is missing" in first
    assert "libcuda.so.1 can't be loaded" in second


@pytest.mark.contract("G1")
def test_a_bundle_that_knows_no_gpu_is_not_given_one() -> None:
    with pytest.raises(ConfigError, match="the bundle bshm computes on the CPU only; set model"):
        decided("gpu", evidence(), able=False)
    assert decided("auto", evidence(), able=False) == Device()


@pytest.mark.contract("G1")
def test_auto_falls_to_the_cpu_with_the_reason() -> None:
    device = decided("auto", unseen(driver_library=None))
    assert (device.kind, str(device)) == ("cpu", "on the CPU")
    assert device.fell_back is not None
    assert "libcuda.so.1 can't be loaded" in device.fell_back


@pytest.mark.contract("G1")
def test_where_nothing_hints_at_a_gpu_nothing_was_lost_yet_it_is_said() -> None:
    device = decided("auto", NO_GPU)
    assert (device.kind, device.fell_back) == ("cpu", None)
    assert device.remark is not None
    assert "none was found" in device.remark


@pytest.mark.contract("G1")
def test_the_cpu_is_never_left_for_a_gpu_that_was_not_asked_for() -> None:
    assert decided("cpu", evidence()) == Device()


def test_the_first_gpu_that_is_shown_computes() -> None:
    two = (a_gpu(0), a_gpu(1))
    assert decided("auto", evidence(gpus=two, visible="1,0")).node == "/dev/nvidia1"


def test_the_decision_takes_the_place_of_auto() -> None:
    settings = ModelSettings()
    assert Device().settled(settings).device == "cpu"
    assert decided("auto", evidence()).settled(settings).device == "gpu"


@pytest.mark.contract("G1")
def test_what_was_decided_for_a_gpu_is_never_computed_by_a_runtime_that_knows_none() -> None:
    for bundle in (arithmetic_bundle(), portrait_bundle()):
        assert not can_use_gpu(bundle, ModelSettings())
        with pytest.raises(ConfigError, match=r"cannot run the bundle .* on a GPU"):
            make_runtime(bundle, ModelSettings(device="gpu"))


def test_the_status_has_the_device_and_its_figures() -> None:
    figures = GpuFigures(5100, 24564, 89)
    status = decided("auto", evidence()).status("on GPU 0 (tf_graph.pb f32)", figures)
    assert (status.kind, status.index, status.name, status.fell_back, status.gpu) == ("gpu", 0, NAME, None, figures)
    assert Device(fell_back="why").status("on the CPU", None).fell_back == "why"
