"""The first photo after READY against the tenth, and how often the graph is built for photos of many sizes."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np

from bshm_watchd.bench.drawn import compose
from bshm_watchd.config import ModelSettings
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.bshm.tensorflow_runtime import TensorFlowRuntime
from bshm_watchd.matting.bundle import configured_bundle
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.runtimes import make_runtime

_FIRST = 1.2
_SIZES, _PHOTOS = 40, 200
_SIDE = 480  # pixels: 200 photos in a minute


def show(directory: Path) -> bool:
    """The first may take 1.2 times the tenth; the graph is built once."""
    ratios = {runtime: _first_to_tenth(directory, runtime) for runtime in ("tensorflow", "openvino")}
    for runtime, (ratio, start) in ratios.items():
        print(f"{runtime}: ready after {start:.1f} s; first photo : median of the ninth to eleventh = {ratio:.2f}")
    traces, sizes = _traces(directory)
    print(f"TensorFlow: {_PHOTOS} photos of {_SIZES} sizes in {sizes} buckets, the graph was built {traces} time")
    return max(ratio for ratio, _ in ratios.values()) <= _FIRST and traces == 1


def _first_to_tenth(directory: Path, runtime: str) -> tuple[float, float]:
    """A size that no warm-up has seen as such, only its bucket; and the seconds until the runtime was ready."""
    settings = ModelSettings(bundle=str(directory), runtime=runtime, device="cpu", working_side=960)
    bundle = configured_bundle(settings, Path("/none"))
    photo = Photo(compose(1, 1000, 1510).pixels)
    began = time.perf_counter()
    with Batcher(make_runtime(bundle, settings), bundle, 1, 0) as batcher:
        start = time.perf_counter() - began
        seconds = []
        for _ in range(11):
            began = time.perf_counter()
            batcher.matte(photo)
            seconds.append(time.perf_counter() - began)
    return seconds[0] / statistics.median(seconds[8:]), start


def _traces(directory: Path) -> tuple[int, int]:
    settings = ModelSettings(bundle=str(directory), runtime="tensorflow", device="cpu", working_side=_SIDE)
    bundle = configured_bundle(settings, Path("/none"))
    runtime = make_runtime(bundle, settings)
    assert isinstance(runtime, TensorFlowRuntime)
    sizes = [tuple(size) for size in np.random.default_rng(3).integers(120, 3000, (_SIZES, 2)).tolist()]
    with Batcher(runtime, bundle, 1, 0) as batcher:
        for number in range(_PHOTOS):
            height, width = sizes[number % _SIZES]
            batcher.matte(Photo(np.full((height, width, 3), number, np.uint8)))
        return runtime.traces, len({bundle.manifest.working_size.padded_to(*size) for size in sizes})
