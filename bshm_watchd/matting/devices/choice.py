"""The decision which device computes: `model.device` held against what the model can and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.devices.lacks import lacks
from bshm_watchd.status import DeviceStatus, GpuFigures

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.devices.evidence import Evidence, Gpu

Setting = Literal["auto", "cpu", "gpu"]

_CPU_ONLY = "the bundle {bundle} computes on the CPU only; set model.device to auto or cpu, or choose another bundle"


@dataclass(frozen=True, slots=True)
class Device:
    """What computes. `fell_back`: why not the GPU that there is some sign of; None where nothing was lost."""

    gpu: Gpu | None = None  # None: the CPU
    name: str | None = None  # the GPU's
    fell_back: str | None = None
    remark: str | None = None  # what else is worth a line in the log

    @property
    def kind(self) -> Literal["cpu", "gpu"]:
        return "cpu" if self.gpu is None else "gpu"

    @property
    def node(self) -> str | None:
        """The GPU's device node, which is locked."""
        return self.gpu.node.path if self.gpu is not None and self.gpu.node is not None else None

    def __str__(self) -> str:
        if self.gpu is None:
            return "on the CPU"
        return f"on GPU {self.gpu.minor}" + (f", {self.name}" if self.name else "")

    def settled(self, settings: ModelSettings) -> ModelSettings:
        """The settings with this decision in place of `auto`: what a runtime is made from."""
        return settings.model_copy(update={"device": self.kind})

    def status(self, computed: str, figures: GpuFigures | None) -> DeviceStatus:
        index = None if self.gpu is None else self.gpu.minor
        return DeviceStatus(self.kind, computed, index, self.name, self.fell_back, figures)


def chosen(setting: Setting, found: Evidence, *, model_can_use_gpu: bool, bundle: str) -> Device:
    """Raises `ConfigError` where a GPU is wanted and can't be had, with every reason. Never takes one unasked."""
    if setting == "cpu":
        return Device()
    if not model_can_use_gpu:
        if setting == "gpu":
            raise ConfigError([f"model.device: gpu, but {_CPU_ONLY.format(bundle=bundle)}"])
        return Device()
    reasons = lacks(found)
    if not reasons:
        gpu = found.shown[0]
        return Device(gpu, (found.seen or ())[0] or gpu.name)
    messages = [reason.message for reason in reasons]
    if setting == "gpu":
        raise ConfigError([f"model.device: gpu, but {message}" for message in messages])
    if found.sign_of_a_gpu:
        return Device(fell_back="; ".join(messages))
    return Device(remark="the model could use a GPU: none was found (no NVIDIA driver, no /dev/nvidia0)")
