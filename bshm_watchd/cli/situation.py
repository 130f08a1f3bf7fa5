"""What the rules of `advice.py` ask for, gathered from the configuration and the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bshm_watchd.cli.advice import Situation
from bshm_watchd.config import Settings
from bshm_watchd.errors import ConfigError
from bshm_watchd.intake.file_systems import file_system
from bshm_watchd.matting.bundle import configured_bundle
from bshm_watchd.matting.devices.evidence import Evidence
from bshm_watchd.matting.devices.opening import choose_device
from bshm_watchd.matting.int8 import read_int8
from bshm_watchd.matting.manifest import ArithmeticModel, BshmModel
from bshm_watchd.matting.runtimes import can_use_gpu, precision_of, precisions_of, runtime_names

if TYPE_CHECKING:
    from bshm_watchd.cli.processor import Processor
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.devices.choice import Device
    from bshm_watchd.matting.manifest import Manifest


def situation(settings: Settings, cpu: Processor, found: Evidence) -> Situation | None:
    """None where the model can't start as configured, or computes nothing: there is nothing to make faster."""
    try:
        bundle = configured_bundle(settings.model, settings.state_dir)
        device = choose_device(bundle, settings.model, lambda *, wanted: found)
        settled = device.settled(settings.model)
        unpinned = settled.model_copy(update={"runtime": "auto"})
        precision, precisions = precision_of(bundle, settled), precisions_of(bundle, unpinned)
        has_int8, runtime = read_int8(bundle) is not None, runtime_names(bundle, settled)
    except (ConfigError, OSError):
        return None
    if isinstance(bundle.manifest.model, ArithmeticModel):
        return None
    place = file_system(str(settings.state_dir))
    return Situation(
        bundle=bundle.manifest.name,
        named=settings.model.bundle,
        device=device.kind,
        runtime=runtime,
        precision=precision,
        precisions=precisions,
        has_int8=has_int8,
        fast=cpu.fast,
        cores=cpu.cores,
        cores_of_machine=cpu.cores_of_machine,
        max_batch=settings.batch.max_size,
        takes_batches=_takes_batches(bundle.manifest),
        gpu_unused=_gpu_unused(bundle, settings.model, device, found),
        working_side=_working_side(bundle.manifest),
        state_on=place.type if place.network else None,
    )


def _takes_batches(manifest: Manifest) -> bool:
    return isinstance(manifest.model, BshmModel) and manifest.model.batch is not None


def _working_side(manifest: Manifest) -> int | None:
    rule = manifest.working_size
    return rule.longest_side if isinstance(manifest.model, BshmModel) and rule.rule == "buckets" else None


def _gpu_unused(bundle: Bundle, settings: ModelSettings, device: Device, found: Evidence) -> str | None:
    """Why, and behind a colon what to do."""
    if device.kind == "gpu" or not found.sign_of_a_gpu:
        return None
    name = bundle.manifest.name
    if can_use_gpu(bundle, settings):
        return device.fell_back or "model.device is cpu: model: {device: auto}"
    if can_use_gpu(bundle, settings.model_copy(update={"runtime": "auto"})):
        return f"model.runtime is {settings.runtime}, which computes {name} on the CPU only: model: {{runtime: auto}}"
    return f"the bundle {name} computes on the CPU only: model: {{bundle: one of the format bshm}}, see docs/models.md"
