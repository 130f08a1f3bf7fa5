"""A bundle's network for OpenVINO and ncnn: which file, what it takes for a picture, and what its answer says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bshm_watchd.matting.bshm.reading import fed, plane
from bshm_watchd.matting.manifest import BshmModel, OnnxModel
from bshm_watchd.matting.scaling import shrunk
from bshm_watchd.matting.tensors import alpha_of, normalised

if TYPE_CHECKING:
    from pathlib import Path

    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.photo import Alpha, Pixels
    from bshm_watchd.matting.tensors import Values

    Tensors = Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class Network:
    """`tensors`: what it takes for a picture of the bundle's working size, padded, by name.

    `alpha`: what its answer, by name, says (uint8, height x width), or an error where it says nothing.
    """

    path: Path
    tensors: Callable[[Pixels], Tensors]
    alpha: Callable[[Mapping[str, Any]], Alpha | Exception]


def network_of(bundle: Bundle) -> Network:
    """Of a bundle, or part of one, whose network OpenVINO can read."""
    model = bundle.manifest.model
    if isinstance(model, BshmModel):
        return _of_bshm(bundle, model)
    assert isinstance(model, OnnxModel)
    return _of_onnx(bundle, model)


def _of_onnx(bundle: Bundle, model: OnnxModel) -> Network:
    def tensors(pixels: Pixels) -> Tensors:
        return {model.input.tensor: normalised(shrunk(pixels, *bundle.working_size(*pixels.shape[:2])), model.input)}

    def alpha(answer: Mapping[str, Any]) -> Alpha | Exception:
        return alpha_of(answer[model.output.tensor][0, 0], model.output.range)

    return Network(bundle.path(model.file), tensors, alpha)


def _of_bshm(bundle: Bundle, model: BshmModel) -> Network:
    """The graph for batches where there is one, with one picture in it: such a graph has fewer operations."""
    batch = model.batch
    made = batch or model.output
    start, end = (batch.input, batch.output) if batch else (model.input.tensor, model.output.tensor)

    def tensors(pixels: Pixels) -> Tensors:
        values = fed(pixels, model.input)
        return {start: values[None] if batch else values}

    def alpha(answer: Mapping[str, Any]) -> Alpha | Exception:
        return alpha_of(plane(answer[end], made.channel) / np.float32(made.opaque), "unit")

    return Network(bundle.path(batch.file if batch else model.file), tensors, alpha)
