"""GPUs that are not there: evidence of a whole one, and of what can be wrong with it; trees to look in; an NVML."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml

from bshm_watchd.config import ModelSettings
from bshm_watchd.matting.bundle import Bundle
from bshm_watchd.matting.devices.choice import Device
from bshm_watchd.matting.devices.evidence import Build, Evidence, Gpu, Library, Node
from bshm_watchd.matting.devices.lock import only_model
from bshm_watchd.matting.devices.looking import Sources
from bshm_watchd.matting.devices.opening import Opening, opened_device

NAME = "NVIDIA GeForce RTX 4090"
UUID = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6"
DRIVER = "550.54.15"
REQUIREMENTS = [
    'nvidia-cublas-cu12<13.0,>=12.5.3.2; extra == "and-cuda"',
    'nvidia-cuda-nvcc-cu12<13.0,>=12.5.82; extra == "and-cuda"',
    'nvidia-cuda-runtime-cu12==12.5.82; extra == "and-cuda"',
    'nvidia-cudnn-cu12<10.0,>=9.3.0.75; extra == "and-cuda"',
    "numpy>=1.26.0",
]
PACKAGES = {
    "tensorflow": "2.21.0",
    "nvidia-cublas-cu12": "12.6.4.1",
    "nvidia-cuda-runtime-cu12": "12.5.82",
    "nvidia-cudnn-cu12": "9.5.1.17",
}
CUBLAS = Library("libcublas.so.12", "nvidia-cublas-cu12", (12, 5, 3, 2), "12.6.4.1", found=True)
CUDART = Library("libcudart.so.12", "nvidia-cuda-runtime-cu12", (12, 5, 82), "12.5.82", found=True)
CUDNN = Library("libcudnn.so.9", "nvidia-cudnn-cu12", (9, 3, 0, 75), "9.5.1.17", found=True)


def a_node(path: str, **changes: Any) -> Node:
    return replace(Node(path, usable=True, mode=0o660, owner="root", group="video"), **changes)


def a_gpu(minor: int = 0, path: str | None = None, **changes: Any) -> Gpu:
    node = a_node(path or f"/dev/nvidia{minor}")
    return replace(Gpu(minor, node, NAME, UUID, f"0000:{minor + 1:02x}:00.0"), **changes)


def evidence(**changes: Any) -> Evidence:
    """Of a GPU that TensorFlow sees and that nothing is wrong with, but for the changes."""
    whole = Evidence(
        user="bshm", gpus=(a_gpu(),), control=a_node("/dev/nvidiactl"), memory=a_node("/dev/nvidia-uvm"),
        driver=DRIVER, driver_library=DRIVER, tensorflow=Build("2.21.0", True, "12.5.1", "9"),
        libraries=(CUBLAS, CUDART, CUDNN), seen=(NAME,),
    )  # fmt: skip
    return replace(whole, **changes)


def unseen(**changes: Any) -> Evidence:
    """The same where TensorFlow sees no GPU."""
    return evidence(**{"seen": (), **changes})


NO_GPU = Evidence(user="bshm", tensorflow=Build("2.21.0", True, "12.5.1", "9"))


def looking(found: Evidence) -> Callable[..., Evidence]:
    """Looks and always finds this."""

    def look(*, wanted: bool) -> Evidence:
        return found

    return look


def opening_on(found: Evidence) -> Opening:
    """Opens the device for a model that could use a GPU, on a machine where this is found."""

    def opening(bundle: Bundle, settings: ModelSettings) -> contextlib.AbstractContextManager[Device]:
        return opened_device(bundle, settings, looking(found), lambda *_: True)

    return opening


@contextlib.contextmanager
def another_process(node: str) -> Iterator[int]:
    """Holds the GPU until it is killed, at the latest on the way out."""
    ready_end, ready = os.pipe()
    child = os.fork()
    if child == 0:
        with only_model(node):
            os.write(ready, b"x")
            signal.pause()
        os._exit(0)
    assert os.read(ready_end, 1) == b"x"
    os.close(ready_end)
    os.close(ready)
    try:
        yield child
    finally:
        kill(child)


def kill(child: int) -> None:
    with contextlib.suppress(ProcessLookupError, ChildProcessError):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@dataclass
class Machine:
    """Directories in the place of /dev and /proc, and what the other sources say; files stand for device nodes."""

    base: Path
    environment: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=lambda: dict(PACKAGES))
    libraries: dict[str, str] = field(default_factory=lambda: {"libcuda.so.1": f"/usr/lib/libcuda.so.{DRIVER}"})
    build: dict[str, Any] = field(
        default_factory=lambda: {"is_cuda_build": True, "cuda_version": "12.5.1", "cudnn_version": "9"}
    )
    seen: Callable[[], tuple[str, ...]] = lambda: (NAME,)

    def __post_init__(self) -> None:
        self.dev, self.proc = self.base / "dev", self.base / "proc"
        self.dev.mkdir()
        (self.proc / "driver").mkdir(parents=True)

    @property
    def sources(self) -> Sources:
        return Sources(
            self.dev, self.proc, self.environment, lambda: self.packages, lambda: REQUIREMENTS, lambda: self.build,
            self.libraries.get, self.seen,
        )  # fmt: skip

    def add_driver(self, line: str = f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {DRIVER}  Tue Mar  5") -> None:
        (self.proc / "driver" / "nvidia" / "gpus").mkdir(parents=True)
        (self.proc / "driver" / "nvidia" / "version").write_text(f"{line}\nGCC version:  gcc 12.2.0\n")

    def add_nodes(self, *names: str, mode: int = 0o666) -> None:
        for name in names or ("nvidia0", "nvidiactl", "nvidia-uvm"):
            (self.dev / name).touch()
            (self.dev / name).chmod(mode)

    def tell_gpu(self, bus: str, minor: int, uuid: str = UUID) -> None:
        directory = self.proc / "driver" / "nvidia" / "gpus" / bus
        directory.mkdir()
        told = f"Model: \t\t {NAME}\nGPU UUID: \t {uuid}\nBus Location: \t {bus}\nDevice Minor: \t {minor}\n"
        (directory / "information").write_text(told)


class FakeNvml:
    """As pynvml, for GPUs with these minor numbers; `trouble` names a call and the code it ends in."""

    NVMLError = pynvml.NVMLError
    NVML_ERROR_LIBRARY_NOT_FOUND = pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
    NVML_ERROR_DRIVER_NOT_LOADED = pynvml.NVML_ERROR_DRIVER_NOT_LOADED
    NVML_ERROR_NOT_SUPPORTED = pynvml.NVML_ERROR_NOT_SUPPORTED
    NVML_ERROR_NOT_FOUND = pynvml.NVML_ERROR_NOT_FOUND

    def __init__(self, *minors: int, **trouble: int) -> None:
        self.minors = minors
        self.trouble = trouble
        self.begun = 0
        self.nvmlDeviceGetMemoryInfo = self._memory

    def _may(self, call: str) -> None:
        if call in self.trouble:
            raise pynvml.NVMLError(self.trouble[call])

    def nvmlInit(self) -> None:  # noqa: N802  the library's names
        self._may("init")
        self.begun += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        if not self.begun:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_UNINITIALIZED)
        self.begun -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.minors)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return self.minors[index]

    def nvmlDeviceGetMinorNumber(self, handle: int) -> int:  # noqa: N802
        return handle

    def _memory(self, handle: int) -> Any:
        self._may("memory")
        return SimpleNamespace(used=(5100 + handle) << 20, total=24564 << 20)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> Any:  # noqa: N802
        self._may("utilisation")
        return SimpleNamespace(gpu=89, memory=40)
