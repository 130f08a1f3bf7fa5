"""The CPU runtime: precision, numbers, and what it says about damaged bundles."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.bundle import Bundle, read_bundle
from bshm_watchd.matting.golden import read_picture
from bshm_watchd.matting.runtime import streams_for
from bshm_watchd.matting.runtimes import make_runtime
from tests.support.runtimes import u2netp_bundle


def golden_difference(bundle: Bundle, precision: str) -> float:
    golden = bundle.manifest.golden[0]
    settings = ModelSettings.model_validate({"precision": precision})
    with Batcher(make_runtime(bundle, settings), bundle, max_size=1, max_wait_seconds=0) as batcher:
        alpha = batcher.matte(read_picture(bundle.path(golden.picture)))
    expected = read_picture(bundle.path(golden.matte)).pixels[:, :, 0]
    return float(np.abs(alpha.astype(int) - expected).mean() / 255)


def test_left_to_itself_it_computes_in_f32() -> None:
    assert golden_difference(u2netp_bundle(), "auto") < 0.002


def test_bf16_is_had_by_name_only_and_stays_near() -> None:
    try:
        difference = golden_difference(u2netp_bundle(), "bf16")
    except ConfigError as error:
        pytest.skip(str(error))
    assert 0.002 < difference < 0.03


@pytest.mark.parametrize(("cores", "streams"), [(1, 1), (2, 2), (3, 2), (4, 2), (8, 4), (16, 8)])
def test_streams_grow_with_the_cores(cores: int, streams: int) -> None:
    assert streams_for(cores) == streams


def test_a_damaged_model_file_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    copy = tmp_path / "u2netp"
    shutil.copytree(u2netp_bundle().directory, copy)
    with (copy / "u2netp.onnx").open("r+b") as file:
        file.write(b"xx")
    bundle = read_bundle(copy)
    with pytest.raises(ConfigError, match="model fetch u2netp"):
        make_runtime(bundle, ModelSettings()).start()


def test_loading_the_library_tells_nobody() -> None:
    """In a process of its own: whoever imports it first decides whether it may use the network."""
    code = """
import sys
from bshm_watchd.matting.quiet_openvino import openvino
openvino().Core()
print(sorted(name for name, module in sys.modules.items() if name.startswith("openvino_telemetry") and module))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
