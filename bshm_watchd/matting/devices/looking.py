"""Look for a GPU: device nodes, driver, libraries, and what TensorFlow sees of it."""

from __future__ import annotations

import ctypes
import grp
import importlib.metadata
import importlib.util
import os
import pwd
import re
import runpy
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bshm_watchd.matting.devices.evidence import Build, Evidence, Gpu, Library, Node, numbers

_TENSORFLOW = ("tensorflow", "tensorflow-cpu", "tensorflow-gpu", "tf-nightly")
# `nvidia-cuda-runtime-cu12<13.0,>=12.5.82; extra == "and-cuda"`: what cannot be loaded keeps the whole GPU away.
_WANTED = re.compile(
    r"(nvidia-(cuda-runtime|cublas|cudnn|cufft|cusolver|cusparse))(-cu\d+)?\b.*?[>=]=\s*([\d.]+).*extra ==.*and-cuda"
)
_LIBRARY_OF = {"cuda-runtime": "cudart"}
_DRIVER = re.compile(r"Kernel Module(?: for \S+)?\s+([\d.]+)")


def _packages() -> dict[str, str]:
    """Installed distributions that matter here, with their versions."""
    named = ((found.name.lower().replace("_", "-"), found.version) for found in importlib.metadata.distributions())
    return {name: version for name, version in named if name.startswith("nvidia-") or name in _TENSORFLOW}


def _requirements() -> list[str]:
    try:
        return importlib.metadata.requires("tensorflow") or []
    except importlib.metadata.PackageNotFoundError:
        return []


def _build() -> Mapping[str, Any]:
    """What `tf.sysconfig.get_build_info` says, without the seconds that importing TensorFlow takes."""
    spec = importlib.util.find_spec("tensorflow")
    places = (spec.submodule_search_locations if spec else None) or []
    files = [Path(place, "python", "platform", "build_info.py") for place in places]
    found = [runpy.run_path(str(file)) for file in files if file.is_file()]
    return dict(found[0].get("build_info", {})) if found else {}


def _loaded(name: str) -> str | None:
    """The file that the loader takes for a library's name; None where it finds none, or can't load it."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return None
    mapped = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
    stem = name.partition(".so")[0] + ".so"
    paths = [line.split(maxsplit=5)[5] for line in mapped.splitlines() if f"/{stem}" in line]
    return os.path.realpath(paths[0]) if paths else name


def _seen() -> tuple[str, ...]:
    """The names of the GPUs that TensorFlow sees. Loads it: seconds, and half a gigabyte."""
    # CUDA's own order is by guessed speed; nodes, driver and nvidia-smi count by place on the bus.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    from bshm_watchd.matting.quiet_tensorflow import tensorflow

    tf = tensorflow()

    details = tf.config.experimental.get_device_details
    return tuple(str(details(gpu).get("device_name", gpu.name)) for gpu in tf.config.list_physical_devices("GPU"))


@dataclass(frozen=True, slots=True)
class Sources:
    """Where to look; tests put others here."""

    dev: Path = Path("/dev")
    proc: Path = Path("/proc")
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    packages: Callable[[], Mapping[str, str]] = _packages
    requirements: Callable[[], list[str]] = _requirements
    build: Callable[[], Mapping[str, Any]] = _build
    loaded: Callable[[str], str | None] = _loaded
    seen: Callable[[], tuple[str, ...]] = _seen


def look(*, wanted: bool, sources: Sources | None = None) -> Evidence:
    """Everything there is. Only where a node stands, or a GPU is `wanted`, TensorFlow is asked and libraries loaded."""
    sources = sources or Sources()
    found = _quick_look(sources)
    if not (wanted or found.reachable):
        return found
    return _asked(replace(found, libraries=_libraries(sources), driver_library=_driver_library(sources)), sources)


def _quick_look(sources: Sources) -> Evidence:
    return Evidence(
        user=_user(),
        gpus=_gpus(sources),
        control=_node(sources.dev / "nvidiactl", try_it=True),
        memory=_node(sources.dev / "nvidia-uvm"),
        driver=driver_version(sources.proc),
        visible=sources.environment.get("CUDA_VISIBLE_DEVICES"),
        order=sources.environment.get("CUDA_DEVICE_ORDER"),
        tensorflow=_tensorflow(sources),
    )


def _asked(found: Evidence, sources: Sources) -> Evidence:
    try:
        return replace(found, seen=sources.seen())
    except (ImportError, OSError, RuntimeError) as error:  # what a broken installation ends in
        return replace(found, seen=(), trouble=f"{type(error).__name__}: {error}")


def _gpus(sources: Sources) -> tuple[Gpu, ...]:
    """Of nodes and of what the driver tells, by place on the bus; those whose place is not told come last."""
    told = {gpu.minor: gpu for gpu in _told(sources.proc)}
    nodes = {int(path.name.removeprefix("nvidia")): path for path in sources.dev.glob("nvidia[0-9]*")}
    minors = sorted(told.keys() | nodes.keys())
    gpus = [replace(told.get(minor, Gpu(minor, None)), node=_node(sources.dev / f"nvidia{minor}")) for minor in minors]
    return tuple(sorted(gpus, key=lambda gpu: (gpu.bus is None, gpu.bus or "", gpu.minor)))


def _told(proc: Path) -> list[Gpu]:
    found = []
    for path in sorted((proc / "driver" / "nvidia" / "gpus").glob("*/information")):
        lines = (line.partition(":") for line in _text(path).splitlines())
        told = {key.strip(): value.strip() for key, _, value in lines}
        if told.get("Device Minor", "").isdecimal():
            minor, model = int(told["Device Minor"]), told.get("Model")
            found.append(Gpu(minor, None, model, told.get("GPU UUID"), told.get("Bus Location")))
    return found


def driver_version(proc: Path = Path("/proc")) -> str | None:
    """Of the loaded kernel module; None where none is loaded."""
    path = proc / "driver" / "nvidia" / "version"
    if not path.exists():
        return None
    found = _DRIVER.search(_text(path))
    return found[1] if found else "unknown"


def _text(path: Path) -> str:
    """Empty where it can't be read: what is not told is not known."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _node(path: Path, *, try_it: bool = False) -> Node | None:
    try:
        status = path.stat()
    except OSError:
        return None
    usable = os.access(path, os.R_OK | os.W_OK)
    refused = try_it and usable and _is_refused(path)
    owner, group = _user_name(status.st_uid), _group_name(status.st_gid)
    return Node(str(path), usable, stat.S_IMODE(status.st_mode), owner, group, refused)


def _is_refused(path: Path) -> bool:
    """By the rules of a control group, which no mode shows."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except PermissionError:
        return True
    except OSError:
        return False  # there is no driver behind the node, which other evidence says
    return False


def _tensorflow(sources: Sources) -> Build | None:
    packages = sources.packages()
    version = next((packages[name] for name in _TENSORFLOW if name in packages), None)
    if version is None:
        return None
    told = sources.build()
    # What a build does not tell of itself is not held against it.
    return Build(version, bool(told.get("is_cuda_build", True)), told.get("cuda_version"), told.get("cudnn_version"))


def _driver_library(sources: Sources) -> str | None:
    path = sources.loaded("libcuda.so.1")
    return None if path is None else _version_in(path)


def gpu_libraries(sources: Sources | None = None) -> dict[str, str]:
    """By their names for the loader, the versions of what TensorFlow loads for its GPU: pip's, else the system's."""
    return {found.name: found.version or "unknown" for found in _libraries(sources or Sources()) if found.found}


def _libraries(sources: Sources) -> tuple[Library, ...]:
    packages = sources.packages()
    wanted = [found for requirement in sources.requirements() if (found := _WANTED.match(requirement))]
    return tuple(_library(found, packages, sources) for found in wanted)


def _library(wanted: re.Match[str], packages: Mapping[str, str], sources: Sources) -> Library:
    base, stem, suffix, floor = wanted.groups()
    package, at_least = base + (suffix or ""), numbers(floor)
    others = tuple(
        f"{name} {version}"
        for name, version in sorted(packages.items())
        if name != package and re.fullmatch(rf"{base}(-cu\d+)?", name)
    )
    # A library's own number is the first of its package's version.
    library = Library(f"lib{_LIBRARY_OF.get(stem, stem)}.so.{at_least[0]}", package, at_least, others=others)
    if package in packages:
        return replace(library, version=packages[package], found=True)
    path = sources.loaded(library.name)
    return library if path is None else replace(library, version=_version_in(path) or None, found=True)


def _version_in(path: str) -> str:
    """The version at the end of a library's file name: 550.54.15 of libcuda.so.550.54.15."""
    version = path.rpartition(".so.")[2]
    return version if "." in version and re.fullmatch(r"[\d.]+", version) else ""


def _user() -> str:
    return _user_name(os.geteuid())


def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
