"""Reading a TensorFlow graph from a file, and refusing what must not be run. Nothing of the graph is run here."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bshm.operations import refusal

if TYPE_CHECKING:
    Graph = Any
    """A `tensorflow.compat.v1.GraphDef`; its library has no types."""

_MAX_BYTES = (1 << 31) - 1  # of one message, says its format
_MOST_REFUSALS = 10


def read_graph(path: Path) -> Graph:
    """The frozen graph in this file. Raises `ConfigError` where it is none, cut off, or has refused operations."""
    graph = parsed(_content(path), path)
    refuse_operations(graph, path)
    return graph


def parsed(content: bytes, path: Path) -> Graph:
    from google.protobuf.message import DecodeError

    from bshm_watchd.matting.quiet_tensorflow import tensorflow

    graph = tensorflow().compat.v1.GraphDef()
    try:
        graph.ParseFromString(content)
    except DecodeError as error:
        what = "it is cut off or no frozen graph: copy it again, and compare its sha256 with the one of its source"
        raise ConfigError([f"{path}: {what} ({error})"]) from error
    if not graph.node:
        raise ConfigError([f"{path}: the graph is empty: copy it again"])
    return graph


def refuse_operations(graph: Graph, path: Path, also: frozenset[str] = frozenset()) -> None:
    """Raises `ConfigError`, one sentence for each kind of refused operation, in the graph or in its functions.

    `also`: what is allowed here beside the rest.
    """
    from tensorflow.python.framework import op_def_registry

    found = dict.fromkeys(node.op for node in _nodes(graph))
    names = {function.signature.name for function in graph.library.function}
    own = {name for name in names if op_def_registry.get(name) is None}  # none may hide behind an operation's name
    problems = [why for operation in found if operation not in own and (why := refusal(operation, also))]
    if len(problems) > _MOST_REFUSALS:
        problems[_MOST_REFUSALS:] = [f"and {len(problems) - _MOST_REFUSALS} more"]
    if problems:
        raise ConfigError([f"{path}: {problem}" for problem in problems])


def _nodes(graph: Graph) -> Iterator[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _content(path: Path) -> bytes:
    try:
        size = os.stat(path).st_size
        if not 0 < size <= _MAX_BYTES:
            raise ConfigError([f"{path}: has {size:,} bytes: a frozen graph has 1 to {_MAX_BYTES:,}"])
        return path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error


def tensor_name(name: str) -> str:
    """`input_image` is the first tensor of the operation of that name: `input_image:0`."""
    return name if ":" in name else f"{name}:0"


def operation_name(tensor: str) -> str:
    """Of an input as a graph writes it: `name`, `name:1`, or `^name` for what must merely have run."""
    return tensor.removeprefix("^").partition(":")[0]
