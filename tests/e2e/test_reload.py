"""A running daemon takes over its changed configuration, from the shell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.program import Program, wait_until
from tests.support.contracts import Evidence
from tests.support.studio import png

pytestmark = [pytest.mark.e2e, pytest.mark.contract("O4")]


def _reload(program: Program, *words: str) -> subprocess.CompletedProcess[str]:
    command = program.command("reload", *words)
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def _write(program: Program, change: Any) -> None:
    content = yaml.safe_load(program.config.read_text())
    change(content)
    program.config.write_text(yaml.safe_dump(content))


def _add(program: Program, name: str) -> None:
    _write(program, lambda c: c["hot_folders"].append({"name": name, "path": str(program.base / name)}))


def _names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.rglob("*") if path.is_file())


@pytest.mark.contract("I8")
def test_folders_are_added_changed_and_removed_under_load(tmp_path: Path, evidence: Evidence) -> None:
    """Photos come all the while, and each has the outputs of the time when it was claimed, and all of them."""
    program = Program(tmp_path)
    (tmp_path / "weddings" / "drop").mkdir(parents=True)
    with program.running() as process:
        for serial in range(20):
            (program.drop / f"{serial}.png").write_bytes(png(serial, 300, 400))
        program.wait_done(5, 60, process)
        outputs = [{"kind": kind, "path": f"{kind}/{{stem}}.png"} for kind in ("cutout", "matte")]
        _write(program, lambda content: content["hot_folders"][0].update(outputs=outputs))
        _add(program, "weddings")
        told = _reload(program)
        assert (told.returncode, told.stdout) == (
            0, "portraits: outputs changed; weddings: added; nothing else\n",
        ), told.stderr  # fmt: skip
        (tmp_path / "weddings" / "drop" / "a.png").write_bytes(png(100))
        for serial in range(20, 30):
            (program.drop / f"{serial}.png").write_bytes(png(serial, 300, 400))
        program.wait_done(30, 120, process)
        wait_until(lambda: _names(tmp_path / "weddings" / "done") == ["a.png"], 60, "the other's is done", process)
        before, after = _names(program.hot / "results"), _names(program.hot / "cutout")
        assert sorted(before + after) == sorted(f"{serial}.png" for serial in range(30))
        assert len(before) >= 5
        assert len(after) >= 10
        assert _names(program.hot / "matte") == after
        _write(program, lambda content: content["hot_folders"].pop(0))
        assert json.loads(_reload(program, "--json").stdout)["changes"] == "portraits: removed; nothing else"
        (program.drop / "late.png").write_bytes(png(101))
        (tmp_path / "weddings" / "drop" / "b.png").write_bytes(png(102))
        wait_until(lambda: len(_names(tmp_path / "weddings" / "done")) == 2, 60, "it goes on", process)
        assert _names(program.drop) == ["late.png"]
        assert not (program.hot / ".bshm" / "owner").exists()
    evidence(reloads=2, photos_dropped=33, files_checked=42)


def test_sighup_reloads_and_a_wrong_file_is_refused_by_it_and_by_the_command(
    tmp_path: Path, evidence: Evidence
) -> None:
    program = Program(tmp_path)
    assert _reload(program).returncode == 3
    with program.running() as process:
        right = program.config.read_text()
        program.config.write_text(right.replace("min_free_mib", "min_fre_mib") + "modell: {}\n")
        os.kill(process.pid, signal.SIGHUP)
        wait_until(lambda: program.status()["configuration"]["refused"], 30, "it was refused", process)
        told = _reload(program)
        assert told.returncode == 78
        assert "limits.min_fre_mib: unknown key; did you mean min_free_mib?" in told.stderr
        assert "modell: unknown key; did you mean model?" in told.stderr
        program.config.write_text(right.replace("hot_folders:", "hot_folders: ]"))
        assert _reload(program).returncode == 78
        status = subprocess.run(program.command("status"), capture_output=True, text=True, timeout=60, check=False)
        assert "so that the configuration before stays in force" in status.stdout
        program.config.write_text(right)
        _write(program, lambda content: content["hot_folders"][0].update(weight=2))
        os.kill(process.pid, signal.SIGHUP)
        wait_until(lambda: not program.status()["configuration"]["refused"], 30, "it was taken over", process)
        (program.drop / "a.png").write_bytes(png(1))
        program.wait_done(1, 60, process)
    log = program.log.read_text()
    assert log.count("the changed configuration is refused") == 5  # a line a problem
    assert "reloaded" in log
    assert "portraits: weight changed; nothing else" in log
    evidence(reloads=3, refused=2)
