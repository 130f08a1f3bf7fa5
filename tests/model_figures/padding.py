"""How far a photo's alpha is from that of the same photo computed at exactly its own size, because it was padded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bshm_watchd.bench.drawn import compose
from bshm_watchd.config import ModelSettings
from bshm_watchd.matting.buckets import cropped, padded
from bshm_watchd.matting.bundle import configured_bundle
from bshm_watchd.matting.runtime import Runtime
from bshm_watchd.matting.runtimes import make_runtime

_SIDE = 960
# Height and width of what cameras and retouchers make, at the working side; the last two fit no bucket well.
_SIZES = ((540, 960), (640, 960), (960, 640), (720, 960), (768, 960), (960, 960), (600, 900), (400, 960))
_PHOTOS = 6
_BOUND = 0.03


def show(directory: Path) -> bool:
    settings = ModelSettings(bundle=str(directory), runtime="openvino", device="cpu", working_side=_SIDE)
    bundle = configured_bundle(settings, Path("/none"))
    rule = bundle.manifest.working_size
    runtime = make_runtime(bundle, settings)
    runtime.start()
    print("| photo | bucket | padding | alpha differs: mean | largest of the photos' means |\n|---|---|---|---|---|")
    worst = 0.0
    for height, width in _SIZES:
        bucket = rule.padded_to(height, width)
        found = [_difference(runtime, seed, rule.of(height, width), bucket) for seed in range(_PHOTOS)]
        share = bucket[0] * bucket[1] / (height * width) - 1
        worst = max(worst, float(np.mean(found)))
        told = f"{share:.0%} | {np.mean(found):.4f} | {max(found):.4f}"
        print(f"| {width} x {height} | {bucket[1]} x {bucket[0]} | {told} |")
    runtime.close()
    return worst <= _BOUND


def _difference(runtime: Runtime, seed: int, size: tuple[int, int], bucket: tuple[int, int]) -> float:
    pixels = compose(seed, *size).pixels
    (alone,), (filled,) = runtime.infer([pixels]), runtime.infer([padded(pixels, bucket)])
    assert isinstance(alone, np.ndarray)
    assert isinstance(filled, np.ndarray)
    return float(np.abs(alone.astype(np.int16) - cropped(filled, *size)).mean()) / 255
