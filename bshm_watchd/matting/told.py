"""What a bundle is computed with, in words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bshm_watchd.matting.manifest import OnnxModel

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.devices.choice import Device


def computed(bundle: Bundle, settings: ModelSettings, device: Device) -> str:
    """Where, from which files and with what precision: `on the CPU (u2netp.onnx f32)`."""
    networks = [
        f"{file.path} {_precision(part, settings)}"
        for part in bundle.parts or [bundle]
        for file in part.manifest.model_files
    ]
    return f"{device} ({', '.join(dict.fromkeys(networks)) or 'no network'})"


def _precision(part: Bundle, settings: ModelSettings) -> str:
    """Only ONNX models know more than one."""
    in_bf16 = settings.precision == "bf16" and isinstance(part.manifest.model, OnnxModel)
    return "bf16" if in_bf16 else "f32"
