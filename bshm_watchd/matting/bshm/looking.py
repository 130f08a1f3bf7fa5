"""What kind of file it is, and what the network in it does: everything that a bundle's manifest must say of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bshm import examine
from bshm_watchd.matting.bshm.compute import picture_function
from bshm_watchd.matting.bshm.graph import operation_name, read_graph, tensor_name
from bshm_watchd.matting.bshm.onnx_network import open_network
from bshm_watchd.matting.bshm.rebind import ALPHAS, BATCH
from bshm_watchd.matting.bshm.saved_model import freeze
from bshm_watchd.matting.manifest import BatchGraph, BshmModel

if TYPE_CHECKING:
    from bshm_watchd.matting.bshm.graph import Graph
    from bshm_watchd.matting.photo import Alpha, Pixels

INPUT, OUTPUT = "input_image:0", "output_png:0"
GRAPH_FILE, BATCH_FILE, ONNX_FILE = "tf_graph.pb", "batch.pb", "network.onnx"  # in the bundle, whatever they were
_MOST_NAMES = 8

Ends = tuple[str | None, str | None]
"""Names of the input and the output that somebody gave."""


@dataclass(frozen=True, slots=True)
class Looked:
    """`readings`: the four ways to feed it, the believed one first. `no_batch`: why it takes one picture a call."""

    path: Path
    model: BshmModel
    readings: tuple[examine.Reading, ...]
    frozen: Graph | None  # of a SavedModel: what is kept instead of it
    batch: examine.BatchFound | None
    no_batch: str | None

    @property
    def plausible(self) -> bool:
        """Whether it sees the person in the portrait that it was shown."""
        return self.readings[0].difference <= examine.PLAUSIBLE

    def write(self, directory: Path) -> None:
        """The network's files."""
        if self.frozen is None:
            shutil.copyfile(self.path, directory / self.model.file)
        else:
            (directory / self.model.file).write_bytes(self.frozen.SerializeToString(deterministic=True))
        if self.batch is not None:
            (directory / BATCH_FILE).write_bytes(self.batch.graph.SerializeToString(deterministic=True))


def look_at(path: Path, ends: Ends, picture: Pixels, known: Alpha, tell: Callable[[str], None]) -> Looked:
    """Raises `ConfigError` where it is none of the files that can be used, or not what BSHM's contract says.

    `picture`, `known`: a portrait (uint8, height x width x 3, RGB) and its matte, to see whether it is fed right.
    """
    if path.suffix.lower() == ".onnx":
        return _onnx(path, ends, picture, known, tell)
    if path.is_dir():
        tell("freezing the SavedModel")
        frozen = freeze(path)
        return _graph(path, frozen, frozen, _signature(frozen, ends), picture, known, tell)
    tell("reading the graph")
    graph = read_graph(path)
    return _graph(path, graph, None, _named(graph, ends, path), picture, known, tell)


def _onnx(path: Path, ends: Ends, picture: Pixels, known: Alpha, tell: Callable[[str], None]) -> Looked:
    tell("reading the ONNX file")
    network = open_network(path, *ends)
    readings = examine.read(network.run, (network.input, network.output), picture, known, path)
    model = BshmModel(
        format="bshm", kind="onnx", file=ONNX_FILE, input=readings[0].input, output=readings[0].output
    )  # fmt: skip
    why = "an ONNX file takes one picture a call; on a CPU batches gain nothing"
    return Looked(path, model, tuple(readings), None, None, why)


def _graph(
    path: Path, graph: Graph, frozen: Graph | None, ends: tuple[str, str],
    picture: Pixels, known: Alpha, tell: Callable[[str], None],
) -> Looked:  # fmt: skip
    single = picture_function(graph, *ends, path)
    tell("finding out how it is fed")
    readings = examine.read(_clear(single, path), ends, picture, known, path)
    tell("binding it to a batch")
    found = examine.batched(graph, readings[0], single, picture, path)
    batch = None if isinstance(found, str) else found
    model = BshmModel(
        format="bshm", kind="frozen_graph", file=GRAPH_FILE, input=readings[0].input, output=readings[0].output,
        batch=batch and BatchGraph(
            file=BATCH_FILE, input=BATCH, output=ALPHAS, channel=batch.channel, opaque=batch.opaque
        ),
    )  # fmt: skip
    return Looked(path, model, tuple(readings), frozen, batch, found if isinstance(found, str) else None)


def _clear(single: examine.Network, path: Path) -> examine.Network:
    """Whatever TensorFlow says when it can't run the graph, as one error that names the file."""
    from bshm_watchd.matting.quiet_tensorflow import tensorflow

    def run(values: examine.Values) -> examine.Values:
        try:
            return single(values)
        except (tensorflow().errors.OpError, ValueError, TypeError) as error:
            shape = " x ".join(map(str, values.shape))
            what = str(error).strip().partition("\n")[0]
            raise ConfigError([f"{path}: it cannot be run on a picture of {shape} (float32): {what}"]) from error

    return run


def _named(graph: Graph, ends: Ends, path: Path) -> tuple[str, str]:
    """The given names or BSHM's own. Raises `ConfigError` where the graph has none of them: likely another model."""
    start, end = tensor_name(ends[0] or INPUT), tensor_name(ends[1] or OUTPUT)
    names = {node.name for node in graph.node}
    inputs = [node.name for node in graph.node if node.op == "Placeholder"]
    used = {operation_name(tensor) for node in graph.node for tensor in node.input}
    problems = []
    if operation_name(start) not in names:
        problems.append(f"{path}: it has no input {start}; its inputs are {_some(inputs)}: name one with --input")
    if operation_name(end) not in names:
        last = [node.name for node in graph.node if node.name not in used and node.op not in ("NoOp", "Const")]
        problems.append(f"{path}: it has no output {end}; nothing uses {_some(last)}: name one with --output")
    if problems:
        raise ConfigError(problems)
    return start, end


def _signature(frozen: Graph, ends: Ends) -> tuple[str, str]:
    """A frozen SavedModel's own ends where none are given: its first input, and its last operation with a value."""
    inputs = [node.name for node in frozen.node if node.op == "Placeholder"]
    last = next(node.name for node in reversed(frozen.node) if node.op not in ("NoOp", "Const"))
    return tensor_name(ends[0] or (inputs[0] if inputs else INPUT)), tensor_name(ends[1] or last)


def _some(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return (", ".join(names[:_MOST_NAMES]) or "none") + (f" and {more} more" if more > 0 else "")
