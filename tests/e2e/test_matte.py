"""`bshm-watchd matte` beside the real daemon: its resident model does the work, its files are never its clients'."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.program import Program, wait_until
from tests.support.photos import pixels_of
from tests.support.studio import cutout_of, png

pytestmark = pytest.mark.e2e


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


@pytest.fixture
def daemon(program: Program) -> Iterator[subprocess.Popen[bytes]]:
    with program.running() as process:
        yield process


def _matte(program: Program, *words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        program.command("matte", *words), capture_output=True, timeout=60, check=False, cwd=program.base, **options
    )


def _photos(program: Program, count: int, height: int = 60, width: int = 80) -> list[str]:
    shoot = program.base / "shoot"
    shoot.mkdir(exist_ok=True)
    for serial in range(count):
        (shoot / f"{serial}.png").write_bytes(png(serial, height, width))
    return [f"{serial}.png" for serial in range(count)]


def _descriptors(process: subprocess.Popen[bytes]) -> int:
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def test_a_directory_of_photos_is_made_by_the_daemon(program: Program, daemon: subprocess.Popen[bytes]) -> None:
    names = _photos(program, 30)
    _matte(program, "shoot", "-o", "first/")
    open_before = _descriptors(daemon)
    told = _matte(program, "shoot", "-o", "cut/", "--json")
    assert told.returncode == 0, told.stderr
    answer = json.loads(told.stdout)
    assert {one["through"] for one in answer["photos"]} == {"daemon"}
    for serial, name in enumerate(names):
        assert (pixels_of((program.base / "cut" / name).read_bytes()) == cutout_of(png(serial, 60, 80))).all()
    wait_until(lambda: _descriptors(daemon) <= open_before, 10, "the daemon holds nothing of it", daemon)
    assert program.status()["in_flight_bytes"] == 0
    assert program.status()["finished"] == 0  # they were no jobs


def test_the_daemon_makes_the_same_bytes_as_a_process_of_its_own(
    program: Program, daemon: subprocess.Popen[bytes]
) -> None:
    _photos(program, 1)
    content = (program.base / "shoot" / "0.png").read_bytes()
    by_daemon = _matte(program, "-", input=content)
    here = _matte(program, "shoot/0.png", "-o", "-", "--local")
    assert by_daemon.returncode == here.returncode == 0
    assert by_daemon.stderr == here.stderr == b""
    assert by_daemon.stdout == here.stdout


def test_photos_at_fault_are_told_with_a_sidecars_words_whoever_makes_them(
    program: Program, daemon: subprocess.Popen[bytes]
) -> None:
    (program.base / "text.jpg").write_bytes(b"this is no photo")
    (program.base / "half.png").write_bytes(png(1)[:-20])
    found = []
    for way in ((), ("--local",)):
        told = _matte(program, "text.jpg", "half.png", "-o", "cut/", "--json", *way)
        assert told.returncode == 1
        photos = sorted(json.loads(told.stdout)["photos"], key=lambda one: str(one["input"]))
        found.append([(one["reason"], one["message"], one["what_to_do"]) for one in photos])
    assert found[0] == found[1]
    assert [words[0] for words in found[0]] == ["incomplete", "not_a_photo"]


def test_hot_folders_go_on_beside_it(program: Program, daemon: subprocess.Popen[bytes]) -> None:
    for serial in range(40):
        (program.drop / f"{serial}.png").write_bytes(png(serial, 200, 300))
    _photos(program, 40, 200, 300)
    told = _matte(program, "shoot", "-o", "cut/")
    assert told.returncode == 0, told.stderr
    program.wait_done(40, 60, daemon)
    assert len(list((program.base / "cut").iterdir())) == 40


def test_a_command_that_is_interrupted_leaves_whole_results_only_and_frees_the_daemon(
    program: Program, daemon: subprocess.Popen[bytes]
) -> None:
    _photos(program, 60, 400, 600)
    cut = program.base / "cut"
    command = subprocess.Popen(program.command("matte", "shoot", "-o", "cut/"), cwd=program.base)
    wait_until(lambda: cut.is_dir() and len(list(cut.glob("*.png"))) > 2, 60, "some are made")
    command.send_signal(signal.SIGINT)
    assert command.wait(30) == 130
    names = [path.name for path in cut.iterdir()]
    assert 2 < len(names) < 60
    for name in names:
        assert (pixels_of((cut / name).read_bytes()) == cutout_of(png(int(Path(name).stem), 400, 600))).all()
    wait_until(lambda: program.status()["in_flight_bytes"] == 0, 10, "the daemon is free again", daemon)


def test_a_command_in_a_process_of_its_own_is_interrupted_as_well(program: Program) -> None:
    _photos(program, 60, 400, 600)
    cut = program.base / "cut"
    command = subprocess.Popen(program.command("matte", "shoot", "-o", "cut/", "--local"), cwd=program.base)
    wait_until(lambda: cut.is_dir() and len(list(cut.glob("*.png"))) > 2, 60, "some are made")
    command.send_signal(signal.SIGINT)
    assert command.wait(30) == 130
    assert all(path.suffix == ".png" and not path.name.startswith(".") for path in cut.iterdir())


def test_a_daemon_that_ends_meanwhile_is_told_and_nothing_hangs(program: Program) -> None:
    _photos(program, 60, 600, 800)
    cut = program.base / "cut"
    with program.running() as daemon:
        command = subprocess.Popen(
            program.command("matte", "shoot", "-o", "cut/"), cwd=program.base, stderr=subprocess.PIPE
        )
        wait_until(lambda: cut.is_dir() and len(list(cut.glob("*.png"))) > 2, 60, "some are made")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(20) == 0
        _, complaint = command.communicate(timeout=30)
    assert command.returncode == 75
    assert b"try again" in complaint
    assert all(not path.name.startswith(".") for path in cut.iterdir())


_HOSTILE = """
import os, random, socket, sys
for number in range(40):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(sys.argv[1])
        fds = [os.open(random.choice(["/dev/zero", "/", sys.argv[2]]), os.O_RDONLY) for _ in range(number % 5)]
        if fds:
            socket.send_fds(client, [b'{"verb": "matte"}' + b"\\n" * (number % 2)], fds)
        for fd in fds:
            os.close(fd)
        if number % 3:
            client.settimeout(5)
            try:
                client.shutdown(socket.SHUT_WR)
                client.recv(100)
            except OSError:
                pass
"""


def test_hostile_clients_cost_the_daemon_nothing(program: Program, daemon: subprocess.Popen[bytes]) -> None:
    _photos(program, 30)
    _matte(program, "shoot", "-o", "first/")
    before = _descriptors(daemon)
    arguments = [str(program.state_dir / "control.sock"), str(program.base / "shoot" / "0.png")]
    clients = [subprocess.Popen([sys.executable, "-c", _HOSTILE, *arguments]) for _ in range(4)]
    assert [client.wait(60) for client in clients] == [0] * 4
    wait_until(lambda: _descriptors(daemon) <= before, 40, "every descriptor is closed", daemon)
    assert _matte(program, "shoot/0.png", "-o", "cut.png").returncode == 0
