"""ONNX models on the CPU by OpenVINO: one inference request a stream, one picture a request."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bshm_watchd.errors import RuntimeBroken
from bshm_watchd.matting.int8 import int8_path
from bshm_watchd.matting.openvino_compiled import Precision, compiled
from bshm_watchd.matting.pool import Pool
from bshm_watchd.matting.runtime import streams_for
from bshm_watchd.matting.tensors import alpha_of, normalised

if TYPE_CHECKING:
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.manifest import OnnxModel
    from bshm_watchd.matting.photo import Alpha, Pixels


class OpenVinoRuntime:
    """Batching gains nothing on a CPU, streams do: `max_batch` is 1, larger batches are worked off one by one."""

    def __init__(self, bundle: Bundle, model: OnnxModel, precision: Precision, cores: int | None = None) -> None:
        self._bundle = bundle
        self._model = model
        self._precision = precision
        self._cores = cores or len(os.sched_getaffinity(0))
        self._requests: Pool[Any] = Pool()

    def __repr__(self) -> str:
        return f"<OpenVinoRuntime {self._model.file} {self._precision} {self.streams} streams>"

    @property
    def streams(self) -> int:
        return streams_for(self._cores)

    @property
    def max_batch(self) -> int:
        return 1

    def start(self) -> None:
        self._bundle.refuse_damage()
        path = int8_path(self._bundle) if self._precision == "int8" else self._bundle.path(self._model.file)
        model = compiled(path, self._precision, self.streams, self._cores)
        height, width = self._bundle.working_size(1, 1)
        for _ in range(self.streams):
            self._requests.add(model.create_infer_request())
        black = np.zeros((height, width, 3), np.uint8)
        self.infer([black] * self.streams)

    def infer(self, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
        return [self._infer_one(pixels) for pixels in batch]

    def close(self) -> None:
        self._requests.close()

    def _infer_one(self, pixels: Pixels) -> Alpha | Exception:
        tensor = normalised(pixels, self._model.input)
        with self._requests.lent() as request:
            try:
                answer = request.infer({self._model.input.tensor: tensor}, share_inputs=True)
            except RuntimeError as error:
                raise RuntimeBroken(f"OpenVINO cannot run {self._model.file}: {error}") from error
            return alpha_of(answer[self._model.output.tensor][0, 0], self._model.output.range)
