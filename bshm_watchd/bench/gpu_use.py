"""How full and how busy a GPU is while something is measured."""

from __future__ import annotations

import contextlib
import statistics
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bshm_watchd.bench.results import GpuUse
from bshm_watchd.matting.devices.figures import Reader, nvml_library

if TYPE_CHECKING:
    from bshm_watchd.matting.devices.choice import Device
    from bshm_watchd.status import GpuFigures

_EVERY_SECONDS = 0.2  # NVML's own figures are means of about as long
_END_SECONDS = 3.0


class Sampler:
    """Reads on a thread of its own while it is entered, and may be entered again."""

    def __init__(self, reader: Reader, every_seconds: float = _EVERY_SECONDS) -> None:
        self._reader = reader
        self._every_seconds = every_seconds
        # Added to by the thread of the moment, read when there is none.
        self._found: list[GpuFigures] = []

    @contextlib.contextmanager
    def sampling(self) -> Iterator[None]:
        end = threading.Event()
        thread = threading.Thread(target=self._sample, args=(end,), name="gpu-sampler", daemon=True)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join(_END_SECONDS)

    def use(self) -> GpuUse | None:
        return gpu_use(list(self._found))

    def _sample(self, end: threading.Event) -> None:
        while not end.wait(self._every_seconds):
            if (figures := self._reader.read()) is not None:
                self._found.append(figures)


def gpu_use(found: list[GpuFigures]) -> GpuUse | None:
    """Pure; None where no reading tells of its memory."""
    used = [one.memory_used_mib for one in found if one.memory_used_mib is not None]
    busy = [one.utilisation_percent for one in found if one.utilisation_percent is not None]
    if not used:
        return None
    return GpuUse(memory_mib=max(used), utilisation=statistics.mean(busy) / 100 if busy else None)


@contextlib.contextmanager
def sampler(device: Device, library: Callable[[], Any | None] = nvml_library) -> Iterator[Sampler | None]:
    """None for the CPU, and where there is no NVML."""
    nvml = library() if device.gpu is not None else None
    if device.gpu is None or nvml is None:
        yield None
        return
    reader = Reader(device.gpu.minor, nvml)
    try:
        yield Sampler(reader)
    finally:
        reader.close()
