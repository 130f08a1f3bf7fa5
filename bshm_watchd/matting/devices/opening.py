"""Choose a device for a bundle, say so, and keep it for as long as its model is resident."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from bshm_watchd import logs
from bshm_watchd.matting.devices.choice import Device, chosen
from bshm_watchd.matting.devices.evidence import Evidence
from bshm_watchd.matting.devices.lock import only_model
from bshm_watchd.matting.devices.looking import look as look_here
from bshm_watchd.matting.runtimes import can_use_gpu

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.bundle import Bundle

Can = Callable[["Bundle", "ModelSettings"], bool]
Opening = Callable[["Bundle", "ModelSettings"], AbstractContextManager[Device]]

_NOTHING = Evidence(user="")


class Look(Protocol):
    """Looks for a GPU; `wanted`: also where nothing hints at one."""

    def __call__(self, *, wanted: bool) -> Evidence: ...


def choose_device(bundle: Bundle, settings: ModelSettings, look: Look = look_here, can: Can = can_use_gpu) -> Device:
    """Raises `ConfigError` where a GPU is wanted and can't be had. Looks only where the answer depends on it."""
    able = can(bundle, settings)
    found = look(wanted=settings.device == "gpu") if able and settings.device != "cpu" else _NOTHING
    return chosen(settings.device, found, model_can_use_gpu=able, bundle=bundle.manifest.name)


@contextlib.contextmanager
def opened_device(
    bundle: Bundle, settings: ModelSettings, look: Look = look_here, can: Can = can_use_gpu
) -> Iterator[Device]:
    """The device, and a GPU locked until the end; a fall is the caller's to tell.

    Raises as `choose_device` and `only_model` do.
    """
    device = choose_device(bundle, settings, look, can)
    with only_model(device.node) if device.node is not None else contextlib.nullcontext():
        yield device


def tell(device: Device) -> None:
    """To the log, where it is not what might be expected."""
    if device.fell_back is not None:
        logs.warning("computing on the CPU, not on a GPU", why=device.fell_back)
    elif device.remark is not None:
        logs.info("computing on the CPU", why=device.remark)
