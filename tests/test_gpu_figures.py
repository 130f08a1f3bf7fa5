"""How full and how busy a GPU is, and what is said when it does not tell."""

from __future__ import annotations

import pynvml
import pytest

from bshm_watchd.matting.devices.choice import Device
from bshm_watchd.matting.devices.figures import Meter, Reader, metered
from bshm_watchd.status import GpuFigures
from tests.support.clock import FakeClock
from tests.support.gpus import FakeNvml, a_gpu


def test_memory_and_utilisation_are_those_of_the_gpu_with_this_number() -> None:
    assert Reader(1, FakeNvml(0, 1)).read() == GpuFigures(5101, 24564, 89)


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED])
def test_without_the_drivers_library_there_are_no_figures(code: int) -> None:
    assert Reader(0, FakeNvml(0, init=code)).read() is None


@pytest.mark.parametrize(
    ("nvml", "said"),
    [
        (FakeNvml(0, init=pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH), "version mismatch"),
        (FakeNvml(0, memory=pynvml.NVML_ERROR_GPU_IS_LOST), "GPU is lost"),
        (FakeNvml(0, utilisation=pynvml.NVML_ERROR_UNKNOWN), "Unknown Error"),
        (FakeNvml(1), "Not Found"),
    ],
)
def test_an_error_is_told_and_not_swallowed(nvml: FakeNvml, said: str) -> None:
    figures = Reader(0, nvml).read()
    assert figures is not None
    assert figures.memory_used_mib is None
    assert figures.problem is not None
    assert said in figures.problem


def test_a_gpu_that_does_not_tell_its_utilisation_still_tells_its_memory() -> None:
    nvml = FakeNvml(0, utilisation=pynvml.NVML_ERROR_NOT_SUPPORTED)
    assert Reader(0, nvml).read() == GpuFigures(5100, 24564, None)


def test_after_an_error_the_figures_come_back() -> None:
    nvml = FakeNvml(0, memory=pynvml.NVML_ERROR_TIMEOUT)
    reader = Reader(0, nvml)
    reader.read()
    nvml.trouble.clear()
    assert reader.read() == GpuFigures(5100, 24564, 89)


def test_closing_may_happen_twice_and_without_a_reading() -> None:
    nvml = FakeNvml(0)
    reader = Reader(0, nvml)
    reader.close()
    reader.read()
    reader.close()
    reader.close()
    assert nvml.begun == 0


@pytest.mark.contract("O2")
def test_the_latest_figures_are_told_at_once_and_a_gpu_that_falls_silent_is_told() -> None:
    clock = FakeClock()
    meter = Meter(Reader(0, FakeNvml(0)), clock)
    assert meter.latest() is None
    meter.look()
    clock.advance(10)
    assert meter.latest() == GpuFigures(5100, 24564, 89)
    clock.advance(15)
    told = meter.latest()
    assert told is not None
    assert told.problem == "NVML has not answered for 25 seconds: see nvidia-smi"


def test_a_gpu_that_never_answered_is_told() -> None:
    clock = FakeClock()
    meter = Meter(Reader(0, FakeNvml(0)), clock)
    clock.advance(60)
    told = meter.latest()
    assert told is not None
    assert told.problem is not None


def test_the_meter_begins_with_the_device_and_ends_with_it() -> None:
    nvml = FakeNvml(0)
    with metered(Device(a_gpu()), FakeClock(), lambda: nvml) as figures:
        assert figures() in (None, GpuFigures(5100, 24564, 89))  # on a thread of its own, soon
    assert nvml.begun == 0
    assert figures() == GpuFigures(5100, 24564, 89)


@pytest.mark.parametrize("device", [Device(), Device(a_gpu())])
def test_there_are_no_figures_of_the_cpu_nor_without_the_package(device: Device) -> None:
    with metered(device, FakeClock(), lambda: None) as figures:
        assert figures() is None
