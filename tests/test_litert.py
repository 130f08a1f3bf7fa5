"""The runtime of the small networks: numbers, and what it says about files and settings it cannot take."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError, RuntimeBroken
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.bundle import Bundle, read_bundle, sha256_of
from bshm_watchd.matting.golden import read_picture
from bshm_watchd.matting.litert_runtime import LiteRtRuntime
from bshm_watchd.matting.manifest import TfliteModel
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.runtimes import make_runtime
from tests.support.runtimes import selfie_bundle


def with_model(**changes: Any) -> Bundle:
    """The bundle selfie with other values in its `model` (input.tensor is `input_tensor`)."""
    bundle = selfie_bundle()
    assert isinstance(bundle.manifest.model, TfliteModel)
    if name := changes.pop("input_tensor", None):
        changes["input"] = bundle.manifest.model.input.model_copy(update={"tensor": name})
    model = bundle.manifest.model.model_copy(update=changes)
    return Bundle(bundle.directory, bundle.manifest.model_copy(update={"model": model}))


def start_problem(bundle: Bundle) -> str:
    with pytest.raises(ConfigError) as caught:
        make_runtime(bundle, ModelSettings()).start()
    return caught.value.problems[0]


def test_the_person_of_a_portrait_is_found() -> None:
    bundle = selfie_bundle()
    golden = bundle.manifest.golden[0]
    with Batcher(make_runtime(bundle, ModelSettings()), bundle, max_size=1, max_wait_seconds=0) as batcher:
        alpha = batcher.matte(read_picture(bundle.path(golden.picture)))
    assert alpha[60:100, 150:190].min() > 250  # the face
    assert alpha[:150, 240:300].max() < 5  # the wall behind it


def test_nobody_in_the_picture_is_nobody_in_the_alpha() -> None:
    bundle = selfie_bundle()
    with Batcher(make_runtime(bundle, ModelSettings()), bundle, max_size=1, max_wait_seconds=0) as batcher:
        assert batcher.matte(Photo(np.zeros((50, 80, 3), np.uint8))).max() == 0


def test_a_damaged_file_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(selfie_bundle().directory, tmp_path / "selfie"))
    (copy / "selfie_segmentation.tflite").write_bytes(b"")
    with pytest.raises(ConfigError, match="fetch it anew: bshm-watchd model fetch selfie"):
        make_runtime(read_bundle(copy), ModelSettings()).start()


def test_a_file_that_is_no_such_model_is_a_problem_of_the_configuration(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(selfie_bundle().directory, tmp_path / "selfie"))
    file = copy / "selfie_segmentation.tflite"
    before = sha256_of(file)
    file.write_bytes(b"no network at all" * 100)
    manifest = copy / "bundle.yaml"
    manifest.write_text(manifest.read_text().replace(before, sha256_of(file)))
    problem = start_problem(read_bundle(copy))
    assert problem.startswith(f"{file}: LiteRT cannot load it: ")


def test_a_manifest_that_does_not_describe_the_file_is_told_what_the_file_has() -> None:
    assert "('input_1', (1, 256, 256, 3)" in start_problem(with_model(input_tensor="x"))
    smaller = selfie_bundle().manifest.working_size.model_copy(update={"height": 128})
    wrong = selfie_bundle().manifest.model_copy(update={"working_size": smaller})
    assert "of shape (1, 128, 256, 3)" in start_problem(Bundle(selfie_bundle().directory, wrong))


def test_a_call_that_the_interpreter_refuses_breaks_the_runtime() -> None:
    runtime = make_runtime(selfie_bundle(), ModelSettings())
    runtime.start()
    with pytest.raises(RuntimeBroken, match=r"LiteRT cannot run selfie_segmentation\.tflite: .*Dimension mismatch"):
        runtime.infer([np.zeros((9, 9, 3), np.uint8)])
    runtime.close()


def test_every_stream_has_an_interpreter_of_its_own() -> None:
    bundle = selfie_bundle()
    assert isinstance(bundle.manifest.model, TfliteModel)
    assert repr(LiteRtRuntime(bundle, bundle.manifest.model, cores=8)) == (
        "<LiteRtRuntime selfie_segmentation.tflite f32 4 streams>"
    )
