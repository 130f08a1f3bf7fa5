"""ONNX exports and SavedModels of networks with BSHM's contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bshm_watchd.bench.drawn import compose
from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bshm.importing import Wanted, drafted
from bshm_watchd.matting.bshm.looking import look_at
from bshm_watchd.matting.bshm.saved_model import freeze
from bshm_watchd.matting.runtimes import make_runtime
from tests.standin import WEIGHTS
from tests.support.graphs import SMALL, looked_at, with_tensorflow
from tests.support.onnx_file import mask_network, rgba_network

SHOWN = compose(3, 96, 128)


@pytest.mark.parametrize(("written", "channel", "opaque"), [(rgba_network, 3, 255), (mask_network, 0, 1)])
def test_an_onnx_export_becomes_a_bundle_that_openvino_computes(
    written: Any, channel: int, opaque: int, tmp_path: Path
) -> None:
    path = written(tmp_path / "export.onnx", WEIGHTS)
    (tmp_path / "made").mkdir()
    looked = looked_at(path)
    bundle = drafted(tmp_path / "made", Wanted(path, "export", size=SMALL), looked)
    model = looked.model
    assert (model.kind, model.output.channel, model.output.opaque) == ("onnx", channel, opaque)
    assert "one picture a call" in str(looked.no_batch)
    pixels = np.random.default_rng(2).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    runtime = make_runtime(bundle, ModelSettings(device="cpu"))
    runtime.start()
    (alpha,) = runtime.infer([pixels])
    runtime.close()
    assert isinstance(alpha, np.ndarray)
    assert np.abs(alpha - pixels @ np.array(WEIGHTS)).max() <= 1


def test_tensorflow_is_not_asked_to_run_an_onnx_file(tmp_path: Path) -> None:
    path = rgba_network(tmp_path / "export.onnx", WEIGHTS)
    (tmp_path / "made").mkdir()
    bundle = drafted(tmp_path / "made", Wanted(path, "export", size=SMALL), looked_at(path))
    with pytest.raises(ConfigError, match="tensorflow cannot run the bundle export"):
        make_runtime(bundle, ModelSettings(runtime="tensorflow", device="cpu"))


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_an_onnx_file_that_was_cut_off_is_refused(share: float, tmp_path: Path) -> None:
    path = rgba_network(tmp_path / "export.onnx", WEIGHTS)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ConfigError, match=r"export\.onnx"):
        look_at(path, (None, None), SHOWN.pixels, SHOWN.alpha, lambda _: None)


def test_an_end_that_an_onnx_file_does_not_have_is_told_with_those_that_it_has(tmp_path: Path) -> None:
    path = rgba_network(tmp_path / "export.onnx", WEIGHTS)
    with pytest.raises(ConfigError, match="no output named alphas: name one of rgba with --output"):
        look_at(path, (None, "alphas"), SHOWN.pixels, SHOWN.alpha, lambda _: None)


def saved(directory: Path, *, reads: str | None = None) -> Path:
    """A SavedModel with weights outside its graph; `reads`: a file that it reads when it is called."""
    tf = with_tensorflow()
    module = tf.Module()
    module.weights = tf.Variable(WEIGHTS, dtype=tf.float32)

    def rgba(picture: Any) -> dict[str, Any]:
        alpha = tf.reduce_sum(tf.expand_dims(picture, 0) * module.weights, -1, keepdims=True)
        if reads is not None:
            alpha += tf.cast(tf.strings.length(tf.io.read_file(reads)), tf.float32) * 0
        return {"rgba": tf.concat([picture, tf.squeeze(alpha, 0)], -1)}

    signature = tf.function(rgba, input_signature=[tf.TensorSpec([None, None, 3], tf.float32)])
    tf.saved_model.save(module, str(directory), signatures={"serving_default": signature.get_concrete_function()})
    return directory


def test_a_saved_model_is_frozen_and_bound_to_a_batch(tmp_path: Path) -> None:
    looked = look_at(saved(tmp_path / "export"), (None, None), SHOWN.pixels, SHOWN.alpha, lambda _: None)
    assert looked.model.file == "tf_graph.pb"
    assert looked.batch is not None
    assert looked.frozen is not None
    assert not any("Variable" in node.op for node in looked.frozen.node)


def test_a_saved_model_that_reads_files_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    directory = saved(tmp_path / "export", reads="/etc/hosts")
    with pytest.raises(ConfigError, match="ReadFile reads or writes files"):
        freeze(directory)


def writes_when_it_is_run(directory: Path, target: Path) -> Path:
    """What its own saving function may do, and nothing else: it writes a file beside computing alpha."""
    tf = with_tensorflow()

    def rgba(picture: Any) -> dict[str, Any]:
        written = tf.raw_ops.SaveV2(
            prefix=str(target), tensor_names=["x"], shape_and_slices=[""], tensors=[tf.constant([1.0])]
        )
        with tf.control_dependencies([written]):
            return {"rgba": tf.concat([picture, tf.identity(picture[..., :1])], -1)}

    signature = tf.function(rgba, input_signature=[tf.TensorSpec([None, None, 3], tf.float32)])
    tf.saved_model.save(tf.Module(), str(directory), signatures={"serving_default": signature.get_concrete_function()})
    return directory


def test_a_saved_model_that_writes_files_beside_its_own_weights_is_refused_before_it_is_run(tmp_path: Path) -> None:
    directory = writes_when_it_is_run(tmp_path / "export", tmp_path / "written")
    with pytest.raises(ConfigError, match="SaveV2 reads or writes files"):
        look_at(directory, (None, None), SHOWN.pixels, SHOWN.alpha, lambda _: None)
    assert not list(tmp_path.glob("written*"))


def test_a_saved_model_of_several_graphs_is_refused(tmp_path: Path) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    directory = saved(tmp_path / "export")
    stored = SavedModel.FromString((directory / "saved_model.pb").read_bytes())
    stored.meta_graphs.append(stored.meta_graphs[0])
    (directory / "saved_model.pb").write_bytes(stored.SerializeToString())
    with pytest.raises(ConfigError, match="several graphs"):
        freeze(directory)


def test_a_saved_model_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    directory = saved(tmp_path / "export")
    stored = directory / "saved_model.pb"
    stored.write_bytes(stored.read_bytes()[:200])
    with pytest.raises(ConfigError, match="cut off or no SavedModel"):
        freeze(directory)


def test_a_directory_without_a_saved_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        freeze(tmp_path)
