"""ONNX models on the CPU by OpenVINO: one inference request a stream, one picture a request."""

from __future__ import annotations

import os
import queue
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from bshm_watchd.errors import ConfigError, RuntimeBroken
from bshm_watchd.matting.runtime import MattingFailed

if TYPE_CHECKING:
    from bshm_watchd.matting.bundle import Bundle, InputTensor, OnnxModel
    from bshm_watchd.matting.photo import Alpha, Pixels

Precision = Literal["auto", "f32", "bf16"]

_DARKEST = 1e-6  # a black picture is divided by this instead of by zero


class OpenVinoRuntime:
    """Batching gains nothing on a CPU, streams do: `max_batch` is 1, larger batches are worked off one by one."""

    def __init__(self, bundle: Bundle, model: OnnxModel, precision: Precision, cores: int | None = None) -> None:
        self._bundle = bundle
        self._model = model
        self._precision: Literal["f32", "bf16"] = "f32" if precision == "auto" else precision
        self._cores = cores or len(os.sched_getaffinity(0))
        # A request belongs to the thread that took it from here.
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def __repr__(self) -> str:
        return f"<OpenVinoRuntime {self._bundle.manifest.name} {self._precision} {self.streams} streams>"

    @property
    def streams(self) -> int:
        return streams_for(self._cores)

    @property
    def max_batch(self) -> int:
        return 1

    def start(self) -> None:
        if damages := self._bundle.damages():
            name = self._bundle.manifest.name
            raise ConfigError([*damages, f"the model bundle is damaged; fetch it anew: bshm-watchd model fetch {name}"])
        model = self._compiled()
        height, width = self._bundle.working_size(1, 1)
        for _ in range(self.streams):
            self._requests.put(model.create_infer_request())
        black = np.zeros((height, width, 3), np.uint8)
        self.infer([black] * self.streams)

    def infer(self, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
        return [self._infer_one(pixels) for pixels in batch]

    def close(self) -> None:
        while not self._requests.empty():
            self._requests.get()

    def _infer_one(self, pixels: Pixels) -> Alpha | Exception:
        tensor = normalised(pixels, self._model.input)
        request = self._requests.get()
        try:
            answer = request.infer({self._model.input.tensor: tensor}, share_inputs=True)
            return stretched(answer[self._model.output.tensor][0, 0])
        except RuntimeError as error:
            raise RuntimeBroken(f"OpenVINO cannot run {self._bundle.manifest.name}: {error}") from error
        finally:
            self._requests.put(request)

    def _compiled(self) -> Any:
        """The model, compiled for exactly the wanted precision: left alone, OpenVINO picks bf16 without a word."""
        import openvino

        core = openvino.Core()
        if self._precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise ConfigError(["model.precision: this CPU cannot compute in bf16; set it to f32 or auto"])
        path = self._bundle.path(self._model.file)
        try:
            return core.compile_model(str(path), "CPU", self._properties())
        except RuntimeError as error:
            raise ConfigError([f"{path}: OpenVINO cannot load it: {error}"]) from error

    def _properties(self) -> dict[str, str]:
        return {
            "INFERENCE_PRECISION_HINT": self._precision,
            "PERFORMANCE_HINT": "THROUGHPUT",
            "NUM_STREAMS": str(self.streams),
            "INFERENCE_NUM_THREADS": str(self._cores),
        }


def streams_for(cores: int) -> int:
    """Two streams on two cores measured best; beyond that, half the cores each get one."""
    return min(cores, max(2, cores // 2))


def normalised(pixels: Pixels, rule: InputTensor) -> npt.NDArray[np.float32]:
    """uint8 height x width x 3 to float32 1 x 3 x height x width: by the picture's largest value, then mean and std."""
    scaled = pixels.astype(np.float32) / max(float(pixels.max()), _DARKEST)
    channels = (scaled - np.array(rule.mean, np.float32)) / np.array(rule.std, np.float32)
    return np.ascontiguousarray(channels.transpose(2, 0, 1)[np.newaxis])


def stretched(values: npt.NDArray[np.float32]) -> Alpha | Exception:
    """Values of any range to 0..255. A flat answer means nobody was found: alpha 0 everywhere."""
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        return MattingFailed("the model answered with values that are no numbers")
    if high == low:
        return np.zeros(values.shape, np.uint8)
    return ((values - low) / (high - low) * 255).astype(np.uint8)
