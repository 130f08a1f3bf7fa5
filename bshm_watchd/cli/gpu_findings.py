"""What `check` and `doctor` tell of the GPU: what is there, what computes, and what is missing. Nothing is locked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bshm_watchd.cli.findings import Finding, note, ok, problem
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.devices.evidence import Evidence, Gpu, Library
from bshm_watchd.matting.devices.lacks import fits, lacks, least_driver
from bshm_watchd.matting.devices.lock import holder
from bshm_watchd.matting.devices.looking import look as look_here
from bshm_watchd.matting.devices.opening import Can, Look, choose_device
from bshm_watchd.matting.runtimes import can_use_gpu, make_runtime
from bshm_watchd.matting.told import computed

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.bundle import Bundle


def device(
    bundle: Bundle, settings: ModelSettings, look: Look = look_here, can: Can = can_use_gpu
) -> Iterator[Finding]:
    """What the bundle would be computed with as configured, decided as a start decides it."""
    try:
        chosen = choose_device(bundle, settings, look, can)
        settled = chosen.settled(settings)
        make_runtime(bundle, settled)  # not started: only whether there is one
    except ConfigError as error:
        yield from (problem("device", message) for message in error.problems)
        return
    told = f"{bundle.manifest.name} {computed(bundle, settled, chosen)}"
    if chosen.fell_back is not None:
        yield note("device", f"{told}, not on a GPU: {chosen.fell_back}")
    elif chosen.node is not None:
        pid = holder(chosen.node)
        yield ok("device", f"{told}, {_held(pid)}")
    else:
        yield ok("device", f"{told}; {chosen.remark}" if chosen.remark else told)


def gpus(found: Evidence) -> Iterator[Finding]:
    """Each GPU, its driver and the libraries, held against what the installed TensorFlow was built for."""
    if not found.sign_of_a_gpu:
        yield ok("gpu", "looked for /dev/nvidia0 and the like and for a driver, found none")
        return
    for gpu in found.gpus:
        yield _gpu(gpu)
    yield _driver(found)
    yield from (_library(library) for library in found.libraries)
    if found.seen:
        yield ok("gpu of TensorFlow", ", ".join(found.seen))
    yield from (note(f"gpu {lack.what}", lack.message) for lack in lacks(found))


def unused(found: Evidence, bundle: Bundle, settings: ModelSettings) -> Iterator[Finding]:
    """Where a GPU is there and this bundle would not use one."""
    if found.sign_of_a_gpu and not can_use_gpu(bundle, settings):
        yield note("gpu", f"the bundle {bundle.manifest.name} computes on the CPU only, whatever GPU is there")


def _gpu(gpu: Gpu) -> Finding:
    name = gpu.name or "a GPU whose driver tells no name"
    if gpu.node is None:
        return note("gpu", f"{name}, without /dev/nvidia{gpu.minor}: not for this container, or not made yet")
    rights = f"{gpu.node.owner}:{gpu.node.group} {gpu.node.mode:04o}"
    return ok("gpu", f"{gpu.node.path}: {name} ({rights}), {_held(holder(gpu.node.path))}")


def _held(pid: int | None) -> str:
    return f"held by process {pid}" if pid else "free"


def _driver(found: Evidence) -> Finding:
    build = found.tensorflow
    least = least_driver(build.cuda) if build else None
    wants = f"; TensorFlow {build.version} (CUDA {build.cuda}) takes {least} or newer" if build and least else ""
    if found.driver is None:
        return note("gpu driver", f"none is loaded{wants}")
    library = f", libcuda.so.1 {found.driver_library}" if found.driver_library else ""
    return ok("gpu driver", f"{found.driver}{library}{wants}")


def _library(library: Library) -> Finding:
    wanted = f"TensorFlow wants {'.'.join(map(str, library.at_least))}"
    if not library.found:
        return note(f"gpu {library.name}", f"missing; {wanted} ({library.package})")
    if library.version is None:
        return ok(f"gpu {library.name}", f"loads, and does not tell its version; {wanted}")
    return (ok if fits(library) else note)(f"gpu {library.name}", f"{library.version}; {wanted}")
