"""TFLite models on the CPU by LiteRT: one interpreter a stream, one thread and one picture an interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bshm_watchd.errors import ConfigError, RuntimeBroken
from bshm_watchd.matting.pool import Pool
from bshm_watchd.matting.runtime import OneByOne
from bshm_watchd.matting.tensors import alpha_of, by_255

if TYPE_CHECKING:
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.manifest import TfliteModel
    from bshm_watchd.matting.photo import Alpha, Pixels
    from bshm_watchd.matting.tensors import Values


class LiteRtRuntime(OneByOne):
    """Computes in f32."""

    def __init__(self, bundle: Bundle, model: TfliteModel, cores: int | None = None) -> None:
        super().__init__(cores)
        self._bundle = bundle
        self._model = model
        self._interpreters: Pool[_Interpreter] = Pool()

    def __repr__(self) -> str:
        return f"<LiteRtRuntime {self._model.file} f32 {self.streams} streams>"

    def start(self) -> None:
        self._bundle.refuse_damage()
        path = self._bundle.path(self._model.file)
        height, width = self._bundle.working_size(1, 1)
        black = np.zeros((height, width, 3), np.uint8)
        for _ in range(self.streams):
            try:
                interpreter = _Interpreter(path.read_bytes(), self._model, height, width)
            except (ValueError, RuntimeError) as error:
                raise ConfigError([f"{path}: LiteRT cannot load it: {error}"]) from error
            self._interpreters.add(interpreter)
        self.infer([black] * self.streams)  # the pool lends in turn: each of them once

    def infer(self, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
        return [self._infer_one(pixels) for pixels in batch]

    def close(self) -> None:
        self._interpreters.close()

    def _infer_one(self, pixels: Pixels) -> Alpha | Exception:
        with self._interpreters.lent() as interpreter:
            try:
                values = interpreter.values(by_255(pixels))
            except (ValueError, RuntimeError) as error:
                raise RuntimeBroken(f"LiteRT cannot run {self._model.file}: {error}") from error
        return alpha_of(values[0, :, :, 0], self._model.output.range)


class _Interpreter:
    """One interpreter of LiteRT. Raises `ValueError` or `RuntimeError` where the file is not what the manifest says."""

    def __init__(self, content: bytes, model: TfliteModel, height: int, width: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = _index(self._interpreter.get_input_details(), model.input.tensor, (1, height, width, 3))
        self._output = _index(self._interpreter.get_output_details(), model.output.tensor, (1, height, width, 1))

    def values(self, tensor: Values) -> Values:
        """1 x height x width x 3 to 1 x height x width x 1; the caller's own."""
        self._interpreter.set_tensor(self._input, tensor)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output), np.float32)


def _index(details: list[dict[str, Any]], name: str, shape: tuple[int, ...]) -> int:
    """Where the only tensor of these is, which must be float32 and have this name and shape."""
    (found,) = details
    actual = found["name"], tuple(found["shape"].tolist()), np.dtype(found["dtype"])
    if actual != (name, shape, np.dtype(np.float32)):
        raise ValueError(f"it has a tensor {actual}, the manifest says {name} of shape {shape}, float32")
    return int(found["index"])
