"""One hot folder on a share that hangs, vanishes and comes back; the other folder must not notice."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.program import Program, processor_seconds, wait_until
from tests.support.contracts import Evidence
from tests.support.mounts import PassThrough
from tests.support.studio import png

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_QUICK = {"settle_seconds": 0.3, "rescan_seconds": 1}


class TwoFolders(Program):
    """`portraits` on the local disk, `weddings` on a share."""

    def __init__(self, base: Path) -> None:
        super().__init__(base, **_QUICK)
        self.share = PassThrough(base / "below", base / "weddings")
        content = yaml.safe_load(self.config.read_text())
        content["hot_folders"].append({"name": "weddings", "path": str(self.share.at), "review": False, **_QUICK})
        self.config.write_text(yaml.safe_dump(content))

    def of(self, name: str) -> dict[str, Any]:
        return next(folder for folder in self.status()["folders"] if folder["name"] == name)

    def drop_below(self, *names: str) -> None:
        """By somebody on the server: whoever has mounted it hears nothing."""
        (self.share.below / "drop").mkdir(exist_ok=True)
        for name in names:
            (self.share.below / "drop" / name).write_bytes(png(zlib.crc32(name.encode()) & 0xFFFFFF))

    def done_below(self) -> list[str]:
        return sorted(path.name for path in (self.share.below / "done").rglob("*.png"))

    def drop_local(self, *names: str) -> None:
        for name in names:
            (self.drop / name).write_bytes(png(zlib.crc32(name.encode()) & 0xFFFFFF))


@pytest.fixture
def program(tmp_path: Path) -> Iterator[TwoFolders]:
    program = TwoFolders(tmp_path)
    with program.share:
        yield program


class Heartbeat:
    """Asks for the status all the time, which the main loop answers; remembers the longest wait, answered or not."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)
        self.beats = self.unanswered = 0
        self.worst_seconds = 0.0

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._over.wait(0.1):
            begun = time.monotonic()
            answered = bool(self._program.status())
            self.worst_seconds = max(self.worst_seconds, time.monotonic() - begun)
            self.beats += answered
            self.unanswered += not answered


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Also when the kernel keeps one of its threads until the share answers: FUSE lets nobody go before."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def _threads(process: subprocess.Popen[bytes]) -> int:
    return len(os.listdir(f"/proc/{process.pid}/task"))


@pytest.mark.contract("L6", "O2", "O6", "L5", "I1", "D6")
def test_a_share_that_hangs_again_and_again_slows_nobody_and_goes_on_where_it_was(
    program: TwoFolders, evidence: Evidence
) -> None:
    with program.running() as process, Heartbeat(program) as heartbeat:
        program.drop_below("before.png")
        wait_until(lambda: program.done_below() == ["before.png"], 60, "the share is worked in", process)
        threads, serial = 0, 0
        for hang in range(2):
            program.drop_below(f"hang{hang}.png")
            program.share.hang()
            wait_until(lambda: program.of("weddings")["state"] == "unreachable", 40, "it is unreachable", process)
            program.drop_local(*(f"{hang}-{number}.png" for number in range(10)))
            serial += 10
            wait_until(lambda: len(program.done()) == serial, 60, "the other is worked in meanwhile", process)  # noqa: B023
            assert program.status()["state"] == "degraded"
            threads = threads or _threads(process)
            assert _threads(process) <= threads + 2
            if hang == 0:
                spent, begun = processor_seconds(process), time.monotonic()
                time.sleep(5)
                share = (processor_seconds(process) - spent) / (time.monotonic() - begun)
                assert share < 0.05, f"{share:.1%} of a core while it hangs, the test's questions included"
            program.share.go_on()
            wait_until(lambda: f"hang{hang}.png" in program.done_below(), 90, "it goes on", process)  # noqa: B023
        wait_until(lambda: program.status()["state"] == "idle", 30, "it is idle", process)
    print(f"worst answer of {heartbeat.beats}: {heartbeat.worst_seconds:.2f} s, {share:.1%} of a core while hung")
    assert heartbeat.worst_seconds < 3
    assert heartbeat.unanswered == 0
    assert heartbeat.beats > 100, "two hangs of ten seconds each, asked ten times a second"
    evidence(photos_dropped=3 + serial, hangs=2, heartbeats=heartbeat.beats)


@pytest.mark.contract("I1", "I7", "D6")
def test_a_share_whose_server_dies_comes_back_with_all_its_photos(program: TwoFolders, evidence: Evidence) -> None:
    with program.running() as process:
        program.drop_below("before.png")
        wait_until(lambda: program.done_below() == ["before.png"], 60, "the share is worked in", process)
        program.drop_below("during.png")
        program.share.die()
        wait_until(lambda: program.of("weddings")["state"] == "unreachable", 30, "it is unreachable", process)
        subprocess.run(["umount", "--lazy", program.share.at], check=True)
        program.drop_local("other.png")
        wait_until(lambda: program.done() == ["other.png"], 60, "the other is worked in", process)
        assert list(program.share.at.iterdir()) == [], "something was made in the empty mount point"
        program.drop_below("after.png")
        program.share.serve()
        wait_until(lambda: len(program.done_below()) == 3, 90, "all are done", process)
    evidence(photos_dropped=4)


@pytest.mark.contract("O1", "O3", "L6")
def test_a_share_that_hangs_from_the_start_keeps_neither_the_start_nor_the_stop(
    program: TwoFolders, evidence: Evidence
) -> None:
    with program.running():
        pass
    (program.base / "wall.png").write_bytes(png(7))
    program.share.hang()
    with contextlib.ExitStack() as stack:
        stack.callback(program.share.go_on)
        process = stack.enter_context(program.started("run"))
        program.drop_local("a.png")
        wait_until(lambda: program.done() == ["a.png"], 90, "the other is worked in", process)
        assert program.status()["ready"]
        assert program.of("weddings")["state"] == "unreachable"
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        took = time.monotonic() - begun
    print(f"stopped {took:.1f} s after it was asked to")
    assert took < 30
    evidence(photos_dropped=1, hangs=1)


@pytest.mark.contract("O3", "L6")
def test_a_stop_while_the_share_hangs_in_the_middle_of_work_ends_in_time(
    program: TwoFolders, evidence: Evidence
) -> None:
    with program.running() as process:
        for number in range(30):
            program.drop_below(f"{number}.png")
        wait_until(lambda: len(program.done_below()) >= 2, 60, "it works", process)
        program.share.hang()
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            wait_until(lambda: _has_ended(process), 60, "it has ended")
        finally:
            program.share.go_on()
        took = time.monotonic() - begun
        assert process.wait(60) == 0
    print(f"stopped {took:.1f} s after it was asked to")
    assert took < 45
    with program.running() as process:
        wait_until(lambda: len(program.done_below()) == 30, 120, "the next one does the rest", process)
    assert len(list((program.share.below / "results").rglob("*.png"))) == 30
    evidence(photos_dropped=30, hangs=1)
