"""Networks on the CPU by OpenVINO: ONNX files, TensorFlow's frozen graphs, and what was made INT8 of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bshm_watchd.errors import RuntimeBroken
from bshm_watchd.matting.int8 import int8_path
from bshm_watchd.matting.openvino_compiled import Precision, compiled
from bshm_watchd.matting.openvino_network import network_of
from bshm_watchd.matting.pool import Pool
from bshm_watchd.matting.runtime import OneByOne

if TYPE_CHECKING:
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.photo import Alpha, Pixels


class OpenVinoRuntime(OneByOne):
    """One inference request a stream, one picture a request."""

    def __init__(self, bundle: Bundle, precision: Precision, cores: int | None = None) -> None:
        super().__init__(cores)
        self._bundle = bundle
        self._network = network_of(bundle)
        self._precision = precision
        self._requests: Pool[Any] = Pool()

    def __repr__(self) -> str:
        return f"<OpenVinoRuntime {self._network.path.name} {self._precision} {self.streams} streams>"

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
