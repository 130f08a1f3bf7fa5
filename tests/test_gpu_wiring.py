"""The daemon and single photos on a machine whose GPU is simulated: the device is opened before anything else is."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.config import BatchSettings, Limits, ModelSettings, Settings, load
from bshm_watchd.ending import Once
from bshm_watchd.errors import ConfigError, InstanceRunning
from bshm_watchd.in_process import open_in_process
from bshm_watchd.matting.bundle import catalogue
from bshm_watchd.matting.devices.lock import holder, only_model
from bshm_watchd.matting.devices.opening import Opening
from bshm_watchd.wiring import open_daemon
from tests.support.asked import configured, typed
from tests.support.gpus import a_gpu, another_process, evidence, opening_on, unseen

Open = Callable[[Opening], AbstractContextManager[Any]]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    studio = configured(tmp_path, monkeypatch)
    assert typed("model", "fetch", "arithmetic").code == 0
    return load(studio.config)


@pytest.fixture(params=["the daemon", "single photos"])
def opened(request: pytest.FixtureRequest, settings: Settings) -> Open:
    def daemon(opening: Opening) -> AbstractContextManager[Any]:
        return open_daemon(settings, Once(0), opening=opening)

    def photos(opening: Opening) -> AbstractContextManager[Any]:
        model = ModelSettings(bundle=str(catalogue()["arithmetic"].directory))
        return open_in_process(model, BatchSettings(), Limits(), settings.state_dir, opening)

    return daemon if request.param == "the daemon" else photos


@pytest.fixture
def node(tmp_path: Path) -> str:
    path = tmp_path / "nvidia0"
    path.touch()
    return str(path)


@pytest.mark.contract("G2")
def test_nothing_starts_beside_another_process_that_has_the_gpu(opened: Open, node: str) -> None:
    with another_process(node) as pid, pytest.raises(InstanceRunning, match=str(pid)):
        opened(opening_on(evidence(gpus=(a_gpu(0, node),)))).__enter__()


@pytest.mark.contract("G1", "G2")
def test_a_runtime_that_knows_no_gpu_never_gets_one_and_the_gpu_is_given_back(opened: Open, node: str) -> None:
    with pytest.raises(ConfigError, match="on a GPU"):
        opened(opening_on(evidence(gpus=(a_gpu(0, node),)))).__enter__()
    assert holder(node) is None


@pytest.mark.contract("G1")
def test_the_daemon_warns_of_a_fall_to_the_cpu(settings: Settings, node: str, caplog: pytest.LogCaptureFixture) -> None:
    fallen = opening_on(unseen(gpus=(a_gpu(0, node),), driver_library=None))
    with caplog.at_level("INFO", logger="bshm_watchd"), open_daemon(settings, Once(0), opening=fallen) as daemon:
        assert daemon.run(lambda _: None) == 0
    warned = [record.fields for record in caplog.records if "not on a GPU" in record.getMessage()]  # type: ignore[attr-defined]
    assert ["libcuda.so.1" in fields["why"] for fields in warned] == [True]


@pytest.mark.contract("G1")
def test_single_photos_know_of_a_fall_to_the_cpu(settings: Settings, node: str) -> None:
    model = ModelSettings(bundle=str(catalogue()["arithmetic"].directory))
    fallen = opening_on(unseen(gpus=(a_gpu(0, node),), driver_library=None))
    with open_in_process(model, BatchSettings(), Limits(), settings.state_dir, fallen) as here:
        assert here.fell_back is not None
        with only_model(node):  # the GPU is nobody's
            pass
