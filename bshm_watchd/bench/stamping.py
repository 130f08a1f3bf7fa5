"""What a result says of itself: which program, model and machine it was measured with."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from bshm_watchd import __version__
from bshm_watchd.bench.cores import usable_cores
from bshm_watchd.bench.results import Machine, Stamp
from bshm_watchd.build_stamp import Stamp as BuildStamp
from bshm_watchd.build_stamp import stamp as build_stamp
from bshm_watchd.clock import SystemClock, timestamp
from bshm_watchd.matting.circumstances import libraries, networks, of_gpu, processor
from bshm_watchd.matting.cpu_features import cpuinfo
from bshm_watchd.matting.runtimes import precision_of, runtime_names

if TYPE_CHECKING:
    from bshm_watchd.clock import Clock
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.devices.choice import Device

_MIB = 1 << 20


def stamp_of(bundle: Bundle, settings: ModelSettings, device: Device, clock: Clock | None = None) -> Stamp:
    """`settings`: with device and runtime settled. Raises `ConfigError` where nothing fits the bundle."""
    precision = precision_of(bundle, settings)
    gpu = of_gpu(device.name) if device.kind == "gpu" else {}
    return Stamp(
        version=__version__,
        commit=_commit(build_stamp()),
        made=timestamp((clock or SystemClock()).wall()),
        machine=machine(device),
        bundle=bundle.manifest.name,
        networks=networks(bundle, precision),
        runtime=runtime_names(bundle, settings),
        precision=precision,
        device=device.kind,
        libraries={name: version for name, version in (libraries() | gpu).items() if name != "bshm-watchd"},
    )


def machine(device: Device) -> Machine:
    """This one: the cores that this process can use, and all memory."""
    return Machine(
        processor=processor(cpuinfo())["CPU"],
        cores=usable_cores(),
        memory_mib=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MIB,
        kernel=platform.release(),
        python=platform.python_version(),
        gpu=(device.name or "unknown") if device.kind == "gpu" else None,
    )


def _commit(built: BuildStamp | None) -> str | None:
    """`+` at its end: with changes since."""
    return None if built is None else built.commit + ("+" if built.changed else "")
