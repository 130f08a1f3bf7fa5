"""The real program after an upgrade: it starts only with a model that still gives what it must."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bshm_watchd.bench.drawn import save, scene
from tests.e2e.program import Program
from tests.support.golden import MATTE, SIDE, golden_bundle, rewritten

pytestmark = pytest.mark.e2e


def pretend_another_openvino(program: Program) -> None:
    """As if the last pass had been with another version."""
    file = program.state_dir / "cache" / "verified.json"
    entries = json.loads(file.read_text())
    for entry in entries.values():
        entry["circumstances"]["openvino"] = "2024.0.0"
    file.write_text(json.dumps(entries))


def test_an_upgrade_is_checked_before_any_photo_and_a_spoiled_model_does_not_start(tmp_path: Path) -> None:
    bundle = golden_bundle(tmp_path)
    program = Program(tmp_path, bundle=str(bundle.directory))
    first = program.once("--wait", "0")
    assert first.returncode == 0, first.stderr

    pretend_another_openvino(program)
    save(bundle.path(MATTE), scene(1, SIDE, SIDE)[:, :, 0])
    rewritten(bundle.directory)
    save(program.drop / "a.png", scene(2, 64, 64))
    refused = program.once("--wait", "0")
    assert refused.returncode == 78
    assert "since then: " in refused.stderr
    assert "openvino 2024.0.0 -> " in refused.stderr
    assert "bundle.yaml " in refused.stderr
    assert program.names("drop") == ["a.png"]

    program.config.write_text(program.config.read_text().replace("model:\n", "model:\n  verify_on_change: false\n"))
    accepted = program.once("--wait", "0")
    assert accepted.returncode == 0, accepted.stderr
    assert program.names("results") == ["a.png"]


def test_an_upgrade_that_changes_nothing_is_one_line_in_the_log(tmp_path: Path) -> None:
    program = Program(tmp_path, bundle=str(golden_bundle(tmp_path).directory))
    with program.running():
        pass
    pretend_another_openvino(program)
    with program.running():
        pass
    with program.running():
        pass
    lines = [line for line in program.log.read_text().splitlines() if "golden pictures are as they must be" in line]
    assert len(lines) == 2
    assert "openvino 2024.0.0 -> " in lines[1]
