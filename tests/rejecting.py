"""What a broken file costs: `python -m tests.rejecting [--files N]`.

Drops N files that are no photos and works them off with the real program: by itself, and traced, to count what it has
synced and committed. What a run without any file needs is taken off. Prints files a second, CPU, system calls, syncs.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from bshm_watchd.ending import EXIT_FINE, EXIT_SOME_REJECTED
from tests.e2e.program import Program

_QUICK = {"settle_seconds": 0.2, "rescan_seconds": 1, "watch": "poll"}
_SYNC = re.compile(r"f(?:data)?sync\(\d+<(?P<path>[^>]*)>")


@dataclass(frozen=True)
class Cost:
    """Of one whole run of `once`."""

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Syncs:
    """How often a run waited for the disk, by what was synced; and all its system calls."""

    files: int
    directories: int
    commits: int
    calls: int


def dropped(base: Path, count: int) -> Program:
    """A hot folder with so many files that are no photos."""
    program = Program(base, **_QUICK)
    for number in range(count):
        (program.drop / f"{number:06}.jpg").write_bytes(b"this is no photo, %d" % number)
    return program


def cost(count: int) -> Cost:
    with tempfile.TemporaryDirectory(prefix="bshm-watchd-rejecting-") as base:
        program = dropped(Path(base), count)
        before, begun = _children_seconds(), time.monotonic()
        _run(program.command("once"), count)
        return Cost(time.monotonic() - begun, _children_seconds() - before)


def syncs(count: int) -> Syncs:
    """Traced, which makes it slower."""
    with tempfile.TemporaryDirectory(prefix="bshm-watchd-rejecting-") as base:
        program, trace, calls = dropped(Path(base), count), Path(base, "trace"), Path(base, "calls")
        syncing = ["strace", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", str(trace)]
        _run([*syncing, *program.command("once")], count)
        found = Counter(map(_kind, _SYNC.findall(trace.read_text())))
    with tempfile.TemporaryDirectory(prefix="bshm-watchd-rejecting-") as base:
        program, calls = dropped(Path(base), count), Path(base, "calls")
        _run(["strace", "-f", "-c", "-o", str(calls), *program.command("once")], count)
        total = next(line for line in calls.read_text().splitlines() if line.endswith("total"))
    return Syncs(found["file"], found["directory"], found["commit"], int(total.split()[3]))


def _kind(path: str) -> str:
    if path.endswith("-wal"):
        return "commit"
    return "file" if path.endswith((".part", ".tmp", ".json")) else "directory"


def _run(command: list[str], count: int) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != (EXIT_SOME_REJECTED if count else EXIT_FINE):
        raise SystemExit(f"{command} ended with {ended.returncode}:\n{ended.stderr[-2000:]}")


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.rejecting", description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    count = parser.parse_args().files
    idle, busy = cost(0), cost(count)
    nothing, all_of_it = syncs(0), syncs(count)
    print(
        f"{count} files: {count / (busy.seconds - idle.seconds):.0f} files/s, "
        f"{1000 * (busy.cpu_seconds - idle.cpu_seconds) / count:.2f} CPU ms a file, "
        f"{(all_of_it.calls - nothing.calls) / count:.0f} system calls a file; synced: "
        f"{(all_of_it.files - nothing.files) / count:.2f} files and "
        f"{(all_of_it.directories - nothing.directories) / count:.2f} directories a file, "
        f"{all_of_it.commits - nothing.commits} index commits"
    )


if __name__ == "__main__":
    main()
