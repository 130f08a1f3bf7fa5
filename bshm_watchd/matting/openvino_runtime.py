"""Networks on the CPU by OpenVINO: ONNX files, TensorFlow's frozen graphs, and what was made INT8 of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bshm_watchd.errors import RuntimeBroken
from bshm_watchd.matting.int8 import int8_path
from bshm_watchd.matting.openvino_compiled import Precision, compiled
from bshm_watchd.matting.openvino_network import network_of
from bshm_watchd.matting.pool import Pool
from bshm_watchd.matting.runtime import streams_for

if TYPE_CHECKING:
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.photo import Alpha, Pixels


class OpenVinoRuntime:
    """One inference request a stream, one picture a request.

    Batching gains nothing on a CPU, streams do: `max_batch` is 1, larger batches are worked off one by one.
    """

    def __init__(self, bundle: Bundle, precision: Precision, cores: int | None = None) -> None:
        self._bundle = bundle
        self._network = network_of(bundle)
        self._precision = precision
        self._cores = cores or len(os.sched_getaffinity(0))
        self._requests: Pool[Any] = Pool()

    def __repr__(self) -> str:
        return f"<OpenVinoRuntime {self._network.path.name} {self._precision} {self.streams} streams>"

    @property
    def streams(self) -> int:
        return streams_for(self._cores)

    @property
    def max_batch(self) -> int:
        return 1

    def start(self) -> None:
        """Each request keeps what it needs for each size: all of them are warmed up at every size."""
        self._bundle.refuse_damage()
        path = int8_path(self._bundle) if self._precision == "int8" else self._network.path
        model = compiled(path, self._precision, self.streams, self._cores)
        for _ in range(self.streams):
            self._requests.add(model.create_infer_request())
        for size in self._bundle.manifest.working_size.every:
            self.infer([np.zeros((*size, 3), np.uint8)] * self.streams)  # the pool lends in turn

    def infer(self, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
        return [self._infer_one(pixels) for pixels in batch]

    def close(self) -> None:
        self._requests.close()

    def _infer_one(self, pixels: Pixels) -> Alpha | Exception:
        tensors = self._network.tensors(pixels)
        with self._requests.lent() as request:
            try:
                answer = request.infer(tensors, share_inputs=True)
            except RuntimeError as error:
                raise RuntimeBroken(f"OpenVINO cannot run {self._network.path.name}: {error}") from error
            return self._network.alpha(answer)
