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
from bshm_watchd.cli import checks, gpu_findings
from bshm_watchd.cli.findings import Finding, note, ok, problem
from bshm_watchd.config import Settings, default_state_dir
from bshm_watchd.errors import ConfigError
from bshm_watchd.intake.file_systems import file_system
from bshm_watchd.matting.bundle import configured_bundle
from bshm_watchd.matting.devices.evidence import Evidence
from bshm_watchd.matting.devices.looking import look
from bshm_watchd.matting.int8 import worth
from bshm_watchd.matting.sandbox import walls

_DISTRIBUTION = "bshm-watchd"
# What decides how fast a network runs on a CPU, in the kernel's spelling.
_FEATURES = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8", "amx_bf16")
_MIN_WATCHES = 8192
_INOTIFY = Path("/proc/sys/fs/inotify")


def everything(settings: Settings | None) -> Iterator[Finding]:
    """All there is to tell; `settings` None where there is no configuration that can be used."""
    yield ok("bshm-watchd", f"{__version__} in {Path(__file__).parent.parent}")
    yield ok("python", f"{platform.python_version()} ({sys.executable})")
    yield ok("system", f"Linux {platform.release()}, {platform.machine()}")
    yield from dependencies(importlib.metadata.requires(_DISTRIBUTION) or [], _installed)
    yield cpu(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    found = look(wanted=False)
    yield from gpu_findings.gpus(found)
    yield from _openvino()
    yield checks.decoding(walls())
    yield inotify_limits(_read_number("max_user_watches"), _read_number("max_user_instances"))
    if settings is None:
        yield note("configuration", "none that can be used; make one with: bshm-watchd init DIR")
        yield _place("state_dir", default_state_dir())
        return
    yield from _model(settings, found)
    yield from checks.state_dir(settings)
    for folder in settings.hot_folders:
        yield _place(f"hot folder {folder.name}", folder.path)


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


def cpu(cpuinfo: str) -> Finding:
    model = re.search(r"^model name\s*: (.*)$", cpuinfo, re.MULTILINE)
    flags = set(" ".join(re.findall(r"^(?:flags|Features)\s*: (.*)$", cpuinfo, re.MULTILINE)[:1]).split())
    cores = len(os.sched_getaffinity(0))
    features = [feature for feature in _FEATURES if feature in flags] or ["none of " + ", ".join(_FEATURES)]
    return ok("cpu", f"{model[1] if model else 'unknown'}, {cores} cores for us; {', '.join(features)}")


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
        yield ok("model file", f"{file.path}, sha256 {file.sha256}")
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


def _installed(name: str) -> str | None:
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
