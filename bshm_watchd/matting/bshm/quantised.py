"""BSHM's graph as the ways must know it that make a network INT8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bshm_watchd.matting.bshm.reading import fed, plane
from bshm_watchd.matting.buckets import padded
from bshm_watchd.matting.int8_ways import Network
from bshm_watchd.matting.tensors import alpha_of

if TYPE_CHECKING:
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.int8_ways import Tensors
    from bshm_watchd.matting.manifest import BshmModel
    from bshm_watchd.matting.photo import Alpha, Pixels


def picture_network(bundle: Bundle, model: BshmModel) -> Network:
    """The graph for batches where there is one: it is the one that OpenVINO runs."""
    batch = model.batch
    made = batch or model.output
    start = batch.input if batch else model.input.tensor
    end = batch.output if batch else model.output.tensor
    rule = bundle.manifest.working_size

    def tensors(pixels: Pixels) -> Tensors:
        values = fed(padded(pixels, rule.padded_to(*pixels.shape[:2])), model.input)
        return {start: values[None] if batch else values}

    def alpha(answer: Mapping[str, Any]) -> Alpha | Exception:
        return alpha_of(plane(answer[end], made.channel) / np.float32(made.opaque), "unit")

    return Network(bundle.path(batch.file if batch else model.file), tensors, alpha)
