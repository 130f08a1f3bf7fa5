"""Which runtime runs which format of bundle: one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.int8 import refuse_without_int8
from bshm_watchd.matting.manifest import ArithmeticModel, FusedModel, OnnxModel, TfliteModel

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.runtime import Runtime


@dataclass(frozen=True, slots=True)
class _Row:
    """Which runtime (as `model.runtime` names it) runs which format of bundle, and whether it can compute in bf16."""

    format: str
    runtime: str
    bf16: bool
    make: Callable[[Bundle, ModelSettings], Runtime]


def make_runtime(bundle: Bundle, settings: ModelSettings) -> Runtime:
    """The first row that fits, not yet started. Raises `ConfigError` when none does."""
    row = _row_for(bundle, settings)
    if settings.precision == "bf16" and not _can_bf16(bundle, row):
        name = bundle.manifest.name
        raise ConfigError([f"model.precision: the bundle {name} computes in f32 only; set it to f32 or auto"])
    if settings.precision == "int8":
        refuse_without_int8(bundle)
    return row.make(bundle, settings)


def _row_for(bundle: Bundle, settings: ModelSettings) -> _Row:
    model_format = bundle.manifest.model.format
    for row in _ROWS:
        if row.format == model_format and settings.runtime in ("auto", row.runtime):
            return row
    raise ConfigError(
        [
            f"model.runtime: {settings.runtime} cannot run the bundle {bundle.manifest.name} "
            f"(format {model_format}); use auto, or another bundle"
        ]
    )


def _can_bf16(bundle: Bundle, row: _Row) -> bool:
    """A fused bundle can where one of its parts can; the others stay at f32."""
    formats = {part.manifest.model.format for part in bundle.parts}
    return row.bf16 or any(part.bf16 for part in _ROWS if part.format in formats)


def _openvino(bundle: Bundle, settings: ModelSettings) -> Runtime:
    from bshm_watchd.matting.openvino_runtime import OpenVinoRuntime

    assert isinstance(bundle.manifest.model, OnnxModel)
    return OpenVinoRuntime(bundle, bundle.manifest.model, settings.precision)


def _litert(bundle: Bundle, settings: ModelSettings) -> Runtime:
    from bshm_watchd.matting.litert_runtime import LiteRtRuntime

    assert isinstance(bundle.manifest.model, TfliteModel)
    return LiteRtRuntime(bundle, bundle.manifest.model)


def _fused(bundle: Bundle, settings: ModelSettings) -> Runtime:
    from bshm_watchd.matting.fused_runtime import FusedRuntime, Part

    assert isinstance(bundle.manifest.model, FusedModel)
    model = bundle.manifest.model
    parts = [
        Part(_row_for(part, settings).make(part, settings), *part.working_size(1, 1), mirrored=said.mirrored)
        for part, said in zip(bundle.parts, model.parts, strict=True)
    ]
    return FusedRuntime(parts, model.fusion)


def _arithmetic(bundle: Bundle, settings: ModelSettings) -> Runtime:
    from bshm_watchd.matting.arithmetic import ArithmeticRuntime

    assert isinstance(bundle.manifest.model, ArithmeticModel)
    return ArithmeticRuntime(bundle.manifest.model)


_ROWS = (
    _Row("onnx", "openvino", True, _openvino),
    _Row("tflite", "litert", False, _litert),
    _Row("fused", "fused", False, _fused),
    _Row("arithmetic", "arithmetic", True, _arithmetic),
)
