"""Frozen graphs with the contract of BSHM's file: one picture in, RGBA of the same size out, under the same names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tests.standin import INPUT, OUTPUT, WEIGHTS


def bshm_like(network: Any) -> bytes:
    """A graph from height x width x 3 (RGB, 0 to 255) to height x width x 4 (RGBA, 0 to 255), its weights constants."""

    def picture_to_rgba(picture: Any) -> Any:
        alpha = network(tf.expand_dims(picture, 0) / 255.0, training=False)
        return tf.concat([picture, tf.squeeze(alpha, 0) * 255.0], -1, name=OUTPUT)

    return _frozen(picture_to_rgba)


def arithmetic() -> bytes:
    """The same contract, alpha = `WEIGHTS` times the colours: channel order, place and scale show to the pixel."""

    def picture_to_rgba(picture: Any) -> Any:
        batch = tf.expand_dims(picture, 0)
        alpha = tf.reduce_sum(batch / 255.0 * tf.constant(WEIGHTS), axis=-1, keepdims=True)
        return tf.concat([picture, tf.squeeze(alpha, 0) * 255.0], -1, name=OUTPUT)

    return _frozen(picture_to_rgba)


def of(function: Any, *, name: str = INPUT, shape: tuple[int | None, ...] = (None, None, 3)) -> bytes:
    """Any function of one float32 tensor as a frozen graph, for graphs that are wrong in some way."""
    return _frozen(function, name, shape)


def write(graph: bytes, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(graph)
    return path


def _frozen(function: Any, name: str = INPUT, shape: tuple[int | None, ...] = (None, None, 3)) -> bytes:
    concrete = tf.function(function).get_concrete_function(tf.TensorSpec(shape, tf.float32, name=name))
    graph = convert_variables_to_constants_v2(concrete).graph.as_graph_def()
    return bytes(graph.SerializeToString())
