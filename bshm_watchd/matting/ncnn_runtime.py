"""ONNX networks on the CPU by ncnn, in f32: it multiplies 3 x 3 convolutions as Winograd did, with half the work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bshm_watchd.errors import ConfigError, RuntimeBroken
from bshm_watchd.matting.openvino_network import network_of
from bshm_watchd.matting.runtime import OneByOne

if TYPE_CHECKING:
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.manifest import OnnxModel
    from bshm_watchd.matting.ncnn_network import Written
    from bshm_watchd.matting.photo import Alpha, Pixels
    from bshm_watchd.matting.tensors import Values


class NcnnRuntime(OneByOne):
    """One network for all streams, one thread and one picture a call.

    Raises `ConfigError`, or `ImportError`, where ncnn can't be had or does not take the network.
    """

    def __init__(self, bundle: Bundle, model: OnnxModel, network: Written, cores: int | None = None) -> None:
        super().__init__(cores)
        self._bundle = bundle
        self._model = model
        self._network = network
        self._ends = network_of(bundle)
        self._net: Any = _net(network, model.file)

    def __repr__(self) -> str:
        return f"<NcnnRuntime {self._model.file} f32 {self.streams} streams>"

    def start(self) -> None:
        self._bundle.refuse_damage()
        self._net.load_model_mem(self._network.weights)  # says nothing: the first picture does
        height, width = self._bundle.working_size(1, 1)
        self.infer([np.zeros((height, width, 3), np.uint8)])

    def infer(self, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
        return [self._infer_one(pixels) for pixels in batch]

    def close(self) -> None:
        self._net = None  # calls in progress hold it until they end

    def _infer_one(self, pixels: Pixels) -> Alpha | Exception:
        (tensor,) = self._ends.tensors(pixels).values()
        return self._ends.alpha({self._model.output.tensor: self._answer(tensor[0])[np.newaxis]})

    def _answer(self, tensor: Values) -> Values:
        """Channels x height x width to 1 x height x width."""
        import ncnn

        net = self._net
        if net is None:
            raise RuntimeBroken("the model is closed")
        extractor = net.create_extractor()
        extractor.input(self._network.input, ncnn.Mat(tensor))
        failed, answer = extractor.extract(self._network.output)
        if failed:
            raise RuntimeBroken(f"ncnn cannot run {self._model.file} (error {failed})")
        values: Values = np.array(answer, np.float32)
        return values


def _net(network: Written, name: str) -> Any:
    """Without its weights. Raises `ConfigError`, or `ImportError` where there is no ncnn."""
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1  # other photos use the other cores
    net.opt.use_vulkan_compute = False
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, option, False)
    if net.load_param_mem(network.layers) != 0:
        raise ConfigError([f"{name}: ncnn cannot load it; set model.runtime to openvino"])
    return net
