"""The real program, in a process of its own, and what a person does around it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from bshm_watchd.matting.bundle import catalogue
from bshm_watchd.ops.asking import ControlError, NotRunning, ask

_LOOK_SECONDS = 0.05


class Program:
    """A configuration with one hot folder and perhaps others, and the commands run with it; arithmetic mattes."""

    def __init__(
        self, base: Path, *, bundle: str | None = None, state_dir: Path | None = None,
        limits: dict[str, Any] | None = None, others: Sequence[dict[str, Any]] = (), **folder: Any,
    ) -> None:  # fmt: skip
        self.base = base
        self.hot = base / "hot"
        self.drop = self.hot / "drop"
        self.state_dir = state_dir or base / "state"
        self.config = base / "config.yaml"
        self.drop.mkdir(parents=True, exist_ok=True)
        content = {
            "version": 1,
            "state_dir": str(self.state_dir),
            "model": {"bundle": bundle or str(catalogue()["arithmetic"].directory)},
            "limits": {"min_free_mib": 0, **(limits or {})},
            "hot_folders": [
                {"name": "portraits", "path": str(self.hot), "review": bundle is not None, **folder},
                *others,
            ],
        }
        self.config.write_text(yaml.safe_dump(content), encoding="utf-8")

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "bshm_watchd.cli.main", "--config", str(self.config), *words]

    def once(self, *words: str, timeout_seconds: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command("once", *words), capture_output=True, text=True, timeout=timeout_seconds, check=False
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """The daemon, ready; asked to stop on the way out, and expected to have ended well."""
        with self.started("run") as process:
            wait_until(lambda: self.status().get("ready"), 60, "the daemon is ready", process)
            yield process
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0, self.log.read_text()

    @contextlib.contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        with open(self.log, "ab") as log, subprocess.Popen(self.command(*words), stdout=log, stderr=log) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()

    @property
    def log(self) -> Path:
        return self.base / "log"

    def status(self) -> dict[str, Any]:
        try:
            return ask(self.state_dir / "control.sock", "status", {})
        except (NotRunning, ControlError):
            return {}

    def folder(self, name: str = "portraits") -> dict[str, Any]:
        return next((folder for folder in self.status().get("folders", ()) if folder["name"] == name), {})

    def names(self, place: str) -> list[str]:
        """Files below a directory of the hot folder, sorted, as paths relative to it."""
        top = self.hot / place
        return sorted(str(path.relative_to(top)) for path in top.rglob("*") if path.is_file())

    def done(self) -> list[str]:
        """Filed originals, without their date."""
        return sorted(name.split("/", 1)[1] for name in self.names("done"))

    def wait_done(self, count: int, deadline_seconds: float, process: subprocess.Popen[bytes]) -> None:
        wait_until(lambda: len(self.names("done")) >= count, deadline_seconds, f"{count} photos are done", process)


def processor_seconds(process: subprocess.Popen[bytes]) -> float:
    """What it has spent so far, with all its threads."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until(
    condition: Callable[[], Any], deadline_seconds: float, what: str, process: subprocess.Popen[bytes] | None = None
) -> None:
    deadline = time.monotonic() + deadline_seconds
    while not condition():
        assert process is None or process.poll() is None, f"the program ended with {process.poll()} before: {what}"
        assert time.monotonic() < deadline, f"not within {deadline_seconds} s: {what}"
        time.sleep(_LOOK_SECONDS)
