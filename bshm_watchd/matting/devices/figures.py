"""How full and how busy a GPU is, by the driver's management library (NVML)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

from bshm_watchd.clock import Clock
from bshm_watchd.status import GpuFigures

if TYPE_CHECKING:
    from bshm_watchd.matting.devices.choice import Device

_MIB_SHIFT = 20
_EVERY_SECONDS = 5.0
_STALE_SECONDS = 20.0
_END_SECONDS = 3.0


def nvml_library() -> Any | None:
    """The module of the package nvidia-ml-py; None where it is not installed."""
    try:
        import pynvml
    except ImportError:
        return None
    return pynvml


class Reader:
    """Reads the figures of the GPU with this minor number. Belongs to one thread at a time."""

    def __init__(self, minor: int, nvml: Any) -> None:
        self._minor = minor
        self._nvml = nvml
        self._handle: Any = None

    def read(self) -> GpuFigures | None:
        """None where there is no NVML; what went wrong with it otherwise is in `problem`."""
        try:
            if self._handle is None:
                self._handle = self._found()
            memory = self._nvml.nvmlDeviceGetMemoryInfo(self._handle)
            return GpuFigures(memory.used >> _MIB_SHIFT, memory.total >> _MIB_SHIFT, self._utilisation())
        except self._nvml.NVMLError as error:
            self._handle = None
            if error.value in (self._nvml.NVML_ERROR_LIBRARY_NOT_FOUND, self._nvml.NVML_ERROR_DRIVER_NOT_LOADED):
                return None
            return GpuFigures(problem=f"NVML: {error}")

    def close(self) -> None:
        """May be called without `read`, and twice."""
        with contextlib.suppress(self._nvml.NVMLError):  # it was not begun, or the driver is gone
            self._nvml.nvmlShutdown()

    def _found(self) -> Any:
        self._nvml.nvmlInit()
        for index in range(self._nvml.nvmlDeviceGetCount()):
            handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
            if self._nvml.nvmlDeviceGetMinorNumber(handle) == self._minor:
                return handle
        raise self._nvml.NVMLError(self._nvml.NVML_ERROR_NOT_FOUND)

    def _utilisation(self) -> int | None:
        """None where this GPU does not tell it: a part of one (MIG), a virtual one."""
        try:
            return int(self._nvml.nvmlDeviceGetUtilizationRates(self._handle).gpu)
        except self._nvml.NVMLError as error:
            if error.value == self._nvml.NVML_ERROR_NOT_SUPPORTED:
                return None
            raise


class Meter:
    """Reads on a thread of its own every few seconds: a GPU that does not answer may keep nobody else waiting."""

    def __init__(self, reader: Reader, clock: Clock, every_seconds: float = _EVERY_SECONDS) -> None:
        self._reader = reader
        self._clock = clock
        self._every_seconds = every_seconds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._measure, name="gpu-meter", daemon=True)
        self._began = clock.monotonic()
        # Written by the meter's thread, read by any: when, and what.
        self._last: tuple[float, GpuFigures | None] | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(_END_SECONDS)
        if not self._thread.is_alive():  # else NVML hangs, and would here
            self._reader.close()

    def look(self) -> None:
        """One reading, on the caller's thread."""
        self._last = (self._clock.monotonic(), self._reader.read())

    def latest(self) -> GpuFigures | None:
        """At once. None where there is no NVML, and before the first reading."""
        taken, figures = self._last or (self._began, None)
        silent_seconds = self._clock.monotonic() - taken
        if silent_seconds > _STALE_SECONDS:
            return GpuFigures(problem=f"NVML has not answered for {silent_seconds:.0f} seconds: see nvidia-smi")
        return figures

    def _measure(self) -> None:
        self.look()
        while not self._end.wait(self._every_seconds):
            self.look()


@contextlib.contextmanager
def metered(
    device: Device, clock: Clock, library: Callable[[], Any | None] = nvml_library
) -> Iterator[Callable[[], GpuFigures | None]]:
    """What tells the latest figures of the GPU that computes: None for the CPU, and where there is no NVML."""
    nvml = library() if device.gpu is not None else None
    if device.gpu is None or nvml is None:
        yield lambda: None
        return
    with Meter(Reader(device.gpu.minor, nvml), clock) as meter:
        yield meter.latest
