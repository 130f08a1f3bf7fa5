"""What the TensorFlow runtime does on a GPU, with everything but the GPU: batches, memory, devices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bshm_watchd.errors import ConfigError, RuntimeBroken
from bshm_watchd.matting.bshm.compute import Computation, Place, choose_device
from bshm_watchd.matting.bshm.tensorflow_runtime import TensorFlowRuntime
from bshm_watchd.matting.manifest import BshmModel
from bshm_watchd.matting.quiet_tensorflow import tensorflow
from bshm_watchd.matting.runtime import OutOfMemory
from tests.support.graphs import arithmetic_graph_bundle

GPU = Place(gpu=True, threads=1, precision="fp16")


class FakeGpu(Computation):
    """Answers with the green channel; has memory for `megapixels` at once; `breaks`: what it raises from then on."""

    def __init__(self, megapixels: float = 100, computed_on: str = "/device:GPU:0") -> None:
        self.one_by_one = False
        self.computed_on = computed_on
        self.batches: list[tuple[int, int, int]] = []
        self.breaks: Exception | None = None
        self._megapixels = megapixels

    def alphas(self, pictures: np.ndarray) -> tuple[np.ndarray, Sequence[bool]]:
        self.batches.append(pictures.shape[:3])
        if self.breaks is not None:
            raise self.breaks
        if pictures[..., 0].size > self._megapixels * 1e6:
            raise tensorflow().errors.ResourceExhaustedError(None, None, "no memory left")
        return pictures[..., 1].copy(), [True] * len(pictures)

    def opened(self, model: BshmModel, directory: Path, place: Place) -> Computation:
        return self


def started(gpu: FakeGpu, max_batch: int = 4) -> TensorFlowRuntime:
    bundle = arithmetic_graph_bundle()
    assert isinstance(bundle.manifest.model, BshmModel)
    runtime = TensorFlowRuntime(bundle, bundle.manifest.model, GPU, max_batch, gpu.opened)
    runtime.start()
    return runtime


def pictures(count: int, side: int = 256) -> list[np.ndarray]:
    return [np.full((side, side, 3), 10 * number, np.uint8) for number in range(count)]


def test_every_size_and_every_batch_is_warm_before_the_first_photo() -> None:
    gpu = FakeGpu()
    started(gpu)
    sizes = arithmetic_graph_bundle().manifest.working_size.every
    assert set(gpu.batches) == {(count, *size) for size in sizes for count in (1, 2, 4)}


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_only_batches_that_were_warmed_up_are_run(count: int) -> None:
    gpu = FakeGpu()
    runtime = started(gpu)
    warm = set(gpu.batches)
    gpu.batches.clear()
    answers = runtime.infer(pictures(count))
    assert [int(answer[0, 0]) for answer in answers if isinstance(answer, np.ndarray)] == [
        10 * number for number in range(count)
    ]
    assert set(gpu.batches) <= warm


@pytest.mark.contract("G3")
def test_a_batch_that_does_not_fit_in_the_warm_up_is_never_run() -> None:
    gpu = FakeGpu(megapixels=256 * 256 * 2.5 / 1e6)
    runtime = started(gpu)
    gpu.batches.clear()
    assert len(runtime.infer(pictures(4))) == 4
    assert gpu.batches == [(2, 256, 256)] * 2


@pytest.mark.contract("G3")
def test_a_picture_that_does_not_fit_alone_stops_the_start_with_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"lower model\.working_side"):
        started(FakeGpu(megapixels=0.01))


@pytest.mark.contract("G3")
def test_memory_that_others_took_meanwhile_is_told_as_out_of_memory() -> None:
    gpu = FakeGpu()
    runtime = started(gpu)
    gpu.breaks = tensorflow().errors.ResourceExhaustedError(None, None, "no memory left")
    with pytest.raises(OutOfMemory, match="4 pictures of 256 x 256"):
        runtime.infer(pictures(4))


def test_a_gpu_that_fails_breaks_the_runtime() -> None:
    gpu = FakeGpu()
    runtime = started(gpu)
    gpu.breaks = tensorflow().errors.InternalError(None, None, "CUDA_ERROR_ILLEGAL_ADDRESS")
    with pytest.raises(RuntimeBroken, match="CUDA_ERROR_ILLEGAL_ADDRESS"):
        runtime.infer(pictures(1))


@pytest.mark.contract("G1")
def test_what_was_chosen_for_a_gpu_and_computed_elsewhere_stops_the_start() -> None:
    with pytest.raises(RuntimeBroken, match="not on the GPU that was chosen"):
        started(FakeGpu(computed_on="/job:localhost/replica:0/task:0/device:CPU:0"))


class FakeTensorFlow:
    """Its `config` alone, with two GPUs."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.config = self
        self.experimental = self

    def list_physical_devices(self, kind: str) -> list[str]:
        return ["gpu 0", "gpu 1"]

    def get_visible_devices(self, kind: str) -> list[str]:
        return ["gpu 0", "gpu 1"]

    def set_visible_devices(self, devices: list[str], kind: str) -> None:
        self.told.append(("shown", *devices))

    def set_memory_growth(self, device: str, enable: bool) -> None:
        self.told.append(("grows", device, enable))

    def LogicalDeviceConfiguration(self, memory_limit: int) -> int:  # noqa: N802
        return memory_limit

    def set_logical_device_configuration(self, device: str, limits: list[int]) -> None:
        self.told.append(("limited", device, *limits))


@pytest.mark.contract("G1")
@pytest.mark.parametrize(
    ("place", "told"),
    [
        (Place(False, 2, "f32"), [("shown",)]),
        (Place(True, 2, "fp16"), [("shown", "gpu 0"), ("grows", "gpu 0", True)]),
        (Place(True, 2, "fp16", 5000), [("shown", "gpu 0"), ("limited", "gpu 0", 5000)]),
    ],
)
def test_tensorflow_sees_the_chosen_device_alone_and_no_more_of_its_memory(place: Place, told: list[Any]) -> None:
    fake = FakeTensorFlow()
    choose_device(fake, place)
    assert fake.told == told
