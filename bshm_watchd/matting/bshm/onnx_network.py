"""An ONNX export of BSHM's graph, looked at through OpenVINO."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.openvino_compiled import compiled

if TYPE_CHECKING:
    import numpy.typing as npt

    Values = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class OnnxNetwork:
    """`run`: float32 height x width x 3 to what the output answers."""

    input: str
    output: str
    run: Callable[[Values], Values]


def open_network(path: Path, input_name: str | None, output_name: str | None) -> OnnxNetwork:
    """Raises `ConfigError` where it can't be loaded, or its ends are not one picture and one of its outputs."""
    cores = len(os.sched_getaffinity(0))
    network = compiled(path, "f32", 1, cores)
    start = _end(network.inputs, input_name, path, "input")
    end = _end(network.outputs, output_name, path, "output")
    rank = network.input(start).get_partial_shape().rank
    if rank.is_static and rank.get_length() != 3:
        raise ConfigError([f"{path}: {start} has {rank.get_length()} dimensions: wanted is height x width x 3"])
    request = network.create_infer_request()

    def run(values: Values) -> Values:
        try:
            return np.array(request.infer({start: values})[end])
        except RuntimeError as error:
            shape = " x ".join(map(str, values.shape))
            raise ConfigError([f"{path}: it cannot be run on a picture of {shape}: {error}"]) from error

    return OnnxNetwork(start, end, run)


def _end(ends: list[Any], wanted: str | None, path: Path, which: str) -> str:
    """The wanted one, else the only one."""
    names = [end.any_name for end in ends]
    if wanted is None and len(names) == 1:
        return str(names[0])
    if wanted in names:
        return str(wanted)
    asked = f"no {which} named {wanted}" if wanted else f"several {which}s"
    raise ConfigError([f"{path}: it has {asked}: name one of {', '.join(names)} with --{which}"])
