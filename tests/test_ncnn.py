"""ONNX networks by ncnn: the same alpha as by OpenVINO, and OpenVINO itself where ncnn can't."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bshm_watchd.bench.drawn import compose
from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError, RuntimeBroken
from bshm_watchd.matting.manifest import OnnxModel
from bshm_watchd.matting.ncnn_network import written
from bshm_watchd.matting.ncnn_runtime import NcnnRuntime
from bshm_watchd.matting.openvino_runtime import OpenVinoRuntime
from bshm_watchd.matting.quiet_openvino import openvino
from bshm_watchd.matting.runtime import Runtime
from bshm_watchd.matting.runtimes import make_runtime, precision_of, runtime_of
from tests.support.runtimes import u2netp_bundle
from tests.support.small_network import small_bundle

SIDE = 24


def started(**settings: Any) -> Runtime:
    runtime = make_runtime(u2netp_bundle(), ModelSettings(device="cpu", **settings))
    runtime.start()
    return runtime


def alpha(runtime: Runtime, seed: int) -> Any:
    (found,) = runtime.infer([compose(seed, 320, 320).pixels])
    assert not isinstance(found, Exception)
    return found.astype(int)


def test_alpha_is_that_of_openvino_but_for_rounding() -> None:
    ours, reference = started(), started(runtime="openvino")
    assert isinstance(ours, NcnnRuntime)
    assert isinstance(reference, OpenVinoRuntime)
    for seed in range(3):
        differences = np.abs(alpha(ours, seed) - alpha(reference, seed))
        assert differences.max() <= 1
        assert differences.mean() < 0.01


def test_threads_share_one_network() -> None:
    runtime = started()
    alone = [alpha(runtime, seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: alpha(runtime, seed), range(4)))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_a_closed_one_says_so() -> None:
    runtime = started()
    runtime.close()
    runtime.close()
    with pytest.raises(RuntimeBroken, match="closed"):
        runtime.infer([compose(1, 320, 320).pixels])


@pytest.mark.parametrize(("precision", "runtime"), [("auto", "ncnn"), ("f32", "ncnn"), ("bf16", "openvino")])
def test_the_precision_chooses(precision: str, runtime: str) -> None:
    settings = ModelSettings.model_validate({"device": "cpu", "precision": precision})
    assert runtime_of(u2netp_bundle(), settings) == runtime
    assert precision_of(u2netp_bundle(), settings) == ("f32" if precision == "auto" else precision)


def test_a_precision_that_it_does_not_know_is_an_error_where_it_is_named() -> None:
    with pytest.raises(ConfigError, match="f32 only"):
        precision_of(u2netp_bundle(), ModelSettings(runtime="ncnn", precision="bf16", device="cpu"))


# -- layers, one by one, against OpenVINO ----------------------------------------------------------------------


def _answers(directory: Path, make: Any) -> tuple[Any, Any]:
    """Of a network whose one input is 1 x 3 x SIDE x SIDE, by ncnn and by OpenVINO."""
    import ncnn
    from openvino import opset13 as ops

    start = ops.parameter([1, 3, SIDE, SIDE], np.float32, name="x")
    end = make(ops, start)
    end.output(0).set_names({"y"})
    path = directory / "net.xml"
    openvino().save_model(openvino().Model([end], [start], "net"), str(path), compress_to_fp16=False)
    picture = np.random.default_rng(1).normal(0, 1, (1, 3, SIDE, SIDE)).astype(np.float32)
    network = written(path, "y", (SIDE, SIDE))
    net = ncnn.Net()
    assert net.load_param_mem(network.layers) == 0
    net.load_model_mem(network.weights)
    extractor = net.create_extractor()
    extractor.input(network.input, ncnn.Mat(picture[0]))
    failed, found = extractor.extract(network.output)
    assert not failed
    wanted = openvino().Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(picture)
    return np.array(found), wanted["y"][0]


def _convolved(ops: Any, values: Any, count: int, *, seed: int = 0, dilation: int = 1, stride: int = 1) -> Any:
    channels = values.get_output_shape(0)[1]
    weights = np.random.default_rng(seed).normal(0, 0.3, (count, channels, 3, 3)).astype(np.float32)
    pads = [dilation, dilation]
    return ops.convolution(values, weights, [stride, stride], pads, pads, [dilation, dilation])


def _with_bias(ops: Any, values: Any) -> Any:
    count = values.get_output_shape(0)[1]
    return ops.add(values, np.linspace(-1, 1, count, dtype=np.float32).reshape(1, count, 1, 1))


def _read_twice(ops: Any, start: Any) -> Any:
    """An answer with two readers must be split, and its bias and its cut must not be taken in twice."""
    first = ops.relu(_with_bias(ops, _convolved(ops, start, 4)))
    return ops.concat([first, ops.add(first, _convolved(ops, first, 4, seed=2))], 1)


def _bare_twice(ops: Any, start: Any) -> Any:
    """The same convolution with a cut and without one."""
    bare = _convolved(ops, start, 4)
    return ops.add(ops.relu(bare), bare)


def _enlarged(ops: Any, start: Any) -> Any:
    mode, sizes, half = "linear_onnx", "sizes", "pytorch_half_pixel"
    size = np.array([2 * SIDE, 3 * SIDE], np.int64)
    return ops.interpolate(start, size, mode, sizes, axes=[2, 3], coordinate_transformation_mode=half)


def _pooled(ops: Any, start: Any) -> Any:
    """Three rows of cells, of which the last reaches over the end."""
    pooled = ops.max_pool(ops.max_pool(start, [8, 8], [1, 1], [0, 0], [0, 0], [8, 8]).output(0), [2, 2], [1, 1],
                          [0, 0], [0, 0], [2, 2], "ceil")  # fmt: skip
    return ops.sigmoid(pooled.output(0))


@pytest.mark.parametrize(
    "make",
    [
        lambda ops, start: _with_bias(ops, _convolved(ops, start, 5)),
        lambda ops, start: ops.relu(_convolved(ops, start, 5, dilation=2)),
        lambda ops, start: ops.sigmoid(_convolved(ops, start, 2, stride=2)),
        _read_twice,
        _bare_twice,
        _enlarged,
        _pooled,
    ],
    ids=["bias", "dilated", "strided", "read twice", "bare twice", "enlarged", "pooled"],
)
def test_layers_compute_what_they_are_said_to(tmp_path: Path, make: Any) -> None:
    found, wanted = _answers(tmp_path, make)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() < 1e-3


def test_what_is_not_known_is_told_and_openvino_computes_it(tmp_path: Path) -> None:
    from openvino import opset13 as ops

    bundle = small_bundle(tmp_path)
    model = bundle.manifest.model
    assert isinstance(model, OnnxModel)
    assert isinstance(make_runtime(bundle, ModelSettings(device="cpu")), NcnnRuntime)
    start = ops.parameter([1, 3, *bundle.working_size(1, 1)], np.float32, name=model.input.tensor)
    end = ops.tanh(start)
    end.output(0).set_names({model.output.tensor})
    openvino().save_model(openvino().Model([end], [start], "net"), str(bundle.path(model.file)))
    assert isinstance(make_runtime(bundle, ModelSettings(device="cpu")), OpenVinoRuntime)
    with pytest.raises(ConfigError, match=r"Tanh.*openvino"):
        make_runtime(bundle, ModelSettings(device="cpu", runtime="ncnn"))


@pytest.mark.parametrize("shape", [[1, 3, SIDE, SIDE + 8], [1, 4, SIDE, SIDE], [-1, 3, SIDE, SIDE], [1, 3, -1, -1]])
def test_a_network_for_pictures_of_another_size_is_never_given_to_ncnn(tmp_path: Path, shape: list[int]) -> None:
    from openvino import opset13 as ops

    start = ops.parameter(shape, np.float32, name="x")
    end = ops.add(ops.relu(start), start)
    end.output(0).set_names({"y"})
    path = tmp_path / "net.xml"
    openvino().save_model(openvino().Model([end], [start], "net"), str(path))
    with pytest.raises(ConfigError, match="ncnn can't compute"):
        written(path, "y", (SIDE, SIDE))


def test_where_there_is_no_ncnn_openvino_computes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ncnn", None)
    assert isinstance(make_runtime(u2netp_bundle(), ModelSettings(device="cpu")), OpenVinoRuntime)
    with pytest.raises(ConfigError, match="ncnn"):
        make_runtime(u2netp_bundle(), ModelSettings(device="cpu", runtime="ncnn"))
