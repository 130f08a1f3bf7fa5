"""A network compiled by OpenVINO for the CPU, for exactly the wanted precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from bshm_watchd.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

Precision = Literal["f32", "bf16", "int8"]


def compiled(path: Path, precision: Precision, streams: int, cores: int) -> Any:
    """An `openvino.CompiledModel` of an ONNX file, a frozen graph of TensorFlow, or OpenVINO's own XML.

    Left alone, OpenVINO picks bf16 without a word. What is not INT8 in an INT8 network is computed in f32. No model
    cache is used: OpenVINO does not notice damage in it. Raises `ConfigError` where it can't load it, or the CPU can't
    do it.
    """
    from bshm_watchd.matting.quiet_openvino import openvino

    core = openvino().Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise ConfigError(["model.precision: this CPU cannot compute in bf16; set it to f32 or auto"])
    properties = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "PERFORMANCE_HINT": "THROUGHPUT",
        "NUM_STREAMS": str(streams),
        "INFERENCE_NUM_THREADS": str(cores),
    }
    try:
        return core.compile_model(str(path), "CPU", properties)
    except RuntimeError as error:
        raise ConfigError([f"{path}: OpenVINO cannot load it: {error}"]) from error
