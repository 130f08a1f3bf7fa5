"""Files that wait: how soon the first is taken, what a rescan costs beside them, and what it takes to remember them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.program import Program
from tests.scale.figures import Figure
from tests.scale.watched import Watched, fill, slow_bundle, started
from tests.support.studio import png

_STATUS_MS = 200
_SECONDS_A_BATCH = 60.0  # what is claimed stays in flight while the rest is looked at
_RESCANS = 5
_REST_SECONDS = 10.0
_RESCAN_CPU_SECONDS_AT_100_000 = 0.1
_MIB_AT_100_000 = 100
_CPU_SECONDS = 0.05  # of clocks that tick a hundred times a second, and of what goes on beside
_IDLE_SHARE = 0.005
_LOOK_SECONDS = 0.1
_ASKS = 100


def waiting(base: Path, files: int, directories: int = 0) -> Iterator[Figure]:
    """`files` photos are there before the start; the model is so slow that they stay."""
    program = Program(base, bundle=str(slow_bundle(base, _SECONDS_A_BATCH)))
    bare = _bare_mib(base / "bare")
    fill(program.drop, png(1), files, directories)
    crowd = files / 100_000
    with started(program) as watched:
        yield from _taken_in(watched, crowd)
        resident = watched.resident_mib()
        yield Figure("memory for them", resident - bare, "MiB", 30 + _MIB_AT_100_000 * crowd)
        yield from _at_rest(watched, crowd)
        yield from _rescans(watched, crowd)
        yield Figure("memory grown by the rescans", watched.resident_mib() - resident, "MiB", 10 + 30 * crowd)
        yield Figure("peak memory", watched.peak_mib(), "MiB")


def _taken_in(watched: Watched, crowd: float) -> Iterator[Figure]:
    yield Figure("ready after the start", watched.wait_ready(), "s")
    yield Figure("first claim after the start", watched.wait_first_claim(), "s", 10 + 10 * crowd)
    yield Figure("CPU until then", watched.cpu_seconds(), "s")
    watched.wait_calm()
    yield Figure("CPU until all had settled", watched.cpu_seconds(), "s", 5 + 15 * crowd)
    yield Figure("waiting", watched.folder()["waiting"], "files")


def _at_rest(watched: Watched, crowd: float) -> Iterator[Figure]:
    written = watched.written_bytes()
    yield Figure("CPU at rest", 100 * watched.cpu_share(_REST_SECONDS), "% of a core", 100 * _IDLE_SHARE + crowd)
    yield Figure("written at rest", watched.written_bytes() - written, "bytes", 0)
    median, longest = watched.answer_seconds()
    yield Figure("status, median", 1000 * median, "ms", _STATUS_MS)
    yield Figure("status, longest", 1000 * longest, "ms")


def _rescans(watched: Watched, crowd: float) -> Iterator[Figure]:
    """A directory that is moved in makes it scan; a file of another kind in there shows that it has."""
    cpu, wall, asking = [], [], _asking_cpu_seconds(watched)
    for number in range(1, _RESCANS + 1):
        moved = watched.program.base / f"moved {number}"
        moved.mkdir()
        (moved / "note.txt").write_text("no photo")
        before, began, asks = watched.cpu_seconds(), time.monotonic(), 0
        moved.rename(watched.program.drop / moved.name)
        while watched.folder()["not_photos"] < number:
            asks += 1
            time.sleep(_LOOK_SECONDS)
            assert watched.process.poll() is None, "the program ended"
        wall.append(time.monotonic() - began)
        cpu.append(watched.cpu_seconds() - before - asks * asking)
    yield Figure("CPU a rescan", statistics.median(cpu), "s", _CPU_SECONDS + _RESCAN_CPU_SECONDS_AT_100_000 * crowd)
    yield Figure("from a hint to the end of its rescan, longest", max(wall), "s")


def _asking_cpu_seconds(watched: Watched) -> float:
    """What a look at the status costs the program itself."""
    before = watched.cpu_seconds()
    watched.answer_seconds(_ASKS)
    return (watched.cpu_seconds() - before) / _ASKS


def _bare_mib(base: Path) -> float:
    """What the program takes with nothing to remember."""
    with started(Program(base)) as watched:
        watched.wait_ready()
        watched.wait_calm()
        return watched.resident_mib()
