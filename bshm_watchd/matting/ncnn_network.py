"""An ONNX network written as ncnn reads it: a text of its layers, and their weights.

ncnn reads no ONNX, and its own converter needs all of PyTorch. Networks for mattes are made of few kinds of layers, so
they are taken from the graph as OpenVINO has read it, with the sizes that the file gives. The format, and the number of
each option: https://github.com/Tencent/ncnn/wiki (param-and-model-file-structure, operation-param-weight-table).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bshm_watchd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from bshm_watchd.matting.buckets import Size

    Values = npt.NDArray[np.float32]

_MAGIC = 7767517
_RAW = b"\0\0\0\0"  # what follows is float32
_BIAS, _ACTIVATION, _RELU = 5, 9, 1
_BILINEAR = 2


@dataclass(frozen=True, slots=True)
class Written:
    """`layers`, `weights`: as `load_param_mem` and `load_model_mem` take them; `input`, `output`: the ends' names."""

    layers: str
    weights: bytes
    input: str
    output: str


def written(path: Path, output: str, size: Size) -> Written:
    """What computes the tensor `output` of one picture of `size`, for which the file must be made.

    Raises `ConfigError` where it can't be read, or not be written.
    """
    try:
        model = _read(path, output)
    except RuntimeError as error:
        raise ConfigError([f"{path}: OpenVINO cannot load it, or it has no {output}: {error}"]) from error
    try:
        return _written(model, size)
    except (_Unknown, RuntimeError, ValueError, KeyError) as error:  # the last three: sizes that are open, and the like
        why = " ".join(str(error).split())
        raise ConfigError([f"model.runtime: ncnn can't compute {path.name}: {why}; set it to openvino"]) from error


def _written(model: Any, size: Size) -> Written:
    (start,), (end,) = model.get_parameters(), model.get_results()
    if tuple(start.get_shape()) != (1, 3, *size):  # ncnn does not look: it would write beside its memory
        raise _Unknown(f"it takes {list(start.get_shape())}, and pictures are {size[0]} x {size[1]}")
    layers, names = _layers(model)
    weights = b"".join(_weights(layer) for layer in layers if layer.weights is not None)
    made = names[_source(end, 0).get_friendly_name()]
    return Written(_text(layers), weights, names[start.get_friendly_name()], made)


def _read(path: Path, output: str) -> Any:
    """Only what that output needs, and nothing to compute in it but what hangs on the picture."""
    from bshm_watchd.matting.quiet_openvino import openvino

    library = openvino()
    whole = library.Core().read_model(str(path))
    model = library.Model([whole.output(output).get_node()], whole.get_parameters(), path.stem)
    from openvino.passes import ConstantFolding, Manager

    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(model)
    return model


class _Unknown(Exception):
    """An operation, or a way of doing it, that is not written here."""


@dataclass(slots=True)
class _Layer:
    kind: str
    inputs: list[str]
    output: str
    options: dict[int, int] = field(default_factory=dict)
    weights: Values | None = None
    bias: Values | None = None


def _layers(model: Any) -> tuple[list[_Layer], dict[str, str]]:
    """Each after those that it needs; and by which name the answer of each operation goes."""
    layers: dict[str, _Layer] = {}  # by the name of their answer
    names: dict[str, str] = {}
    for operation in model.get_ordered_ops():
        if operation.get_type_name() in ("Constant", "Result"):
            continue
        sources = [source for source in _sources(operation) if not _is_constant(source)]
        inputs = [names[source.get_friendly_name()] for source in sources]
        before = layers[inputs[0]] if len(inputs) == 1 and _readers(sources[0]) == 1 else None
        if before is not None and _taken_in(before, operation):
            names[operation.get_friendly_name()] = before.output
        else:
            layer = _layer(operation, inputs, f"b{len(layers)}")
            layers[layer.output] = layer
            names[operation.get_friendly_name()] = layer.output
    return list(layers.values()), names


def _taken_in(layer: _Layer, operation: Any) -> bool:
    """A convolution adds its bias and cuts off below 0 by itself, in this order."""
    if layer.kind != "Convolution" or _ACTIVATION in layer.options:
        return False
    kind, constants = operation.get_type_name(), [one for one in _sources(operation) if _is_constant(one)]
    if kind == "Relu":
        layer.options[_ACTIVATION] = _RELU
        return True
    if kind == "Add" and layer.bias is None and len(constants) == 1:
        bias = np.asarray(constants[0].data, np.float32)
        if bias.shape == (1, layer.options[0], 1, 1):
            layer.bias, layer.options[_BIAS] = bias, 1
            return True
    return False


def _layer(operation: Any, inputs: list[str], output: str) -> _Layer:
    kind, name, rule = operation.get_type_name(), operation.get_friendly_name(), operation.get_attributes()
    if len(inputs) == len(_sources(operation)):
        match kind:
            case "Parameter":
                return _Layer("Input", inputs, output)
            case "Relu":
                return _Layer("ReLU", inputs, output)
            case "Sigmoid":
                return _Layer("Sigmoid", inputs, output)
            case "Add" if _same_shapes(operation):
                return _Layer("BinaryOp", inputs, output, {0: 0})
            case "Concat" if rule["axis"] == 1:
                return _Layer("Concat", inputs, output, {0: 0})
            case "MaxPool" if rule["dilations"] == [1, 1]:
                return _Layer("Pooling", inputs, output, _pooling(rule))
    elif kind == "Convolution":
        weights = np.asarray(_sources(operation)[1].data, np.float32)
        return _Layer("Convolution", inputs, output, _convolution(rule, weights), weights)
    elif kind == "Interpolate" and _is_bilinear(rule):
        height, width = operation.output(0).get_shape()[2:]
        return _Layer("Interp", inputs, output, {0: _BILINEAR, 3: height, 4: width, 6: 0})
    raise _Unknown(f"{name} is a {kind} of a kind that is not known here")


def _convolution(rule: Any, weights: Values) -> dict[int, int]:
    count, _, height, width = weights.shape
    (down, across), (down_apart, across_apart) = rule["strides"], rule["dilations"]
    (top, left), (bottom, right) = rule["pads_begin"], rule["pads_end"]
    if rule["auto_pad"] != "explicit":
        raise _Unknown(f"a convolution is padded as {rule['auto_pad']}")
    return {
        0: count, 1: width, 11: height, 2: across_apart, 12: down_apart, 3: across, 13: down, 4: left, 14: top,
        15: right, 16: bottom, _BIAS: 0, 6: weights.size,
    }  # fmt: skip


def _pooling(rule: Any) -> dict[int, int]:
    (height, width), (down, across) = rule["kernel"], rule["strides"]
    (top, left), (bottom, right) = rule["pads_begin"], rule["pads_end"]
    whole = {"ceil": 0, "floor": 1}[rule["rounding_type"]]
    return {0: 0, 1: width, 11: height, 2: across, 12: down, 3: left, 13: top, 14: right, 15: bottom, 5: whole}


def _is_bilinear(rule: Any) -> bool:
    linear = rule["mode"] in ("linear", "linear_onnx") and not rule["antialias"]
    return linear and rule["coordinate_transformation_mode"] in ("half_pixel", "pytorch_half_pixel")


def _same_shapes(operation: Any) -> bool:
    return len({tuple(end.get_shape()) for end in operation.inputs()}) == 1


def _sources(operation: Any) -> list[Any]:
    return [end.get_source_output().get_node() for end in operation.inputs()]


def _source(operation: Any, index: int) -> Any:
    return _sources(operation)[index]


def _is_constant(operation: Any) -> bool:
    return bool(operation.get_type_name() == "Constant")


def _readers(operation: Any) -> int:
    return len(operation.output(0).get_target_inputs())


# -- the two files -------------------------------------------------------------------------------------------


def _text(layers: list[_Layer]) -> str:
    lines = list(_lines(layers))
    blobs = sum(int(line.split()[3]) for line in lines)
    return "\n".join([str(_MAGIC), f"{len(lines)} {blobs}", *lines, ""])


def _lines(layers: list[_Layer]) -> Iterator[str]:
    """An answer that several layers need is split first: each of them reads a name of its own."""
    readers = Counter(name for layer in layers for name in layer.inputs)
    taken: Counter[str] = Counter()
    for layer in layers:
        inputs = []
        for name in layer.inputs:
            inputs.append(f"{name}_{taken[name]}" if readers[name] > 1 else name)
            taken[name] += 1
        options = [f"{number}={value}" for number, value in layer.options.items()]
        yield _line(layer.kind, layer.output, inputs, [layer.output], options)
        if (count := readers[layer.output]) > 1:
            copies = [f"{layer.output}_{number}" for number in range(count)]
            yield _line("Split", f"{layer.output}_split", [layer.output], copies, [])


def _line(kind: str, name: str, inputs: list[str], outputs: list[str], options: list[str]) -> str:
    return " ".join([kind, name, str(len(inputs)), str(len(outputs)), *inputs, *outputs, *options])


def _weights(layer: _Layer) -> bytes:
    assert layer.weights is not None
    return _RAW + layer.weights.tobytes() + (layer.bias.tobytes() if layer.bias is not None else b"")
