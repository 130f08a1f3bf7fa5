"""The device in what people and scripts are told: status, check, doctor, the log, exit codes."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from bshm_watchd.cli import gpu_findings
from bshm_watchd.config import ModelSettings
from bshm_watchd.matting.devices.choice import Device
from bshm_watchd.matting.devices.evidence import Evidence
from bshm_watchd.matting.devices.lock import only_model
from bshm_watchd.matting.devices.opening import tell
from tests.support.asked import Configured, configured, typed
from tests.support.gpus import CUDNN, DRIVER, NAME, NO_GPU, a_gpu, evidence, looking, unseen
from tests.support.runtimes import arithmetic_bundle


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configured:
    studio = configured(tmp_path, monkeypatch)
    assert typed("model", "fetch", "arithmetic").code == 0
    studio.config.write_text(studio.config.read_text().replace("arithmetic}", "arithmetic, device: gpu}"))
    return studio


@pytest.mark.contract("G1", "O7")
@pytest.mark.parametrize("command", ["run", "once"])
def test_a_start_without_the_gpu_that_is_wanted_ends_with_78(studio: Configured, command: str) -> None:
    told = typed(command)
    assert told.code == 78
    assert "model.device: gpu, but the bundle arithmetic computes on the CPU only" in told.err


@pytest.mark.contract("G1")
def test_a_photo_is_not_made_on_the_cpu_where_a_gpu_is_wanted(studio: Configured, tmp_path: Path) -> None:
    photo = tmp_path / "a.png"
    photo.write_bytes(b"any")
    told = typed("matte", str(photo), "-o", str(tmp_path / "out.png"), "--local")
    assert (told.code, (tmp_path / "out.png").exists()) == (78, False)
    assert "model.device: gpu" in told.err


@pytest.mark.contract("G1")
@pytest.mark.parametrize("command", [("check",), ("doctor",)])
def test_check_and_doctor_find_that_a_start_would_fail(studio: Configured, command: tuple[str, ...]) -> None:
    told = typed(*command)
    assert told.code == 78
    assert "computes on the CPU only" in " ".join(told.out.split())


def test_verifying_tells_why_it_did_not_load(studio: Configured) -> None:
    studio.config.write_text(studio.config.read_text().replace("device: gpu", "device: cpu"))
    assert "loaded and warmed up on the CPU" in " ".join(typed("model", "verify").out.split())
    studio.config.write_text(studio.config.read_text().replace("device: cpu", "device: gpu"))
    told = typed("model", "verify")
    assert (told.code, "computes on the CPU only" in " ".join(told.out.split())) == (1, True)


def _device_found(found: Evidence, **settings: str) -> tuple[str, str]:
    model = ModelSettings.model_validate({"bundle": "arithmetic", **settings})
    (finding,) = gpu_findings.device(arithmetic_bundle(), model, looking(found), lambda *_: True)
    return finding.level, finding.message


@pytest.mark.contract("G1")
def test_a_fall_to_the_cpu_is_a_note_with_its_reason() -> None:
    level, message = _device_found(unseen(driver_library=None))
    assert level == "note"
    assert message.startswith("arithmetic on the CPU (no network), not on a GPU: the driver's library libcuda.so.1")


def test_where_no_gpu_is_nothing_is_wrong() -> None:
    level, message = _device_found(NO_GPU)
    assert (level, "none was found" in message) == ("ok", True)


@pytest.mark.contract("G1")
def test_a_gpu_that_is_wanted_and_can_not_be_had_is_a_problem() -> None:
    assert _device_found(unseen(visible=""), device="gpu")[0] == "problem"


def _found(found: Evidence) -> dict[str, tuple[str, str]]:
    return {one.subject: (one.level, one.message) for one in gpu_findings.gpus(found)}


def test_doctor_tells_a_whole_gpu_with_its_driver_and_libraries() -> None:
    told = _found(evidence())
    assert told["gpu"] == ("ok", f"/dev/nvidia0: {NAME} (root:video 0660), free")
    assert told["gpu driver"] == (
        "ok",
        f"{DRIVER}, libcuda.so.1 {DRIVER}; TensorFlow 2.21.0 (CUDA 12.5.1) takes 525.60.13 or newer",
    )
    assert told["gpu libcudnn.so.9"] == ("ok", "9.5.1.17; TensorFlow wants 9.3.0.75")
    assert told["gpu of TensorFlow"] == ("ok", NAME)
    assert {level for level, _ in told.values()} == {"ok"}


def test_doctor_tells_what_was_looked_for_where_there_is_nothing() -> None:
    assert _found(NO_GPU) == {"gpu": ("ok", "looked for /dev/nvidia0 and the like and for a driver, found none")}


def test_doctor_notes_each_thing_that_is_missing() -> None:
    old = replace(CUDNN, version="8.9.7")
    gone = replace(CUDNN, name="libcublas.so.12", package="nvidia-cublas-cu12", version=None, found=False)
    quiet = replace(CUDNN, name="libcufft.so.11", version=None)
    told = _found(unseen(driver=None, libraries=(old, gone, quiet), gpus=(a_gpu(), a_gpu(1, node=None))))
    assert told["gpu driver"][0] == "note"
    assert told["gpu libcudnn.so.9"] == ("note", "8.9.7; TensorFlow wants 9.3.0.75")
    assert told["gpu libcublas.so.12"] == ("note", "missing; TensorFlow wants 9.3.0.75 (nvidia-cublas-cu12)")
    assert told["gpu libcufft.so.11"][0] == "ok"
    assert told["gpu CUDA library"][0] == "note"
    assert "without /dev/nvidia1" in told["gpu"][1]


@pytest.mark.contract("G2")
def test_doctor_tells_who_holds_the_gpu_and_takes_nothing(tmp_path: Path) -> None:
    node = tmp_path / "nvidia0"
    node.touch()
    found = evidence(gpus=(a_gpu(0, str(node)),))
    assert _found(found)["gpu"][1].endswith(", free")
    with only_model(str(node)):
        assert "held by process " in _found(found)["gpu"][1]
        assert "held by process " in _found(found)["gpu"][1]  # asking did not let go of it


def test_a_gpu_beside_a_bundle_that_knows_none_is_noted() -> None:
    (finding,) = gpu_findings.unused(evidence(), arithmetic_bundle(), ModelSettings())
    assert (finding.level, "computes on the CPU only, whatever GPU is there" in finding.message) == ("note", True)
    assert list(gpu_findings.unused(NO_GPU, arithmetic_bundle(), ModelSettings())) == []


@pytest.mark.contract("G1")
def test_a_fall_to_the_cpu_is_a_warning_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="bshm_watchd"):
        tell(Device(fell_back="no driver"))
        tell(Device(remark="none was found"))
        tell(Device(a_gpu()))
    assert [(record.levelname, record.fields) for record in caplog.records] == [  # type: ignore[attr-defined]
        ("WARNING", {"why": "no driver"}),
        ("INFO", {"why": "none was found"}),
    ]
