"""What `doctor` looks at: the program, the machine, the model, the places."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bshm_watchd import __version__
from bshm_watchd.build_stamp import stamp
from bshm_watchd.cli import checks, gpu_findings
from bshm_watchd.cli.findings import Finding, Group, note, ok, problem
from bshm_watchd.cli.processor import Processor
from bshm_watchd.cli.tested import TESTED, gpu_versions, held_against_tested
from bshm_watchd.config import Settings, default_state_dir
from bshm_watchd.errors import ConfigError
from bshm_watchd.intake.file_systems import file_system
from bshm_watchd.matting.bundle import configured_bundle
from bshm_watchd.matting.devices.evidence import Evidence
from bshm_watchd.matting.int8 import worth
from bshm_watchd.matting.sandbox import walls

_DISTRIBUTION = "bshm-watchd"
_MIN_WATCHES = 8192
_INOTIFY = Path("/proc/sys/fs/inotify")


def everything(settings: Settings | None, cpu: Processor, found: Evidence) -> Iterator[Group]:
    """All there is to tell; `settings` None where there is no configuration that can be used."""
    yield Group("program", tuple(_program()))
    yield Group("libraries", tuple(libraries(importlib.metadata.requires(_DISTRIBUTION) or [], installed)), folded=True)
    yield Group("machine", tuple(_machine(cpu, found)))
    if settings is None:
        yield Group("configuration", tuple(_no_configuration()))
        return
    yield Group("model", tuple(_model(settings, found)))
    yield Group("places", tuple(_places(settings)))


def _program() -> Iterator[Finding]:
    yield ok("bshm-watchd", f"{__version__} in {Path(__file__).parent.parent}")
    built = stamp()
    yield ok("built from", str(built) if built else "not known: neither its build nor pip noted a commit")
    yield ok("python", f"{platform.python_version()} ({sys.executable})")
    yield ok("system", f"Linux {platform.release()}, {platform.machine()}")


def libraries(requirements: list[str], installed: Any) -> Iterator[Finding]:
    """What is required, and of what decides how a model is computed whether it is what was tested together."""
    tested = {one.subject: one for one in held_against_tested(installed)}
    for finding in dependencies(requirements, installed):
        another = tested.pop(finding.subject, None)
        yield another if another is not None and finding.level == "ok" else finding
    yield from tested.values()


def _machine(cpu: Processor, found: Evidence) -> Iterator[Finding]:
    yield from cpu.findings()
    yield from gpu_findings.gpus(found)
    yield from gpu_versions(found)
    yield from _openvino()
    yield checks.decoding(walls())
    yield inotify_limits(_read_number("max_user_watches"), _read_number("max_user_instances"))


def _no_configuration() -> Iterator[Finding]:
    yield note("configuration", "none that can be used; make one with: bshm-watchd init DIR")
    yield _place("state_dir", default_state_dir())


def _places(settings: Settings) -> Iterator[Finding]:
    yield from checks.state_dir(settings)
    for folder in settings.hot_folders:
        yield _place(f"hot folder {folder.name}", folder.path)


def versions(found: Evidence) -> dict[str, str | None]:
    """Of all that decides how a model is computed, by name; None: not here, or not told."""
    built = stamp()
    told = {"bshm-watchd": f"{__version__}, {built}" if built else __version__, "python": platform.python_version()}
    drivers = {"GPU driver": found.driver} if found.sign_of_a_gpu else {}
    gpu = {library.name: library.version for library in found.libraries}
    return {**told, "Linux": platform.release(), **{name: installed(name) for name in TESTED}, **drivers, **gpu}


def dependencies(requirements: list[str], installed: Any) -> Iterator[Finding]:
    """Each required distribution, as `name>=floor` in the package's metadata, against what is installed."""
    for requirement in requirements:
        if "extra ==" in requirement:
            continue
        name, floor = _parsed(requirement)
        version = installed(name)
        if version is None:
            yield problem(name, f"is not installed; install it: pip install '{requirement}'")
        elif floor and _numbers(version) < _numbers(floor):
            yield problem(name, f"{version} is older than {floor}; renew it: pip install '{requirement}'")
        else:
            yield ok(name, f"{version} (at least {floor})" if floor else version)


def inotify_limits(watches: int | None, instances: int | None) -> Finding:
    """A directory below drop/ takes a watch; where they run out, scanning alone finds the photos there."""
    told = f"{watches} watches, {instances} instances a user"
    if watches is None or instances is None:
        return note("fs.inotify", "this kernel tells no limits; without events scanning alone finds the photos")
    if watches < _MIN_WATCHES:
        return note("fs.inotify", f"{told}: few; sysctl fs.inotify.max_user_watches=524288 gives more")
    return ok("fs.inotify", told)


def _openvino() -> Iterator[Finding]:
    try:
        from bshm_watchd.matting.quiet_openvino import openvino

        core = openvino().Core()
        for device in core.available_devices:
            kinds = ", ".join(core.get_property(device, "OPTIMIZATION_CAPABILITIES"))
            yield ok(f"openvino {device}", f"{core.get_property(device, 'FULL_DEVICE_NAME')}; computes {kinds}")
    except (ImportError, RuntimeError) as error:
        yield problem("openvino", f"can't be used: {error}")


def _model(settings: Settings, found: Evidence) -> Iterator[Finding]:
    yield from checks.model(settings)
    try:
        bundle = configured_bundle(settings.model, settings.state_dir)
    except (ConfigError, OSError):
        return  # said above
    for file in bundle.manifest.model_files:
        yield ok("model file", f"{file.path}, sha256 {file.sha256[:16]} ...")
    yield from gpu_findings.unused(found, bundle, settings.model)
    if told := worth(bundle):
        yield ok("int8", told)


def _place(subject: str, path: Path) -> Finding:
    kind = file_system(str(path))
    told = f"{path} on {kind.type}{' (scanned often: it may be written to from elsewhere)' if kind.network else ''}"
    try:
        usage = os.statvfs(path)
    except FileNotFoundError:
        return note(subject, f"{path} does not exist; make it with: bshm-watchd init DIR, or mount it")
    except OSError as error:
        return note(subject, f"{path}: {error.strerror}")
    return ok(subject, f"{told}, {usage.f_bavail * usage.f_frsize >> 20} MiB free")


def installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _parsed(requirement: str) -> tuple[str, str]:
    found = re.match(r"([A-Za-z0-9._-]+)(?:\[.*?\])?\s*(?:.*?>=\s*([0-9][0-9.]*))?", requirement)
    assert found is not None
    return found[1], found[2] or ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0])[:4])


def _read_number(name: str) -> int | None:
    try:
        return int((_INOTIFY / name).read_text())
    except (OSError, ValueError):
        return None
