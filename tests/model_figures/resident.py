"""A runtime resident in a process of its own, told by lines what to compute: so that several are measured in turn.

Lines in: `N`, compute so many pictures with as many threads as the runtime has streams. Lines out: one JSON each.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from bshm_watchd.bench.drawn import compose
from bshm_watchd.config import ModelSettings
from bshm_watchd.matting.bundle import configured_bundle
from bshm_watchd.matting.runtimes import make_runtime


@dataclass(frozen=True)
class Resident:
    """`name` is for the table."""

    name: str
    process: subprocess.Popen[str]

    def seconds_for(self, pictures: int) -> float:
        """Of the wall clock, for all of them."""
        stdin, stdout = _ends(self.process)
        stdin.write(f"{pictures}\n")
        stdin.flush()
        return float(_answer(stdout)["seconds"])


@contextmanager
def resident(name: str, settings: ModelSettings, height: int, width: int) -> Iterator[Resident]:
    """Warm when it is yielded."""
    command = [
        sys.executable,
        "-m",
        "tests.model_figures.resident",
        settings.model_dump_json(),
        str(height),
        str(width),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        stdin, stdout = _ends(process)
        _answer(stdout)
        try:
            yield Resident(name, process)
        finally:
            stdin.close()


def _ends(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


def _answer(stdout: IO[str]) -> dict[str, Any]:
    line = stdout.readline()
    if not line:
        raise SystemExit("a runtime ended before it answered; its reason stands above")
    answer: dict[str, Any] = json.loads(line)
    return answer


def main(settings: ModelSettings, height: int, width: int) -> None:
    bundle = configured_bundle(settings, Path("/none"))
    runtime = make_runtime(bundle.only((height, width)), settings)
    runtime.start()
    pixels = np.ascontiguousarray(compose(1, height, width).pixels)
    print(json.dumps({"ready": repr(runtime)}), flush=True)
    with ThreadPoolExecutor(runtime.streams) as threads:
        for line in sys.stdin:
            began = time.perf_counter()
            list(threads.map(lambda _: runtime.infer([pixels]), range(int(line))))
            print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)
    runtime.close()


if __name__ == "__main__":
    main(ModelSettings.model_validate_json(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
