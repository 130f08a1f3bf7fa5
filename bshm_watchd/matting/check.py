"""Does an installed bundle give what it should? Hashes, loading, and its golden pictures within their bounds."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bshm_watchd.errors import ConfigError, InstanceRunning, WatchdError
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.decoding import Refused, decode_picture
from bshm_watchd.matting.devices.opening import opened_device
from bshm_watchd.matting.int8 import read_int8
from bshm_watchd.matting.int8_gate import golden_bound
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.runtimes import Precision, make_runtime, precision_of

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.manifest import GoldenPicture
    from bshm_watchd.matting.photo import Alpha, Pixels

_MAX_PIXELS = 4_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked; `difference` and `bound` are mean absolute differences of alpha, 0 to 1."""

    bundle: str
    what: str
    passed: bool
    message: str
    difference: float | None = None
    bound: float | None = None


def check_bundle(bundle: Bundle, settings: ModelSettings) -> list[Finding]:
    """Everything there is to check, in order; stops where going on makes no sense.

    Raises `InstanceRunning` where the GPU is taken, which says nothing of the bundle; nothing else of its own.
    """
    name = bundle.manifest.name
    if damages := bundle.damages():
        return [Finding(name, "files", False, damage) for damage in damages]
    files = Finding(name, "files", True, f"every sha256 is right (files: {len(bundle.manifest.files)})")
    with ExitStack() as stack:
        try:
            device = stack.enter_context(opened_device(bundle, settings))
            settled = device.settled(settings)
            precision = precision_of(bundle, settled)
            batcher = stack.enter_context(Batcher(make_runtime(bundle, settled), bundle, 1, 0))
        except InstanceRunning:
            raise
        except WatchdError as error:
            return [files, Finding(name, "loads", False, str(error))]
        fell_back = f", not on a GPU: {device.fell_back}" if device.fell_back is not None else ""
        loads = Finding(name, "loads", True, f"loaded and warmed up {device}{fell_back}")
        return [files, loads, *(_check_golden(bundle, golden, batcher, precision) for golden in bundle.manifest.golden)]


def _check_golden(bundle: Bundle, golden: GoldenPicture, batcher: Batcher, precision: Precision) -> Finding:
    bound = _bound(bundle, golden, precision)
    if bound is None:
        message = f"the manifest has no bound for {precision}, so nothing says that this precision is right"
        return Finding(bundle.manifest.name, golden.picture, False, message)
    found = golden_difference(bundle, golden, batcher)
    message = f"alpha differs by {found:.5f} on average at {precision}, allowed are {bound:.4g}"
    return Finding(bundle.manifest.name, golden.picture, found <= bound, message, found, bound)


def _bound(bundle: Bundle, golden: GoldenPicture, precision: Precision) -> float | None:
    """The manifest's; that of INT8 networks comes of what they were found to be worth when they were made."""
    if precision != "int8":
        return golden.mean_difference.get(precision)
    record = read_int8(bundle)
    found = record.judgement.golden.get(golden.picture) if record and record.judgement else None
    return None if found is None else golden_bound(found)


def golden_difference(bundle: Bundle, golden: GoldenPicture, batcher: Batcher) -> float:
    """Mean absolute difference of alpha, 0 to 1, from the matte that the picture must give."""
    expected = read_picture(bundle.path(golden.matte)).pixels[:, :, 0]
    return difference(batcher.matte(read_picture(bundle.path(golden.picture))), expected)


def difference(alpha: Alpha, expected: Alpha) -> float:
    """The mean over all pixels of two alphas of one size, 0 to 1."""
    return float(np.abs(alpha.astype(np.int16) - expected).mean()) / 255


def read_picture(path: Path) -> Photo:
    """A picture of our own (its hash was checked), decoded in this process."""
    made: list[Pixels] = []

    def allocate(height: int, width: int) -> Pixels:
        made.append(np.empty((height, width, 3), np.uint8))
        return made[0]

    try:
        decoded = decode_picture(memoryview(path.read_bytes()), _MAX_PIXELS, allocate)
    except Refused as error:
        raise ConfigError([f"{path}: {error.detail}"]) from error
    return Photo(made[0], decoded.opacity, decoded.metadata)
