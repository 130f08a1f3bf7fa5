"""What `check` and `doctor` tell of the model without loading it: the remembered runtime, and when it last passed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bshm_watchd.cli.findings import Finding
from bshm_watchd.cli.model_findings import remembered
from bshm_watchd.config import ModelSettings
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.bundle import Bundle
from bshm_watchd.matting.circumstances import circumstances, computed_as
from bshm_watchd.matting.measured_runtime import settled_runtime
from bshm_watchd.matting.runtimes import make_runtime
from bshm_watchd.matting.verified import verify_on_change
from tests.support.asked import configured, typed
from tests.support.bshm_bundle import bshm_bundle
from tests.support.clock import FakeClock
from tests.support.golden import golden_bundle
from tests.support.runtimes import arithmetic_bundle

ON_CPU = ModelSettings(device="cpu")


def passed(bundle: Bundle, state_dir: Path, **changed: str) -> None:
    computed = computed_as(bundle, ON_CPU)
    with Batcher(make_runtime(bundle, ON_CPU), bundle, 1, 0) as batcher:
        verify_on_change(batcher, computed, circumstances(computed) | changed, state_dir, FakeClock())


def golden(bundle: Bundle, state_dir: Path, settings: ModelSettings = ON_CPU) -> Finding:
    (found,) = (one for one in remembered(bundle, settings, state_dir) if one.subject == "golden pictures")
    return found


def test_a_bundle_that_never_started_here_was_not_looked_at(tmp_path: Path) -> None:
    assert "not looked at here yet" in golden(golden_bundle(tmp_path), tmp_path).message


def test_a_bundle_that_passed_is_told_with_when_and_how(tmp_path: Path) -> None:
    bundle = golden_bundle(tmp_path)
    passed(bundle, tmp_path)
    found = golden(bundle, tmp_path)
    assert found.level == "ok"
    assert "(arithmetic, f32, cpu): golden.png: alpha differs by 0.00000" in found.message


def test_what_changed_since_it_passed_is_told_before_the_next_start_finds_it(tmp_path: Path) -> None:
    bundle = golden_bundle(tmp_path)
    passed(bundle, tmp_path, numpy="1.0.0")
    found = golden(bundle, tmp_path)
    assert found.level == "note"
    assert "changed since then: numpy 1.0.0 -> " in found.message


def test_a_bundle_without_golden_pictures_is_a_note(tmp_path: Path) -> None:
    assert golden(arithmetic_bundle(), tmp_path).level == "note"


def test_checks_that_are_switched_off_are_a_note(tmp_path: Path) -> None:
    found = golden(golden_bundle(tmp_path), tmp_path, ModelSettings(verify_on_change=False))
    assert found.level == "note"
    assert "model.verify_on_change is false" in found.message


def test_the_remembered_runtime_is_told_with_its_figures(tmp_path: Path) -> None:
    bundle = bshm_bundle(tmp_path)
    assert "runtime" not in {one.subject for one in remembered(bundle, ON_CPU, tmp_path)}
    settled_runtime(bundle, ON_CPU, tmp_path, try_out=lambda *_: 2.5)
    (told,) = (one.message for one in remembered(bundle, ModelSettings(), tmp_path) if one.subject == "runtime")
    assert told == ("auto means openvino on the CPU; measured once: openvino 2.5 pictures/s, tensorflow 2.5 pictures/s")


@pytest.mark.parametrize("verb", ["check", "doctor"])
def test_commands_tell_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    studio = configured(tmp_path, monkeypatch)
    bundle = golden_bundle(tmp_path)
    studio.config.write_text(studio.config.read_text().replace("arithmetic", str(bundle.directory)))
    passed(bundle, studio.state_dir)
    found = json.loads(typed(verb, "--json").out)["findings"]
    assert [one["level"] for one in found if one["subject"] == "golden pictures"] == ["ok"]
