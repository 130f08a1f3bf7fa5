"""ONNX files written byte by byte: what a studio exports of a network, without a library that exports it.

Messages and field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

_FLOAT, _INT = 1, 2  # of a tensor's values; of an attribute


def rgba_network(path: Path, weights: Sequence[float]) -> Path:
    """height x width x 3 (0 to 255) to height x width x 4: the picture, and alpha = `weights` times its colours."""
    column = np.array(weights, np.float32).reshape(3, 1)
    nodes = [
        _node("MatMul", ["picture", "weights"], "alpha"),
        _node("Concat", ["picture", "alpha"], "rgba", _bytes(5, _text(1, "axis") + _number(3, 2) + _number(20, _INT))),
    ]
    path.write_bytes(_model(nodes, _tensor("weights", column), "rgba", 4))
    return path


def mask_network(path: Path, weights: Sequence[float]) -> Path:
    """The same, answering with alpha from 0 to 1 alone: height x width x 1."""
    column = np.array(weights, np.float32).reshape(3, 1) / 255
    path.write_bytes(_model([_node("MatMul", ["picture", "weights"], "alpha")], _tensor("weights", column), "alpha", 1))
    return path


def _model(nodes: list[bytes], weights: bytes, output: str, channels: int) -> bytes:
    graph = b"".join(_bytes(1, node) for node in nodes) + _text(2, "network") + _bytes(5, weights)
    graph += _bytes(11, _value("picture", 3)) + _bytes(12, _value(output, channels))
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _text(1, "") + _number(2, 13))


def _node(operation: str, inputs: list[str], output: str, attribute: bytes = b"") -> bytes:
    return b"".join(_text(1, name) for name in inputs) + _text(2, output) + _text(4, operation) + attribute


def _tensor(name: str, values: np.ndarray) -> bytes:
    sizes = b"".join(_number(1, size) for size in values.shape)
    return sizes + _number(2, _FLOAT) + _text(8, name) + _bytes(9, values.astype("<f4").tobytes())


def _value(name: str, channels: int) -> bytes:
    """float32, height x width x channels; the first two are open."""
    sizes = [_text(2, "height"), _text(2, "width"), _number(1, channels)]
    shape = b"".join(_bytes(1, size) for size in sizes)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, _FLOAT) + _bytes(2, shape)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
