"""BSHM's graph on the CPU by OpenVINO, which reads TensorFlow's frozen graphs and ONNX files as they are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bshm_watchd.errors import RuntimeBroken
from bshm_watchd.matting.bshm.reading import fed, plane
from bshm_watchd.matting.int8 import int8_path
from bshm_watchd.matting.openvino_compiled import Precision, compiled
from bshm_watchd.matting.pool import Pool
from bshm_watchd.matting.runtime import MattingFailed, streams_for
from bshm_watchd.matting.tensors import alpha_of

if TYPE_CHECKING:
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.manifest import BshmModel
    from bshm_watchd.matting.photo import Alpha, Pixels


class OpenVinoPictureRuntime:
    """One picture a request, a request a stream: batching gains nothing on a CPU, so `max_batch` is 1."""

    def __init__(self, bundle: Bundle, model: BshmModel, precision: Precision, cores: int | None = None) -> None:
        self._bundle = bundle
        self._model = model
        self._precision = precision
        self._cores = cores or len(os.sched_getaffinity(0))
        self._requests: Pool[Any] = Pool()

    def __repr__(self) -> str:
        return f"<OpenVinoPictureRuntime {self._model.file} {self._precision} {self.streams} streams>"

    @property
    def streams(self) -> int:
        return streams_for(self._cores)

    @property
    def max_batch(self) -> int:
        return 1

    def start(self) -> None:
        """Each request keeps what it needs for each size: all of them are warmed up at every size."""
        self._bundle.refuse_damage()
        path = int8_path(self._bundle) if self._precision == "int8" else self._bundle.path(self._file)
        network = compiled(path, self._precision, self.streams, self._cores)
        for _ in range(self.streams):
            self._requests.add(network.create_infer_request())
        for size in self._bundle.manifest.working_size.every:
            self.infer([np.zeros((*size, 3), np.uint8)] * self.streams)

    def infer(self, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
        return [self._infer_one(pixels) for pixels in batch]

    def close(self) -> None:
        self._requests.close()

    @property
    def _file(self) -> str:
        return self._model.batch.file if self._model.batch else self._model.file

    def _infer_one(self, pixels: Pixels) -> Alpha | MattingFailed:
        values = fed(pixels, self._model.input)
        with self._requests.lent() as request:
            try:
                answer = request.infer([values[None] if self._model.batch else values], share_inputs=True)
            except RuntimeError as error:
                raise RuntimeBroken(f"OpenVINO cannot run {self._file}: {error}") from error
            made = self._model.batch or self._model.output
            return alpha_of(plane(answer[self._output], made.channel) / np.float32(made.opaque), "unit")

    @property
    def _output(self) -> Any:
        """By its name where there are several."""
        return 0 if self._model.batch else self._model.output.tensor
