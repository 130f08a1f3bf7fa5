"""What was found of a GPU on this machine: facts alone, no judgement."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """A device node, and what this user may do with it."""

    path: str
    usable: bool  # by its mode, for reading and writing
    mode: int
    owner: str
    group: str
    refused: bool = False  # its mode allows it and the kernel does not: rules of a service or a container


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU by the number of its node: `/dev/nvidia<minor>`. What the driver does not tell is None."""

    minor: int
    node: Node | None
    name: str | None = None
    uuid: str | None = None
    bus: str | None = None


@dataclass(frozen=True, slots=True)
class Library:
    """A library that TensorFlow loads for its GPU, what it wants of it, and what is here. Versions as numbers."""

    name: str  # as the loader knows it: libcudnn.so.9
    package: str  # that brings it: nvidia-cudnn-cu12
    at_least: tuple[int, ...]
    version: str | None = None  # None: not told
    found: bool = False  # installed by pip, or found by the loader
    others: tuple[str, ...] = ()  # packages of the same library that do not fit: nvidia-cudnn-cu11 8.9

    @property
    def is_cudnn(self) -> bool:
        return "cudnn" in self.name


@dataclass(frozen=True, slots=True)
class Build:
    """A TensorFlow: its version, and what it was built for (`cuda` 12.5.1, `cudnn` 9)."""

    version: str
    has_cuda: bool
    cuda: str | None = None
    cudnn: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was found. `seen`: the GPUs that TensorFlow sees, in its order; None: it was not asked."""

    user: str
    gpus: tuple[Gpu, ...] = ()  # in the order of their places on the bus, which is the one they are counted in
    control: Node | None = None  # /dev/nvidiactl
    memory: Node | None = None  # /dev/nvidia-uvm
    driver: str | None = None  # version of the loaded kernel module
    driver_library: str | None = None  # version of libcuda.so.1; "" where it loads and its name does not tell
    visible: str | None = None  # CUDA_VISIBLE_DEVICES
    order: str | None = None  # CUDA_DEVICE_ORDER
    tensorflow: Build | None = None
    libraries: tuple[Library, ...] = ()
    seen: tuple[str, ...] | None = None
    trouble: str | None = None  # what asking TensorFlow ended in

    @property
    def sign_of_a_gpu(self) -> bool:
        return bool(self.gpus) or self.driver is not None

    @property
    def reachable(self) -> tuple[Gpu, ...]:
        """Those that have a node here; a container shows some of the machine's."""
        return tuple(gpu for gpu in self.gpus if gpu.node is not None)

    @property
    def shown(self) -> tuple[Gpu, ...]:
        """Those that CUDA may use in this process, its first one first; what is wrong in the variable ends it."""
        if self.visible is None:
            return self.reachable
        found: list[Gpu] = []
        for entry in self.visible.split(","):
            gpu = self._named(entry.strip())
            if gpu is None:
                break
            found.append(gpu)
        return tuple(found)

    def _named(self, entry: str) -> Gpu | None:
        if entry.isdecimal():
            return self.reachable[int(entry)] if int(entry) < len(self.reachable) else None
        if entry.startswith("MIG-"):  # names a part, and the driver does not tell of which GPU
            return self.reachable[0] if len(self.reachable) == 1 else None
        named = [gpu for gpu in self.reachable if entry and gpu.uuid and gpu.uuid.startswith(entry)]
        return named[0] if len(named) == 1 else None


def numbers(version: str) -> tuple[int, ...]:
    """A version's leading numbers: (12, 5, 1) of `12.5.1+x`."""
    found: list[int] = []
    for part in version.split("."):
        if not part[:1].isdecimal():
            break
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        found.append(int(digits))
        if digits != part:
            break
    return tuple(found)
