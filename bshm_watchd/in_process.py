"""Single photos made in this process, where no daemon runs: the model is loaded for them alone."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bshm_watchd.clock import SystemClock
from bshm_watchd.config import BatchSettings, Limits, ModelSettings
from bshm_watchd.heap import keep_freed_memory
from bshm_watchd.one_photo import Made, OnePhoto, one_photo_maker
from bshm_watchd.output_settings import OutputSettings

if TYPE_CHECKING:
    from bshm_watchd.matting.batcher import Batcher
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.decoder import Decoder
    from bshm_watchd.matting.devices.choice import Device
    from bshm_watchd.matting.devices.opening import Opening


class InProcess:
    """Called from any thread. What is in work is bounded as in the daemon: by bytes."""

    def __init__(self, maker: OnePhoto, limits: Limits, lanes: int, fell_back: str | None = None) -> None:
        self.lanes = lanes  # photos worth having under way at once
        self.fell_back = fell_back  # why the CPU computes and not the GPU that there is some sign of
        self._maker = maker
        self._memory = _Memory(limits.in_flight_bytes)

    def make(self, output: OutputSettings, photo_fd: int, background_fd: int | None) -> Made:
        """Raises as `OnePhoto.order` and `OnePhoto.make`."""
        order = self._maker.order(output, photo_fd, background_fd)
        with self._memory.taken(order.cost_bytes):
            return self._maker.make(order)


@dataclass(frozen=True, slots=True)
class OpenModel:
    """A resident model, and what decodes for it. `settings`: with device and runtime settled."""

    bundle: Bundle
    settings: ModelSettings
    device: Device
    decoder: Decoder
    batcher: Batcher
    streams: int
    max_batch: int


@contextlib.contextmanager
def open_in_process(
    model: ModelSettings, batch: BatchSettings, limits: Limits, state_dir: Path, opening: Opening | None = None
) -> Iterator[InProcess]:
    """Raises as `open_model`."""
    cores = len(os.sched_getaffinity(0))
    with open_model(model, batch, limits, state_dir, cores, opening) as here:
        maker = one_photo_maker(here.decoder, here.batcher, limits, SystemClock())
        lanes = here.streams * min(batch.max_size, here.max_batch) + cores
        yield InProcess(maker, limits, lanes, here.device.fell_back)


@contextlib.contextmanager
def open_model(
    model: ModelSettings,
    batch: BatchSettings,
    limits: Limits,
    state_dir: Path,
    children: int,
    opening: Opening | None = None,
) -> Iterator[OpenModel]:
    """Raises `ConfigError` where the bundle is missing or can't run here, `InstanceRunning` where its GPU is taken.

    Neither a journal nor the state directory's lock is needed. `children`: photos that are decoded at once at most;
    `opening`: as of `open_daemon`.
    """
    from bshm_watchd.matting.batcher import Batcher
    from bshm_watchd.matting.bundle import configured_bundle
    from bshm_watchd.matting.decoder import ChildDecoder
    from bshm_watchd.matting.devices.opening import opened_device
    from bshm_watchd.matting.measured_runtime import settled_runtime
    from bshm_watchd.matting.runtimes import make_runtime

    keep_freed_memory()
    bundle = configured_bundle(model, state_dir)
    with contextlib.ExitStack() as stack:
        device = stack.enter_context((opening or opened_device)(bundle, model))
        settled = settled_runtime(bundle, device.settled(model), state_dir)
        runtime = make_runtime(bundle.for_a_few, settled, batch.max_size)
        # The decoder's children load their codecs while the model is loaded here.
        decoder = stack.enter_context(
            ChildDecoder(children, limits.max_pixels, limits.decode_seconds, max_file_bytes=limits.max_file_bytes)
        )
        batcher = stack.enter_context(
            Batcher(runtime, bundle, batch.max_size, batch.max_wait_ms / 1000, infer_seconds=limits.infer_seconds)
        )
        yield OpenModel(bundle, settled, device, decoder, batcher, runtime.streams, runtime.max_batch)


class _Memory:
    """So many bytes for all photos in work together; one that is alone always gets what it needs."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._changed = threading.Condition()
        self._taken_bytes = 0  # guarded by _changed

    @contextlib.contextmanager
    def taken(self, cost_bytes: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._fits(cost_bytes))
            self._taken_bytes += cost_bytes
        try:
            yield
        finally:
            with self._changed:
                self._taken_bytes -= cost_bytes
                self._changed.notify_all()

    def _fits(self, cost_bytes: int) -> bool:
        return self._taken_bytes == 0 or self._taken_bytes + cost_bytes <= self._budget_bytes
