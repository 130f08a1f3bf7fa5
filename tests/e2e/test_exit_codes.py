"""What each command ends with, from the real program. 0, 1, 2 and 130 are in test_once.py, 3 is in test_operate.py."""

from __future__ import annotations

import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.support.studio import png

pytestmark = [pytest.mark.e2e, pytest.mark.contract("O7")]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path, settle_seconds=0.5, settle_max_seconds=3)


def _ended(program: Program, *words: str) -> tuple[int, str]:
    told = subprocess.run(program.command(*words), capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in told.stderr
    return told.returncode, told.stdout + told.stderr


def test_64_for_a_command_that_is_not_one(program: Program) -> None:
    assert _ended(program, "once", "--twice")[0] == 64
    assert _ended(program, "frobnicate")[0] == 64
    assert _ended(program, "once", "--wait", "soon")[0] == 64


def test_70_when_what_answers_is_not_the_daemon(program: Program) -> None:
    """Nobody can wait for that to mend itself. That a broken model ends the daemon so is in test_daemon.py."""
    program.state_dir.mkdir()
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(1) as pool:
        listener.bind(str(program.state_dir / "control.sock"))
        listener.listen()
        answered = pool.submit(_answer_nonsense, listener)
        code, told = _ended(program, "status")
        answered.result(20)
    assert code == 70
    assert "of the same version" in told


def _answer_nonsense(listener: socket.socket) -> None:
    client, _ = listener.accept()
    with client:
        client.recv(1 << 16)
        client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_75_when_a_file_is_still_growing_which_is_left_alone(program: Program) -> None:
    """`--wait` says for how long; all else is done meanwhile."""
    (program.drop / "good.png").write_bytes(png(1))
    content, stop = png(2, 400, 600), threading.Event()

    def grow() -> None:
        with (program.drop / "growing.png").open("wb", buffering=0) as file:
            while not stop.wait(0.05):
                file.write(content[:100])

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        code, _ = _ended(program, "once", "--wait", "2")
    finally:
        stop.set()
        writer.join()
    assert code == 75
    assert program.names("drop") == ["growing.png"]
    assert program.done() == ["good.png"]
    assert [path for path in program.names("rejected") if "growing" in path] == []
    (program.drop / "growing.png").write_bytes(content)
    assert _ended(program, "once")[0] == 0
    assert program.done() == ["good.png", "growing.png"]


def test_78_for_a_configuration_that_is_wrong(program: Program) -> None:
    text = program.config.read_text()
    program.config.write_text(text.replace("settle_max_seconds", "setle_max_seconds"))
    for verb in ("run", "once", "check"):
        code, told = _ended(program, verb)
        assert code == 78, verb
        assert "settle_max_seconds" in told, verb
    program.config.unlink()
    assert _ended(program, "run")[0] == 78
