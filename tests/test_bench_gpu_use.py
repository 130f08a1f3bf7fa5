"""A GPU's memory is told at its most, its use on average; the CPU has neither."""

from __future__ import annotations

import threading

from bshm_watchd.bench.gpu_use import Sampler, gpu_use, sampler
from bshm_watchd.bench.results import GpuUse
from bshm_watchd.matting.devices.choice import Device
from bshm_watchd.matting.devices.evidence import Gpu
from bshm_watchd.status import GpuFigures


def test_memory_is_the_most_and_use_the_mean() -> None:
    found = [GpuFigures(1000, 8000, 20), GpuFigures(3000, 8000, 80), GpuFigures(2000, 8000, 50)]
    assert gpu_use(found) == GpuUse(memory_mib=3000, utilisation=0.5)


def test_a_part_of_a_gpu_that_does_not_tell_its_use_tells_its_memory() -> None:
    assert gpu_use([GpuFigures(1000, 8000, None)]) == GpuUse(memory_mib=1000, utilisation=None)


def test_a_reading_that_failed_is_no_figure() -> None:
    assert gpu_use([GpuFigures(problem="NVML: lost")]) is None


def test_the_cpu_is_not_sampled() -> None:
    with sampler(Device()) as found:
        assert found is None


def test_a_machine_without_nvml_is_not_sampled() -> None:
    with sampler(Device(Gpu(0, None)), library=lambda: None) as found:
        assert found is None


def test_a_sampler_reads_while_it_is_entered() -> None:
    enough = threading.Event()

    class Reads:
        count = 0

        def read(self) -> GpuFigures:
            self.count += 1
            if self.count == 3:
                enough.set()
            return GpuFigures(self.count, 8000, 10)

    reads = Reads()
    found = Sampler(reads, every_seconds=0.001)  # type: ignore[arg-type]
    with found.sampling():
        assert enough.wait(60)
    assert found.use() == GpuUse(memory_mib=reads.count, utilisation=0.1)
