"""Does an installed bundle give what it should? Hashes, loading, and its golden pictures within their bounds."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bshm_watchd.errors import InstanceRunning, WatchdError
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.devices.opening import opened_device
from bshm_watchd.matting.golden import golden_found
from bshm_watchd.matting.measured_runtime import settled_runtime
from bshm_watchd.matting.runtimes import Precision, make_runtime, precision_of

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.manifest import GoldenPicture


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked.

    `difference` and `bound`, which it may not exceed, are mean absolute differences of alpha, 0 to 1. `edge_psnr_db`
    and `edge_bound_db`, below which it may not fall, are decibels.
    """

    bundle: str
    what: str
    passed: bool
    message: str
    difference: float | None = None
    bound: float | None = None
    edge_psnr_db: float | None = None
    edge_bound_db: float | None = None


def check_bundle(bundle: Bundle, settings: ModelSettings, state_dir: Path) -> list[Finding]:
    """Everything there is to check, in order; stops where going on makes no sense.

    `state_dir` remembers which runtime `auto` means.

    Raises `InstanceRunning` where the GPU is taken, which says nothing of the bundle; nothing else of its own.
    """
    name = bundle.manifest.name
    if damages := bundle.damages():
        return [Finding(name, "files", False, damage) for damage in damages]
    files = Finding(name, "files", True, f"every sha256 is right (files: {len(bundle.manifest.files)})")
    with ExitStack() as stack:
        try:
            device = stack.enter_context(opened_device(bundle, settings))
            settled = settled_runtime(bundle, device.settled(settings), state_dir)
            precision = precision_of(bundle, settled)
            batcher = stack.enter_context(Batcher(make_runtime(bundle.for_a_few, settled), bundle, 1, 0))
        except InstanceRunning:
            raise
        except WatchdError as error:
            return [files, Finding(name, "loads", False, str(error))]
        fell_back = f", not on a GPU: {device.fell_back}" if device.fell_back is not None else ""
        loads = Finding(name, "loads", True, f"loaded and warmed up {device}{fell_back}")
        return [files, loads, *(_check_golden(bundle, golden, batcher, precision) for golden in bundle.manifest.golden)]


def _check_golden(bundle: Bundle, golden: GoldenPicture, batcher: Batcher, precision: Precision) -> Finding:
    name = bundle.manifest.name
    try:
        looked = golden_found(bundle, golden, batcher, precision)
    except WatchdError as error:
        return Finding(name, golden.picture, False, f"it has no alpha at {precision}: {error}")
    if not looked.can_be_judged:
        message = f"the manifest has no bound for {precision}, so nothing says that this precision is right"
        return Finding(name, golden.picture, False, f"{message}: {looked.told()}")
    message = "; ".join([looked.told(), *looked.misses])
    found, bounds = looked.found, looked.bounds
    return Finding(
        name, golden.picture, not looked.misses, message, found.mean, bounds.mean, found.edge_psnr_db,
        bounds.edge_psnr_db,
    )  # fmt: skip
