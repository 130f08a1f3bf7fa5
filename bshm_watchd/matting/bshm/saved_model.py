"""A SavedModel made one frozen graph, its weights constants. What it would run is looked through before that."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bshm.graph import refuse_operations
from bshm_watchd.matting.bshm.operations import SAVING, VARIABLES
from bshm_watchd.matting.quiet_tensorflow import tensorflow

if TYPE_CHECKING:
    from bshm_watchd.matting.bshm.graph import Graph

FILE = "saved_model.pb"
_SIGNATURE = "serving_default"


def freeze(directory: Path) -> Graph:
    """The graph of its default signature. Raises `ConfigError` where there is none, or it has refused operations."""
    path = directory / FILE
    _refuse_what_runs_at_loading(_stored(path), path)
    frozen = _frozen(directory)
    refuse_operations(frozen, path)  # now nothing that reads weights is left, and no call of a function hides any
    return frozen


def _stored(path: Path) -> Any:
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        return SavedModel.FromString(path.read_bytes())
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    except DecodeError as error:
        raise ConfigError([f"{path}: it is cut off or no SavedModel ({error}): copy it again"]) from error


def _frozen(directory: Path) -> Graph:
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    tf = tensorflow()
    try:
        loaded = tf.saved_model.load(str(directory))  # kept: its weights go with it
        return convert_variables_to_constants_v2(loaded.signatures[_SIGNATURE]).graph.as_graph_def()
    except (KeyError, ValueError, OSError, tf.errors.OpError) as error:
        what = f"TensorFlow {tf.__version__} cannot load its signature {_SIGNATURE}"
        raise ConfigError([f"{directory}: {what}: {str(error).strip().partition(chr(10))[0]}"]) from error


def _refuse_what_runs_at_loading(stored: Any, path: Path) -> None:
    """Loading runs initialisers, restoring functions of a model's own, and all of a model of TensorFlow 1's kind."""
    if len(stored.meta_graphs) != 1 or not stored.meta_graphs[0].object_graph_def.nodes:
        raise ConfigError(
            [f"{path}: it was saved by TensorFlow 1, or holds several graphs: bring a frozen graph instead"]
        )
    meta = stored.meta_graphs[0]
    nodes = meta.object_graph_def.nodes
    if any(node.WhichOneof("kind") == "resource" or node.saveable_objects or node.registered_saver for node in nodes):
        raise ConfigError([f"{path}: it holds what runs when it is loaded: bring a frozen graph instead"])
    for its_own in (False, True):
        part = tensorflow().compat.v1.GraphDef()
        part.library.function.extend(one for one in meta.graph_def.library.function if _keeps_weights(one) == its_own)
        if not its_own:
            part.node.extend(meta.graph_def.node)
        refuse_operations(part, path, VARIABLES | SAVING if its_own else VARIABLES)


def _keeps_weights(function: Any) -> bool:
    """One of the two functions that every SavedModel has, which write and read its weights."""
    return bool(function.signature.name.startswith(("__inference__traced_save_", "__inference__traced_restore_")))
