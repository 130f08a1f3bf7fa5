"""The daemon's model: its runtime is settled and made where it is started, and by nobody before."""

from __future__ import annotations

from pathlib import Path

import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.arithmetic import ArithmeticRuntime
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.resident import ResidentModel
from tests.support.bshm_bundle import bshm_bundle
from tests.support.callers import photo
from tests.support.runtimes import arithmetic_bundle

ON_CPU = ModelSettings(device="cpu")


def test_nothing_is_settled_before_it_is_started(tmp_path: Path) -> None:
    model = ResidentModel(bshm_bundle(tmp_path), ON_CPU, tmp_path, 4)
    model.close()
    assert model.settings.runtime == "auto"
    assert "not started" in repr(model)


def test_the_fastest_runtime_is_settled_by_its_start(tmp_path: Path) -> None:
    speeds = {"openvino": 1.0, "tensorflow": 2.0}
    model = ResidentModel(bshm_bundle(tmp_path), ON_CPU, tmp_path, 4, lambda _, settings, __: speeds[settings.runtime])
    with pytest.raises(ConfigError, match="net"):  # the bundle's network is not there
        model.start()
    model.close()
    assert model.settings.runtime == "tensorflow"


def test_the_batcher_serves_as_many_lanes_as_the_runtime_that_was_made(tmp_path: Path) -> None:
    bundle = arithmetic_bundle()
    model = ResidentModel(bundle, ON_CPU, tmp_path, 4)
    with Batcher(model, bundle, 4, 0) as batcher:
        alpha = batcher.matte(photo(7))
    assert alpha.max() == 7
    assert f"{model.streams} lanes" in repr(batcher)
    assert ArithmeticRuntime.__name__ in repr(model)
