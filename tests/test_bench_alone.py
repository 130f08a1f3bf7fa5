"""The cost of each stage, and of batches: from what was timed to what is kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from bshm_watchd.bench.alone import CpuClock, batch_sizes, costs, throughput_by_batch
from bshm_watchd.matting.runtime import MattingFailed, OutOfMemory
from bshm_watchd.stages import STAGES, Took
from tests.support.clock import FakeClock

_PICTURE = np.zeros((4, 6, 3), np.uint8)


class Accelerator:
    """Takes a second for each batch, whatever is in it; has memory for `fits` pictures."""

    streams, max_batch = 1, 16

    def __init__(self, clock: FakeClock, fits: int = 16) -> None:
        self._clock = clock
        self._fits = fits

    def start(self) -> None: ...

    def close(self) -> None: ...

    def infer(self, batch: Sequence[np.ndarray]) -> list[np.ndarray | Exception]:
        if len(batch) > self._fits:
            raise OutOfMemory("too many")
        self._clock.advance(1)
        return [pixels[:, :, 1] for pixels in batch]


@pytest.mark.parametrize(
    ("most", "sizes"), [(1, []), (2, [1, 2]), (4, [1, 2, 4]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])]
)
def test_batches_double_up_to_the_largest(most: int, sizes: list[int]) -> None:
    assert batch_sizes(most) == sizes


def test_throughput_is_told_for_each_batch() -> None:
    clock = FakeClock()
    assert throughput_by_batch(Accelerator(clock), 4, _PICTURE, clock) == {1: 1.0, 2: 2.0, 4: 4.0}


def test_a_batch_that_does_not_fit_ends_the_row_and_harms_nothing() -> None:
    clock = FakeClock()
    assert throughput_by_batch(Accelerator(clock, fits=2), 8, _PICTURE, clock) == {1: 1.0, 2: 2.0}


def test_a_model_that_gives_no_alpha_is_an_error_and_no_throughput() -> None:
    class Broken(Accelerator):
        def infer(self, batch: Sequence[np.ndarray]) -> list[np.ndarray | Exception]:
            return [MattingFailed("no alpha")] * len(batch)

    with pytest.raises(MattingFailed):
        throughput_by_batch(Broken(FakeClock()), 2, _PICTURE, FakeClock())


def photo_of(seconds: float) -> list[Took]:
    """Each stage takes that long; two outputs are rendered."""
    return [Took("a", stage, 0.0, seconds) for stage in (*STAGES, "render")]  # type: ignore[arg-type]


def test_a_stage_costs_the_median_photo_s_time_the_mean_photo_s_cpu_time_and_all_outputs_of_it() -> None:
    found = costs([photo_of(1.0), photo_of(2.0), photo_of(9.0)], [photo_of(0.5), photo_of(0.5), photo_of(2.0)])
    by_stage = {cost.stage: (cost.wall_seconds, cost.cpu_seconds) for cost in found}
    assert by_stage["decode"] == (2.0, 1.0)
    assert by_stage["render"] == (4.0, 2.0)
    assert list(by_stage) == list(STAGES)


def test_the_clock_of_cpu_time_goes_on_while_any_of_the_processes_computes() -> None:
    spent = {1: 0.25, 2: 0.5}
    clock = CpuClock([1, 2], FakeClock(), lambda pid: spent[pid])
    before = clock.monotonic()
    spent[2] += 0.125
    assert clock.monotonic() - before == 0.125
