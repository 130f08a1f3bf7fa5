"""What a bundle's alpha and its speed hang on besides the photo: libraries, processor, driver, the bundle itself."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bshm_watchd.matting.bundle import MANIFEST
from bshm_watchd.matting.cpu_features import cpuinfo, flags
from bshm_watchd.matting.devices.looking import driver_version, gpu_libraries
from bshm_watchd.matting.int8 import RECORD, read_int8
from bshm_watchd.matting.runtimes import precision_of, runtime_of

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.runtimes import Precision

# Distributions by their names; those that are not installed are left out.
_LIBRARIES = (
    "bshm-watchd", "numpy", "opencv-python-headless", "ncnn", "openvino", "tensorflow", "tensorflow-cpu",
    "ai-edge-litert",
)  # fmt: skip
# What decides by which instructions a network is computed, in the kernel's spelling.
_FEATURES = frozenset(
    (
        "sse4_1", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512dq", "avx512vl",
        "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16",
        "asimd", "asimddp", "asimdhp", "bf16", "i8mm", "sve", "sve2",
    )
)  # fmt: skip

Circumstances = Mapping[str, str]
"""What it is, in words for people, and its version, hash or name: {"openvino": "2026.4.1"}."""


@dataclass(frozen=True, slots=True)
class Computed:
    """A bundle, and how it is computed: all of it settled."""

    bundle: Bundle
    runtime: str
    precision: Precision
    device: str  # cpu | gpu

    @property
    def key(self) -> str:
        return " ".join((str(self.bundle.directory), self.runtime, self.precision, self.device))


def computed_as(bundle: Bundle, settings: ModelSettings) -> Computed:
    """`settings`: with device and runtime settled. Raises `ConfigError` where nothing fits."""
    return Computed(bundle, runtime_of(bundle, settings), precision_of(bundle, settings), settings.device)


def circumstances(computed: Computed, gpu: str | None = None) -> dict[str, str]:
    """As they are now; `gpu`: its name, where it computes."""
    return {
        **libraries(),
        **processor(cpuinfo()),
        **(of_gpu(gpu) if computed.device == "gpu" else {}),
        **_hashes(computed),
    }


def processor(told: str) -> dict[str, str]:
    """Of what `/proc/cpuinfo` tells."""
    model = re.search(r"^(?:model name|CPU part)\s*: (.*)$", told, re.MULTILINE)
    features = sorted(_FEATURES & flags(told))
    return {"CPU": model[1] if model else "unknown", "CPU features": " ".join(features) or "none"}


def cores() -> dict[str, str]:
    """How many this process may use: speed hangs on it, and alpha does not."""
    return {"CPU cores": str(len(os.sched_getaffinity(0)))}


def networks(bundle: Bundle, precision: str) -> dict[str, str]:
    """The files that are computed, with their sha256."""
    record = read_int8(bundle) if precision == "int8" else None
    files = [*bundle.manifest.networks, *(record.files if record else ())]
    return {file.path: file.sha256 for file in files}


def changes(before: Circumstances, now: Circumstances) -> list[str]:
    """`openvino 2025.4.0 -> 2026.4.1`, one each; empty where all is as it was."""
    names = list(dict.fromkeys([*now, *before]))
    return [
        f"{name} {before.get(name, 'none')} -> {now.get(name, 'none')}"
        for name in names
        if before.get(name) != now.get(name)
    ]


def of_gpu(name: str | None) -> dict[str, str]:
    """Its name, its driver, and what TensorFlow computes with on it."""
    return {"GPU": name or "unknown", "GPU driver": driver_version() or "none", **gpu_libraries()}


def libraries() -> dict[str, str]:
    """Versions of those installed, this program among them."""
    return {name: version for name in _LIBRARIES if (version := _version(name)) is not None}


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _hashes(computed: Computed) -> dict[str, str]:
    """The manifest names every file of the bundle with its hash; so does the record of its INT8 networks."""
    names = (MANIFEST, RECORD) if computed.precision == "int8" else (MANIFEST,)
    found = ((name, computed.bundle.path(name)) for name in names)
    return {name: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for name, path in found if path.exists()}
