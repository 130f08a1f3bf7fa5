"""A SavedModel made one frozen graph, its weights constants. What it would run is looked through before that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bshm.graph import refuse_operations
from bshm_watchd.matting.bshm.operations import SAVED_MODEL
from bshm_watchd.matting.quiet_tensorflow import tensorflow

if TYPE_CHECKING:
    from bshm_watchd.matting.bshm.graph import Graph

FILE = "saved_model.pb"
_SIGNATURE = "serving_default"


def freeze(directory: Path) -> Graph:
    """The graph of its default signature. Raises `ConfigError` where there is none, or it has refused operations."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    tf = tensorflow()
    path = directory / FILE
    stored = SavedModel()
    try:
        stored.ParseFromString(path.read_bytes())
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    except DecodeError as error:
        raise ConfigError([f"{path}: it is cut off or no SavedModel ({error}): copy it again"]) from error
    for meta in stored.meta_graphs:
        refuse_operations(meta.graph_def, path, SAVED_MODEL)
        _refuse_what_runs_at_loading(meta, path)
    try:
        loaded = tf.saved_model.load(str(directory))  # kept: its weights go with it
        return convert_variables_to_constants_v2(loaded.signatures[_SIGNATURE]).graph.as_graph_def()
    except (KeyError, ValueError, OSError, tf.errors.OpError) as error:
        what = f"TensorFlow {tf.__version__} cannot load its signature {_SIGNATURE}"
        raise ConfigError([f"{directory}: {what}: {str(error).strip().partition(chr(10))[0]}"]) from error


def _refuse_what_runs_at_loading(meta: Any, path: Path) -> None:
    """Loading runs the initialisers of lookup tables and the like, and all of a model of TensorFlow 1's kind."""
    nodes = meta.object_graph_def.nodes
    if not nodes:
        raise ConfigError([f"{path}: it was saved by TensorFlow 1: bring its frozen graph instead"])
    if any(node.WhichOneof("kind") == "resource" for node in nodes):
        raise ConfigError([f"{path}: it holds tables that run when it is loaded: bring a frozen graph instead"])
