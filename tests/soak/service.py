"""The daemon's lives during a soak: started, asked to stop, killed, frozen, reloaded; and looked at."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.program import Program, wait_until
from tests.soak.places import Place

_READY_SECONDS = 120  # a folder that hangs at the start takes its ten seconds, and the machine may be busy
_STOP_SECONDS = 60


class Service:
    """Belongs to the thread of the soak."""

    def __init__(self, base: Path, places: list[Place]) -> None:
        self.program = Program(base)
        self.places = places
        self.lives = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.configure()

    def configure(self, weight: int = 1, *, wrong: bool = False) -> None:
        folders = [
            {
                "name": place.name,
                "path": str(place.tree.path if place.name != "share" else place.tree.path.with_name("share")),
                "settle_seconds": 1,
                "settle_max_seconds": 5,
                "weight": weight,
                **({"setle": 1} if wrong else {}),
            }
            for place in self.places
        ]
        content = yaml.safe_load(self.program.config.read_text())
        content |= {"hot_folders": folders, "limits": {"min_free_mib": 4}}
        self.program.config.write_text(yaml.safe_dump(content))

    def start(self) -> None:
        self.lives += 1
        with open(self.program.log, "ab") as log:
            self.process = subprocess.Popen(self.program.command("run"), stdout=log, stderr=log)
        wait_until(lambda: self.program.status().get("ready"), _READY_SECONDS, "the daemon is ready", self.process)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Asked politely: it must end well, in time, whatever its folders do."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(_STOP_SECONDS)
        assert code == 0, f"exit code {code} after SIGTERM"

    def reload(self) -> int:
        """The exit code of `bshm-watchd reload`."""
        command = self.program.command("reload")
        return subprocess.run(command, capture_output=True, timeout=_STOP_SECONDS).returncode

    def check_alive(self) -> None:
        assert self.process is not None
        code = self.process.poll()
        assert code is None, f"the daemon ended by itself with {code}"

    def folders(self) -> dict[str, dict[str, Any]]:
        return {folder["name"]: folder for folder in self.program.status().get("folders", [])}

    def is_idle(self) -> bool:
        return self.program.status().get("state") == "idle"


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the daemon's process."""

    at_seconds: float
    life: int
    resident_bytes: int
    descriptors: int
    threads: int
    finished: int  # jobs, of this life

    @classmethod
    def of(cls, service: Service, at_seconds: float) -> Sample:
        assert service.process is not None
        proc = Path(f"/proc/{service.process.pid}")
        pages = int((proc / "statm").read_text().split()[1])
        return cls(
            at_seconds,
            service.lives,
            pages * os.sysconf("SC_PAGE_SIZE"),
            len(list((proc / "fd").iterdir())),
            len(list((proc / "task").iterdir())),
            service.program.status().get("finished", 0),
        )


def children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]
