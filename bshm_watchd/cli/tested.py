"""The versions that are tested together, of what decides how a model is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bshm_watchd.cli.findings import Finding, note, ok
from bshm_watchd.matting.devices.evidence import Evidence, numbers

# As .ci/requirements.lock has them, which no installed program brings along; a test holds one against the other.
TESTED = {
    "ai-edge-litert": "2.3.0",
    "ncnn": "1.0.20261020",
    "nncf": "3.4.0",
    "numpy": "2.4.6",
    "opencv-python-headless": "5.0.0.93",
    "openvino": "2026.4.1",
    "tensorflow": "2.21.0",
}
_OPTIONAL = {"nncf": "only `model quantize` needs it: pip install 'bshm-watchd[quantize]'"}


@dataclass(frozen=True, slots=True)
class Together:
    """What a TensorFlow goes with on a GPU: CUDA and cuDNN that it was built for, and the oldest driver."""

    cuda: str
    cudnn: str
    driver: str


# By TensorFlow's first two numbers: the table of docs/gpu.md; a test holds one against the other.
GPU_TOGETHER: dict[tuple[int, ...], Together] = {
    (2, 18): Together("12.5", "9.3", "525.60.13"),
    (2, 19): Together("12.5", "9.3", "525.60.13"),
    (2, 20): Together("12.5", "9.3", "525.60.13"),
    (2, 21): Together("12.5.1", "9", "525.60.13"),
}


def held_against_tested(installed: Callable[[str], str | None]) -> Iterator[Finding]:
    """Each one's version against the tested one: another may well work, and is the first to ask about."""
    for name, version in TESTED.items():
        found = installed(name)
        if found is None and name in _OPTIONAL:
            yield ok(name, f"not installed; {_OPTIONAL[name]}")
        elif found == version:
            yield ok(name, f"{version}, as tested")
        elif found is not None:
            yield note(name, f"{found}, tested is {version}: pip install '{name}=={version}' has the tested one")


def gpu_versions(found: Evidence) -> Iterator[Finding]:
    """What the installed TensorFlow goes with, where there is any sign of a GPU."""
    if not found.sign_of_a_gpu or found.tensorflow is None:
        return
    version = found.tensorflow.version
    if (together := GPU_TOGETHER.get(numbers(version)[:2])) is None:
        return (yield note("gpu versions", f"which CUDA TensorFlow {version} goes with is not in docs/gpu.md"))
    told = f"CUDA {together.cuda}, cuDNN {together.cudnn} and driver {together.driver} or newer"
    yield ok("gpu versions", f"TensorFlow {version} goes with {told} (docs/gpu.md)")
