"""The program's process from outside: what it has spent, what it holds, how fast it answers."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bshm_watchd.matting.bundle import catalogue
from tests.e2e.program import Program, wait_until

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_CALM_SHARE = 0.05


class Watched:
    """A running program. CPU is that of the process and of all it started; memory is the process's own."""

    def __init__(self, program: Program, process: subprocess.Popen[bytes]) -> None:
        self.program = program
        self.process = process
        self.started = time.monotonic()

    def cpu_seconds(self) -> float:
        living = [child for child in _children(self.process.pid) if (Path("/proc") / str(child)).exists()]
        return sum(map(_spent, [self.process.pid, *living]))

    def resident_mib(self) -> float:
        return self._status_kib("VmRSS") / 1024

    def peak_mib(self) -> float:
        return self._status_kib("VmHWM") / 1024

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def written_bytes(self) -> int:
        lines = Path(f"/proc/{self.process.pid}/io").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes"))

    def folder(self, name: str = "portraits") -> dict[str, Any]:
        return self.program.folder(name)

    def finished(self) -> int:
        return int(self.program.status().get("finished", 0))

    def seconds(self) -> float:
        """Since it was started."""
        return time.monotonic() - self.started

    def wait_ready(self, deadline_seconds: float = 300) -> float:
        self.wait(lambda: self.program.status().get("ready"), deadline_seconds, "it is ready")
        return self.seconds()

    def wait_finished(self, count: int, deadline_seconds: float) -> float:
        self.wait(lambda: self.finished() >= count, deadline_seconds, f"{count:,} photos are finished")
        return self.seconds()

    def wait_first_claim(self, deadline_seconds: float = 600) -> float:
        def claimed() -> bool:
            status = self.program.status()
            busy = any(folder["in_flight"] for folder in status.get("folders", ()))
            return busy or status.get("finished", 0) > 0

        self.wait(claimed, deadline_seconds, "the first photo is claimed")
        return self.seconds()

    def wait_calm(self, deadline_seconds: float = 900) -> None:
        """Until it spends next to nothing for two seconds."""
        self.wait(lambda: self.cpu_share(2) < _CALM_SHARE, deadline_seconds, "it has come to rest")

    def wait(self, condition: Any, deadline_seconds: float, what: str) -> None:
        wait_until(condition, deadline_seconds, what, self.process)

    def cpu_share(self, seconds: float) -> float:
        """Of one core, within the next `seconds`."""
        before, began = self.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu_seconds() - before) / (time.monotonic() - began)

    def answer_seconds(self, asks: int = 15) -> tuple[float, float]:
        """Of `status`: the median and the longest."""
        took = []
        for _ in range(asks):
            began = time.monotonic()
            assert self.program.status(), "it does not answer"
            took.append(time.monotonic() - began)
        return statistics.median(took), max(took)

    def _status_kib(self, field: str) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field))


@contextlib.contextmanager
def started(program: Program) -> Iterator[Watched]:
    """`run`, not yet ready; killed on the way out."""
    with program.started("run") as process:
        yield Watched(program, process)


def slow_bundle(base: Path, seconds_a_batch: float) -> Path:
    """The arithmetic bundle, but each batch takes so long: nearly everything that is dropped waits."""
    manifest = (catalogue()["arithmetic"].directory / "bundle.yaml").read_text(encoding="utf-8")
    slow = manifest.replace("delay_seconds_per_batch: 0", f"delay_seconds_per_batch: {seconds_a_batch}")
    assert slow != manifest
    directory = base / "slow"
    directory.mkdir(parents=True)
    (directory / "bundle.yaml").write_text(slow, encoding="utf-8")
    return directory


def fill(drop: Path, content: bytes, count: int, directories: int = 0) -> None:
    """`count` files named as a camera would, in drop/ itself or evenly in so many subfolders."""
    where = [drop / f"session {number:04}" for number in range(directories)] or [drop]
    for directory in where:
        directory.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = where[number % len(where)] / f"IMG_{number:07}.png"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(fd, content)
        os.close(fd)


def _spent(pid: int) -> float:
    """With the children that it has waited for."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS_A_SECOND


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found += [int(child) for child in task.read_text().split()]
    return found
