"""A graph for one picture, bound anew so that it takes a batch.

Such a graph makes a batch of one of its picture (an ExpandDims or Reshape after its input), and takes the picture out
again before its output (a Squeeze, Reshape or slice). Between the two everything is made for batches. So the batch is
put in after the first, and taken out before the second. What is between input and first is done to the batch alike.
Whether the answers are the same is for the caller to compare: nothing here can know that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bshm_watchd.matting.bshm.graph import operation_name, tensor_name
from bshm_watchd.matting.quiet_tensorflow import tensorflow

if TYPE_CHECKING:
    from bshm_watchd.matting.bshm.graph import Graph

BATCH = "batch:0"
ALPHAS = "alphas:0"
_ENTRANCES = frozenset(("ExpandDims", "Reshape", "Pack", "StridedSlice"))
_EXITS = frozenset(("Squeeze", "Reshape", "StridedSlice", "Unpack"))
# What a graph does to a picture before it makes a batch of it; done to a batch it means the same.
_BEFORE = frozenset(
    (
        "Add",
        "AddV2",
        "Cast",
        "ClipByValue",
        "Div",
        "Identity",
        "Maximum",
        "Minimum",
        "Mul",
        "RealDiv",
        "StopGradient",
        "Sub",
    )
)
_MOST = 8  # ways in or out that are tried


@dataclass(frozen=True, slots=True)
class Ways:
    """Where a batch gets in and out: names of operations."""

    entrance: str
    exit: str


def ways(graph: Graph, input_name: str, output_name: str) -> Iterator[Ways]:
    """Candidates, likeliest first; none where the graph has no such operations."""
    nodes = {node.name: node for node in graph.node}
    exits = list(_exits(nodes, output_name))
    for entrance in _entrances(graph, input_name):
        for way_out in exits:
            yield Ways(entrance, way_out)


def rebound(graph: Graph, input_name: str, way: Ways) -> Graph:
    """The graph from `BATCH` (float32, count x height x width x 3) to `ALPHAS`: what goes into the exit.

    Raises `ValueError` where the ways don't fit the graph.
    """
    tf = tensorflow()
    nodes = {node.name: node for node in graph.node}
    with tf.Graph().as_default() as built:
        batch = tf.compat.v1.placeholder(tf.float32, [None, None, None, 3], name=operation_name(BATCH))
        before = _imported(graph, {f"{input_name}:0": batch}, nodes[way.entrance].input[0], "before")
        inside = {f"{way.entrance}:0": before, f"{input_name}:0": batch[0]}
        tf.identity(_imported(graph, inside, nodes[way.exit].input[0], "graph"), name=operation_name(ALPHAS))
        whole = built.as_graph_def()
    return tf.compat.v1.graph_util.extract_sub_graph(whole, [operation_name(ALPHAS)])


def _imported(graph: Graph, input_map: dict[str, Any], tensor: str, name: str) -> Any:
    """This tensor of a copy of the graph that takes what `input_map` says instead of its own tensors."""
    known = tensor_name(tensor)
    if known in input_map:
        return input_map[known]
    (found,) = tensorflow().import_graph_def(graph, input_map=input_map, return_elements=[known], name=name)
    return found


def _entrances(graph: Graph, input_name: str) -> Iterator[str]:
    """Forward from the input, through what a batch can go through as well."""
    users: dict[str, list[Any]] = {}
    for node in graph.node:
        for tensor in node.input[:1] if node.op in _ENTRANCES else node.input:
            users.setdefault(operation_name(tensor), []).append(node)
    reached, found = deque([input_name]), 0
    while reached and found < _MOST:
        for node in users.get(reached.popleft(), ()):
            if node.op in _ENTRANCES:
                yield node.name
                found += 1
            elif node.op in _BEFORE:
                reached.append(node.name)


def _exits(nodes: dict[str, Any], output_name: str) -> Iterator[str]:
    """Backward from the output, nearest first; what lies behind an exit is not looked at."""
    reached, seen, found = deque([output_name]), {output_name}, 0
    while reached and found < _MOST:
        node = nodes[reached.popleft()]
        if node.op in _EXITS:
            yield node.name
            found += 1
            continue
        for name in map(operation_name, node.input):
            if name not in seen:
                seen.add(name)
                reached.append(name)
