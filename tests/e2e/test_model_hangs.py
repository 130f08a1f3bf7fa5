"""A model that does not answer any more, in the real program: it ends, and a restart finishes what was in work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from bshm_watchd.matting.bundle import catalogue
from tests.e2e.program import Program
from tests.support.studio import png

pytestmark = [pytest.mark.e2e, pytest.mark.contract("D5", "O7")]

_PHOTOS = 5
# One attempt: a photo that lost it would be failed after the restart.
_LIMITS = {"infer_seconds": 2, "max_attempts": 1}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    program = Program(tmp_path, limits=_LIMITS, settle_seconds=0.3)
    for number in range(_PHOTOS):
        (program.drop / f"{number}.png").write_bytes(png(number))
    return program


def _hanging_bundle(base: Path) -> Path:
    """No model, in two streams; each batch takes hours."""
    manifest = yaml.safe_load((catalogue()["arithmetic"].directory / "bundle.yaml").read_text())
    manifest["model"] |= {"streams": 2, "delay_seconds_per_batch": 36_000}
    bundle = base / "hangs"
    bundle.mkdir()
    (bundle / "bundle.yaml").write_text(yaml.safe_dump(manifest))
    return bundle


def _expect_broken(program: Program, command: Sequence[str]) -> str:
    """It ends by itself with 70, and all photos are in work, with nothing published."""
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 70, ended.stderr
    assert "within 2 seconds (limits.infer_seconds)" in ended.stderr
    assert program.names("results") == []
    in_work = [name for name in program.names(".bshm/work") if name.endswith(".png")]
    assert len(in_work) + len(program.names("drop")) == _PHOTOS
    assert len(in_work) > 1
    return ended.stderr


def _expect_all_finished(program: Program) -> None:
    finished = program.once()
    assert finished.returncode == 0, finished.stderr
    assert program.done() == [f"{number}.png" for number in range(_PHOTOS)]
    assert len(program.names("results")) == _PHOTOS


def test_a_batch_without_an_answer_ends_the_program_and_in_company_costs_no_photo_an_attempt(
    program: Program, tmp_path: Path
) -> None:
    Program(tmp_path, bundle=str(_hanging_bundle(tmp_path)), limits=_LIMITS, settle_seconds=0.3)  # its configuration
    _expect_broken(program, program.command("run"))
    Program(tmp_path, limits=_LIMITS)
    _expect_all_finished(program)


def test_a_call_that_hangs_outside_of_python_keeps_no_process_from_ending(program: Program) -> None:
    command = program.command("run")
    module = command.index("bshm_watchd.cli.main")
    _expect_broken(program, [sys.executable, "-m", "tests.support.hanging", *command[module + 1 :]])
    _expect_all_finished(program)
