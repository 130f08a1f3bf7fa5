"""What a bundle is computed with, in words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bshm_watchd.matting.manifest import OnnxModel

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.bundle import Bundle


def computed(bundle: Bundle, settings: ModelSettings) -> str:
    """Where, from which files and with what precision: `on the CPU (u2netp.onnx f32)`."""
    networks = [
        f"{file.path} {_precision(part, settings)}"
        for part in bundle.parts or [bundle]
        for file in part.manifest.model_files
    ]
    return f"on the CPU ({', '.join(dict.fromkeys(networks)) or 'no network'})"


def _precision(part: Bundle, settings: ModelSettings) -> str:
    """Only ONNX models know more than one."""
    other = settings.precision in ("bf16", "int8") and isinstance(part.manifest.model, OnnxModel)
    return settings.precision if other else "f32"
