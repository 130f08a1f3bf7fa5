"""What an operator does with a running daemon, from the shell."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.program import Program, wait_until
from tests.support.studio import png

pytestmark = pytest.mark.e2e


def _shell(program: Program, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(program.command(*words), capture_output=True, text=True, timeout=60, check=False)


def test_sigterm_in_the_middle_of_a_load_leaves_nothing_half_done(tmp_path: Path) -> None:
    program = Program(tmp_path)
    for serial in range(300):
        (program.drop / f"{serial}.png").write_bytes(png(serial, 300, 400))
    with program.started("run") as process:
        wait_until(lambda: len(program.names("done")) > 5, 60, "some are done", process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    done = len(program.names("done"))
    assert 5 < done < 300
    assert len(program.names("results")) == done
    claimed = [name for name in program.names(".bshm/work") if not name.endswith("job.json")]
    assert len(program.names("drop")) + len(claimed) == 300 - done


def test_a_rejected_photo_is_explained_and_can_be_tried_again(tmp_path: Path) -> None:
    program = Program(tmp_path)
    (program.drop / "text.jpg").write_bytes(b"this is no photo")
    with program.running() as process:
        wait_until(lambda: program.folder()["rejected"] == 1, 30, "it is rejected", process)
        listed = json.loads(_shell(program, "jobs", "list", "--rejected", "--json").stdout)["jobs"]
        assert [(job["name"], job["reason"]) for job in listed] == [("text.jpg", "not_a_photo")]
        (program.hot / "rejected" / "text.jpg").write_bytes(png(1))
        requeued = _shell(program, "jobs", "requeue", listed[0]["id"])
        assert requeued.returncode == 0, requeued.stderr
        wait_until(lambda: program.folder()["done"] == 1, 30, "it is done", process)
    assert program.names("rejected") == []
    assert program.names("results") == ["text.png"]


def test_a_folder_that_vanishes_is_unreachable_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    program = Program(tmp_path)
    with program.running() as process:
        away = tmp_path / "away"
        program.hot.rename(away)
        program.hot.mkdir()
        wait_until(lambda: program.folder()["state"] == "unreachable", 30, "it is unreachable", process)
        assert list(program.hot.iterdir()) == [], "something was made where the folder is not"
        (away / "drop" / "late.png").write_bytes(png(2))
        program.hot.rmdir()
        away.rename(program.hot)
        wait_until(lambda: program.done() == ["late.png"], 90, "what came meanwhile is done", process)


@pytest.mark.contract("O7")
def test_status_and_its_exit_code_tell_whether_it_runs(tmp_path: Path) -> None:
    program = Program(tmp_path)
    assert _shell(program, "status").returncode == 3
    with program.running():
        told = _shell(program, "status", "--json")
        assert told.returncode == 0
        assert json.loads(told.stdout)["ready"] is True
