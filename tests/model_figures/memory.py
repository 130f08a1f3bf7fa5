"""Resident memory over 500 photos of many sizes, on TensorFlow."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bshm_watchd.config import ModelSettings
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.bundle import configured_bundle
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.runtimes import make_runtime

_PHOTOS, _SIDE = 500, 480
_GROWTH = 1.05


def show(directory: Path) -> bool:
    """After the first hundred it may grow by a twentieth."""
    settings = ModelSettings(bundle=str(directory), runtime="tensorflow", device="cpu", working_side=_SIDE)
    bundle = configured_bundle(settings, Path("/none"))
    random, kept = np.random.default_rng(5), {}
    with Batcher(make_runtime(bundle, settings), bundle, 1, 0) as batcher:
        for number in range(1, _PHOTOS + 1):
            height, width = random.integers(100, 2400, 2).tolist()
            batcher.matte(Photo(np.full((height, width, 3), number % 256, np.uint8)))
            if number % 100 == 0:
                kept[number] = _resident_mib()
    print("resident MiB after so many photos: " + ", ".join(f"{number}: {mib:.0f}" for number, mib in kept.items()))
    return kept[_PHOTOS] <= kept[100] * _GROWTH


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / (1 << 20)
