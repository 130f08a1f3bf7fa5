"""BSHM's graphs on TensorFlow and on OpenVINO: what is computed, for whom, and how often the graph is built."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from bshm_watchd.bench.drawn import compose
from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError, RuntimeBroken
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.bshm.compute import Place, threads_beside_decoding
from bshm_watchd.matting.bshm.tensorflow_runtime import TensorFlowRuntime
from bshm_watchd.matting.bundle import Bundle
from bshm_watchd.matting.manifest import BshmModel
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.runtime import MattingFailed, Runtime
from bshm_watchd.matting.runtimes import make_runtime
from tests.standin import WEIGHTS
from tests.support.graphs import arithmetic_graph_bundle, stand_in_bundle

ON = {name: ModelSettings(runtime=name, device="cpu") for name in ("tensorflow", "openvino")}


def computed(pixels: np.ndarray) -> np.ndarray:
    """What the arithmetic graph answers, in closed form."""
    return np.round(pixels.astype(np.float64) @ np.array(WEIGHTS))


def noise(height: int, width: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


@pytest.fixture(scope="module", params=ON)
def arithmetic(request: pytest.FixtureRequest) -> Iterator[Runtime]:
    runtime = make_runtime(arithmetic_graph_bundle(), ON[request.param])
    runtime.start()
    yield runtime
    runtime.close()


@pytest.fixture
def on_tensorflow() -> Iterator[Runtime]:
    """As on a GPU: in batches."""
    bundle = stand_in_bundle()
    assert isinstance(bundle.manifest.model, BshmModel)
    runtime = _Batching(bundle, bundle.manifest.model, Place(False, threads_beside_decoding(), "f32"))
    runtime.start()
    yield runtime
    runtime.close()


class _Batching(TensorFlowRuntime):
    """Batches of four on a CPU, which gain nothing there but are the same code."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._max_batch = 4


@pytest.mark.parametrize("size", [(256, 160), (160, 256), (64, 64)])
def test_alpha_is_the_formula_to_the_pixel(arithmetic: Runtime, size: tuple[int, int]) -> None:
    pixels = noise(*size)
    (alpha,) = arithmetic.infer([pixels])
    assert isinstance(alpha, np.ndarray)
    assert np.abs(alpha - computed(pixels)).max() <= 1  # halves round either way in f32
    assert np.mean(alpha != computed(pixels)) < 0.002


@pytest.mark.parametrize(("height", "width"), [(256, 256), (171, 256), (100, 37), (1000, 1500), (3000, 400)])
def test_padding_leaves_no_trace_in_the_photos_alpha(arithmetic: Runtime, height: int, width: int) -> None:
    """Constant blocks survive the resizing; each corner's colour must come back in its own corner."""
    blocks = np.array([[[200, 0, 0], [0, 200, 0]], [[0, 0, 200], [200, 200, 200]]], np.uint8)
    pixels = blocks.repeat(-(-height // 2), 0)[:height].repeat(-(-width // 2), 1)[:, :width]
    with Batcher(_Started(arithmetic), arithmetic_graph_bundle(), 1, 0) as batcher:
        alpha = batcher.matte(Photo(np.ascontiguousarray(pixels)))
    corners = [alpha[0, 0], alpha[0, -1], alpha[-1, 0], alpha[-1, -1]]
    expected = [computed(blocks[row, column]) for row in (0, 1) for column in (0, 1)]
    assert alpha.shape == (height, width)
    assert np.abs(np.array(corners, int) - np.array(expected, int)).max() <= 2


class _Started:
    """A runtime that others go on to use: neither started nor closed here."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.streams = runtime.streams
        self.max_batch = runtime.max_batch
        self.infer = runtime.infer

    def start(self) -> None:
        """It is."""

    def close(self) -> None:
        """Not ours."""


def test_channels_in_the_other_order_and_values_up_to_one_are_fed_so() -> None:
    bundle = arithmetic_graph_bundle()
    model = bundle.manifest.model
    assert isinstance(model, BshmModel)
    turned = model.model_copy(update={"input": model.input.model_copy(update={"channels": "bgr"})})
    pixels = noise(64, 64)
    for settings in ON.values():
        changed = Bundle(bundle.directory, bundle.manifest.model_copy(update={"model": turned}))
        runtime = make_runtime(changed, settings)
        runtime.start()
        (alpha,) = runtime.infer([pixels])
        runtime.close()
        assert np.abs(alpha - computed(pixels[..., ::-1])).max() <= 1


@pytest.mark.contract("L2")
def test_a_batch_gives_each_picture_what_it_gets_alone(on_tensorflow: Runtime) -> None:
    pictures = [compose(seed, 256, 160).pixels for seed in range(4)]
    together = on_tensorflow.infer(pictures)
    for alpha, pixels in zip(together, pictures, strict=True):
        (alone,) = on_tensorflow.infer([pixels])
        assert np.abs(alpha.astype(int) - alone).max() <= 1  # of 255: what rounding makes of 1e-4


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_batch_of_any_size_is_answered_in_order(on_tensorflow: Runtime, count: int) -> None:
    pictures = [compose(seed, 160, 256).pixels for seed in range(count)]
    answers = on_tensorflow.infer(pictures)
    alone = [on_tensorflow.infer([pixels])[0] for pixels in pictures]
    assert len(answers) == count
    assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(answers, alone, strict=True))


def test_no_photo_pays_for_building_the_graph(on_tensorflow: TensorFlowRuntime) -> None:
    """200 photos of 40 sizes: the graph was built once, before the first of them."""
    random = np.random.default_rng(7)
    sizes = [tuple(random.integers(40, 900, 2)) for _ in range(40)]
    built = on_tensorflow.traces
    with Batcher(_Started(on_tensorflow), stand_in_bundle(), 4, 0) as batcher:
        for number in range(200):
            height, width = sizes[number % 40]
            batcher.matte(Photo(np.full((height, width, 3), number, np.uint8)))
    assert built == 1
    assert on_tensorflow.traces == 1


def test_a_value_that_is_no_number_fails_its_own_picture_only(on_tensorflow: TensorFlowRuntime) -> None:
    answers = [np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)]

    class _Odd:
        traces = 1

        def alphas(self, pictures: np.ndarray) -> Any:
            return np.stack(answers), [True, False]

    on_tensorflow._computation = _Odd()
    first, second = on_tensorflow.infer([np.zeros((4, 4, 3), np.uint8)] * 2)
    assert isinstance(first, np.ndarray)
    assert isinstance(second, MattingFailed)


def test_the_two_libraries_agree_on_a_network() -> None:
    pixels = compose(11, 256, 160).pixels
    found = []
    for settings in ON.values():
        runtime = make_runtime(stand_in_bundle(), settings)
        runtime.start()
        found += runtime.infer([pixels])
        runtime.close()
    assert np.abs(found[0].astype(int) - found[1]).max() <= 1


def test_a_damaged_bundle_is_not_run(tmp_path: Any) -> None:
    import shutil

    directory = tmp_path / "stand-in"
    shutil.copytree(stand_in_bundle().directory, directory)
    (directory / "batch.pb").write_bytes(b"other")
    runtime = make_runtime(Bundle(directory, stand_in_bundle().manifest), ON["tensorflow"])
    with pytest.raises(ConfigError, match="has sha256"):
        runtime.start()


def test_a_closed_runtime_says_so(on_tensorflow: Runtime) -> None:
    on_tensorflow.close()
    with pytest.raises(RuntimeBroken, match="closed"):
        on_tensorflow.infer([noise(64, 64)])


def test_large_machines_leave_cores_to_decoding() -> None:
    assert [threads_beside_decoding(cores) for cores in (1, 2, 8, 16, 64)] == [1, 2, 7, 14, 56]
