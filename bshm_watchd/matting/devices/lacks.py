"""What keeps a GPU from being used, and what to do about each: pure rules over the evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from bshm_watchd.matting.devices.evidence import Evidence, Gpu, Library, Node, numbers

_LEAST_DRIVER = {11: "450.80.02", 12: "525.60.13", 13: "580"}  # by CUDA's major version; see docs/gpu.md
_MAKE_NODES = "as root: nvidia-modprobe -c 0 -u (nvidia-smi does it, too)"
_PASS_IN = "docker run --gpus all, podman run --device nvidia.com/gpu=all"


class Missing(StrEnum):
    """What is missing or wrong, in a word that stays."""

    VISIBILITY = "visibility"
    ORDER = "order"
    NODE = "device node"
    DRIVER = "driver"
    DRIVER_VERSION = "driver version"
    DRIVER_LIBRARY = "driver library"
    PERMISSION = "permission"
    TENSORFLOW = "TensorFlow"
    CUDA = "CUDA library"
    CUDNN = "cuDNN library"
    MISMATCH = "version mismatch"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Lack:
    what: Missing
    message: str  # what was found, and what to do


def lacks(found: Evidence) -> list[Lack]:
    """Every reason why no GPU can be used; none: the first of `shown` can.

    Where TensorFlow sees one, only that counts which is needed beside: to know which GPU it is, and to lock it.
    """
    rules = _ALWAYS if found.seen else (*_ALWAYS, *_WHERE_NONE_IS_SEEN)
    reasons = [lack for rule in rules for lack in rule(found)]
    return reasons or ([] if found.seen else [_unknown(found)])


def least_driver(cuda: str | None) -> str | None:
    """The oldest driver that runs programs built for this CUDA; None where that is not known."""
    return _LEAST_DRIVER.get(numbers(cuda)[0]) if cuda and numbers(cuda) else None


def _visibility(found: Evidence) -> Iterator[Lack]:
    if found.reachable and not found.shown:
        why = f"CUDA_VISIBLE_DEVICES={found.visible!r} shows none of {_paths(found.reachable)}"
        yield Lack(Missing.VISIBILITY, f"{why}: unset it, or name one by its number or by its UUID (nvidia-smi -L)")


def _order(found: Evidence) -> Iterator[Lack]:
    if len(found.reachable) > 1 and found.order not in (None, "PCI_BUS_ID"):
        why = f"CUDA_DEVICE_ORDER={found.order} leaves open which of {_paths(found.reachable)} is meant"
        yield Lack(Missing.ORDER, f"{why}: unset it, or set it to PCI_BUS_ID")


def _nodes(found: Evidence) -> Iterator[Lack]:
    if not found.reachable and found.driver is None:
        why = "no NVIDIA driver is loaded (no /proc/driver/nvidia/version), and there is no /dev/nvidia0"
        yield Lack(Missing.DRIVER, f"{why}: install the driver for this kernel and restart; nvidia-smi must work")
    elif not found.reachable:
        why = f"there is no /dev/nvidia0, though the driver {found.driver} is loaded"
        what_to_do = f"in a container pass the device into it ({_PASS_IN}), else make it {_MAKE_NODES}"
        yield Lack(Missing.NODE, f"{why}: {what_to_do}")


def _permission(found: Evidence) -> Iterator[Lack]:
    for gpu in found.shown[:1]:
        if gpu.node is not None and not gpu.node.usable:
            yield _closed(gpu.node, found.user)
    for node in (found.control, found.memory):
        if node is not None and not node.usable:
            yield _closed(node, found.user)
        elif node is not None and node.refused:
            why = f"{node.path} may not be opened, though its mode allows it"
            what_to_do = "allow the NVIDIA devices in the service (DeviceAllow=/dev/nvidia* rw) or pass them into the"
            yield Lack(Missing.PERMISSION, f"{why}: {what_to_do} container ({_PASS_IN})")


def _closed(node: Node, user: str) -> Lack:
    why = f"user {user} may not read and write {node.path} ({node.owner}:{node.group}, {node.mode:04o})"
    if node.mode & 0o060 == 0o060 and node.group != "root":
        join = f"add it to group {node.group} (as root: usermod -aG {node.group} {user}) and log in anew"
        return Lack(Missing.PERMISSION, f"{why}: {join}; in a service: SupplementaryGroups={node.group}")
    give = "give the nodes a group by the driver's options NVreg_DeviceFileGID and NVreg_DeviceFileMode=0660"
    return Lack(Missing.PERMISSION, f"{why}: {give}, and add the user to it")


def _driver(found: Evidence) -> Iterator[Lack]:
    if found.reachable and found.driver is None:
        why = f"{_paths(found.reachable)} stands there, but no NVIDIA driver is loaded"
        yield Lack(Missing.DRIVER, f"{why}: modprobe nvidia as root, or install the driver for this kernel")
    for path, node in (("/dev/nvidiactl", found.control), ("/dev/nvidia-uvm", found.memory)):
        if found.reachable and node is None:
            yield Lack(Missing.NODE, f"{path} is missing: make it {_MAKE_NODES}; in a container: {_PASS_IN}")


def _driver_version(found: Evidence) -> Iterator[Lack]:
    build = found.tensorflow
    least = least_driver(build.cuda) if build else None
    if build and least and found.driver and numbers(found.driver) and numbers(found.driver) < numbers(least):
        why = f"the driver {found.driver} is too old for TensorFlow {build.version}, built for CUDA {build.cuda}"
        yield Lack(Missing.DRIVER_VERSION, f"{why}: it takes {least} or newer; renew the driver")


def _driver_library(found: Evidence) -> Iterator[Lack]:
    if found.driver is None:
        return  # they come together
    if found.driver_library is None:
        why = "the driver's library libcuda.so.1 can't be loaded"
        what_to_do = "install it (Debian: libcuda1), in a container set NVIDIA_DRIVER_CAPABILITIES=compute,utility"
        yield Lack(Missing.DRIVER_LIBRARY, f"{why}: {what_to_do}")
    elif found.driver_library and numbers(found.driver_library) != numbers(found.driver):
        why = f"the loaded driver is {found.driver}, its library libcuda.so.1 is {found.driver_library}"
        yield Lack(Missing.MISMATCH, f"{why}: restart the machine after an upgrade, or install both of one version")


def _tensorflow(found: Evidence) -> Iterator[Lack]:
    if found.tensorflow is None:
        yield Lack(Missing.TENSORFLOW, "TensorFlow is not installed: install this program with its extra [gpu]")
    elif not found.tensorflow.has_cuda:
        version = found.tensorflow.version
        why = f"TensorFlow {version} was built without CUDA"
        yield Lack(Missing.TENSORFLOW, f"{why}: remove it, then {_install(version)}")


def _libraries(found: Evidence) -> Iterator[Lack]:
    build = found.tensorflow
    if build is None or not build.has_cuda:
        return
    for library in found.libraries:
        if (why := _mismatch(library)) is not None:
            yield Lack(Missing.MISMATCH, f"{why}: {_install(build.version)}")
    missing = [library for library in found.libraries if not library.found and not library.others]
    for what, is_cudnn in ((Missing.CUDA, False), (Missing.CUDNN, True)):
        if names := [f"{one.name} ({one.package} {_wanted(one)})" for one in missing if one.is_cudnn is is_cudnn]:
            yield Lack(what, f"not found: {', '.join(names)}; {_install(build.version)}")


def _mismatch(library: Library) -> str | None:
    """None also where it loads and its version is not told."""
    if library.found and library.version is not None and not fits(library):
        who = f"{library.package} (or {library.name}) is {library.version}"
        return f"{who}, TensorFlow wants {_wanted(library)} or newer of the same first number"
    if not library.found and library.others:
        return f"{', '.join(library.others)} is here, TensorFlow wants {library.package} {_wanted(library)}"
    return None


def _wanted(library: Library) -> str:
    return ".".join(map(str, library.at_least))


def _install(version: str) -> str:
    return f"pip install 'tensorflow[and-cuda]=={version}' brings the fitting ones"


def fits(library: Library) -> bool:
    """The same first number, and not older in the second: what CUDA and cuDNN promise to bear."""
    have = numbers(library.version or "")
    return have[:1] == library.at_least[:1] and have[1:2] >= library.at_least[1:2]


def _unknown(found: Evidence) -> Lack:
    said = f" ({found.trouble})" if found.trouble else ""
    why = f"TensorFlow sees no GPU{said}, though nothing is missing that can be told from here"
    ask = "python -c \"import tensorflow as tf; print(tf.config.list_physical_devices('GPU'))\""
    return Lack(Missing.UNKNOWN, f"{why}; what it says itself: {ask}")


def _paths(gpus: tuple[Gpu, ...]) -> str:
    return ", ".join(gpu.node.path for gpu in gpus if gpu.node is not None)


_Rule = Callable[[Evidence], Iterator[Lack]]
_ALWAYS: tuple[_Rule, ...] = (_visibility, _order, _nodes, _permission)
_WHERE_NONE_IS_SEEN: tuple[_Rule, ...] = (_driver, _driver_version, _driver_library, _tensorflow, _libraries)
