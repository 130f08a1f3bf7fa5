"""What a bundle is computed with, in words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bshm_watchd.matting.runtimes import part_precision

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.devices.choice import Device


def computed(bundle: Bundle, settings: ModelSettings, device: Device) -> str:
    """Where, from which files and with what precision: `on the CPU (u2netp.onnx f32)`."""
    networks = [
        f"{file.path} {part_precision(part, settings)}"
        for part in bundle.parts or [bundle]
        for file in part.manifest.networks
    ]
    return f"{device} ({', '.join(dict.fromkeys(networks)) or 'no network'})"
