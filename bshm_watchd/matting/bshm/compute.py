"""A BSHM graph as one TensorFlow function: uint8 pictures in, uint8 alphas out, everything between on the device.

TensorFlow's settings (device, threads, precision) are the process's: one process computes with one of them.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bshm.graph import read_graph
from bshm_watchd.matting.cpu_features import BF16, cpuinfo, flags
from bshm_watchd.matting.quiet_tensorflow import tensorflow, without_its_lines

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from bshm_watchd.matting.bshm.graph import Graph
    from bshm_watchd.matting.manifest import BshmModel

Precision = Literal["f32", "bf16", "fp16"]

_DECODING_SHARE = 8  # one core of so many is left to decoding and encoding


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where TensorFlow computes, and with how much: `threads` of the CPU, `memory_limit_mib` of the GPU (None: all)."""

    gpu: bool
    threads: int
    precision: Precision
    memory_limit_mib: int | None = None


def threads_beside_decoding(cores: int | None = None) -> int:
    """How many threads compute: all cores, but those that decoding and encoding need on a large machine."""
    count = cores or len(os.sched_getaffinity(0))
    return count - count // _DECODING_SHARE


def set_up(place: Place) -> None:
    """Tell TensorFlow. Raises `ConfigError` where it began to compute with other settings in this process, or bf16 is
    wanted of a CPU that does not have it: TensorFlow would compute in f32 without a word."""
    if place.precision == "bf16" and not place.gpu and flags(cpuinfo()).isdisjoint(BF16):
        raise ConfigError(["model.precision: this CPU cannot compute in bf16; set it to f32 or auto"])
    tf = tensorflow()
    try:
        if tf.config.threading.get_intra_op_parallelism_threads() != place.threads:
            tf.config.threading.set_intra_op_parallelism_threads(place.threads)
        choose_device(tf, place)
    except (RuntimeError, ValueError) as error:
        raise ConfigError([f"TensorFlow cannot change its settings any more: {error}"]) from error
    tf.config.experimental.enable_tensor_float_32_execution(False)  # which is not what f32 says
    tf.config.optimizer.set_jit(False)  # a new size would be compiled anew, for longer than it saves
    tf.config.optimizer.set_experimental_options(
        {
            "auto_mixed_precision": place.precision == "fp16",
            "auto_mixed_precision_onednn_bfloat16": place.precision == "bf16",
        }
    )
    with without_its_lines():
        tf.config.list_logical_devices()


def choose_device(tf: Any, place: Place) -> None:
    """Show TensorFlow the first GPU, and how much of its memory it may take; on the CPU hide all of them from it."""
    gpus = tf.config.list_physical_devices("GPU")
    wanted = gpus[:1] if place.gpu else []
    if tf.config.get_visible_devices("GPU") != wanted:
        tf.config.set_visible_devices(wanted, "GPU")
    for gpu in wanted:
        if place.memory_limit_mib is None:
            tf.config.experimental.set_memory_growth(gpu, True)
        else:
            limit = tf.config.LogicalDeviceConfiguration(memory_limit=place.memory_limit_mib)
            tf.config.set_logical_device_configuration(gpu, [limit])


class Computation:
    """The graph of a bundle, ready to be called from any thread. `one_by_one`: it takes a single picture a call."""

    def __init__(self, model: BshmModel, directory: Path) -> None:
        batch = model.batch
        self.computed_on = ""  # TensorFlow's name of the device of the last answer
        self.one_by_one = batch is None
        path = directory / (batch.file if batch else model.file)
        ends = (batch.input, batch.output) if batch else (model.input.tensor, model.output.tensor)
        channel, opaque = (batch.channel, batch.opaque) if batch else (model.output.channel, model.output.opaque)
        self._alphas = _function(_pruned(read_graph(path), *ends, path), model, channel, opaque, batched=bool(batch))

    @property
    def traces(self) -> int:
        """How often TensorFlow built this function: 1, whatever sizes it was called with."""
        return int(self._alphas.experimental_get_tracing_count())

    def alphas(self, pictures: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], Sequence[bool]]:
        """Count x height x width x 3 to count x height x width, and which of them are numbers.

        One picture only where `one_by_one`. Raises TensorFlow's own errors.
        """
        alphas, finites = self._alphas(pictures[0] if self.one_by_one else pictures)
        self.computed_on = str(alphas.device)
        if self.one_by_one:
            return alphas.numpy()[None], [bool(finites)]
        return alphas.numpy(), [bool(finite) for finite in finites.numpy()]


def computation(model: BshmModel, directory: Path, place: Place) -> Computation:
    """Raises `ConfigError` as `set_up`, or where the graph can't be loaded."""
    set_up(place)
    return Computation(model, directory)


def picture_function(graph: Graph, input_tensor: str, output_tensor: str, path: Path) -> Callable[[Any], Any]:
    """The graph between two of its tensors, as it stands: float32 in, float32 out. For looking at what it does."""
    pruned = _pruned(graph, input_tensor, output_tensor, path)
    return lambda values: pruned(tensorflow().constant(values))[0].numpy()


def _pruned(graph: Graph, input_tensor: str, output_tensor: str, path: Path) -> Any:
    """Only what leads from the input to the output. Raises `ConfigError` where there is no such way."""
    tf = tensorflow()
    try:
        whole = tf.compat.v1.wrap_function(lambda: tf.graph_util.import_graph_def(graph, name=""), [])
        ends = [whole.graph.get_tensor_by_name(name) for name in (input_tensor, output_tensor)]
        return whole.prune(ends[:1], ends[1:])
    except (ValueError, KeyError, tf.errors.OpError) as error:
        what = f"TensorFlow {tf.__version__} cannot load it from {input_tensor} to {output_tensor}"
        raise ConfigError([f"{path}: {what}: {_first_line(error)}"]) from error


def _function(pruned: Any, model: BshmModel, channel: int | None, opaque: int, *, batched: bool) -> Any:
    """Casting and rounding belong to the graph: what crosses to the device and back is a quarter then."""
    tf = tensorflow()
    shape = [None, None, None, 3] if batched else [None, None, 3]

    def alphas(pictures: Any) -> Any:
        values = tf.cast(pictures, tf.float32) * (model.input.white / 255)
        values = tf.reverse(values, [-1]) if model.input.channels == "bgr" else values
        answer = pruned(values)[0]
        alpha = answer if channel is None else answer[..., channel]
        alpha = tf.reshape(alpha, tf.shape(pictures)[:-1]) / opaque
        finite = tf.reduce_all(tf.math.is_finite(alpha), axis=[-2, -1])
        return tf.cast(tf.round(tf.clip_by_value(alpha, 0.0, 1.0) * 255), tf.uint8), finite

    return tf.function(alphas, input_signature=[tf.TensorSpec(shape, tf.uint8)])


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
