"""Many hot folders in one daemon: each gets its share, and together they cost nothing while nothing happens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.e2e.program import Program
from tests.scale.figures import Figure
from tests.scale.watched import Watched, fill, started
from tests.support.studio import png

_STATUS_MS = 200
_HOT_FOLDERS = 50
_REST_SECONDS = 30.0
_LOOK_SECONDS = 0.5
_LAST_AGAINST_FIRST = 1.25  # all have as much to do, and finish together
_CPU_MS_AGAINST_ONE = 1.5


def folders(base: Path, files: int) -> Iterator[Figure]:
    """`files` photos, as many in each of fifty hot folders; and the same number in one folder, to compare."""
    one = _cost_in_one(base / "one", files // 10)
    each = files // _HOT_FOLDERS
    places = [base / f"hot {number:02}" for number in range(1, _HOT_FOLDERS)]
    others: list[dict[str, Any]] = [{"name": place.name.replace(" ", ""), "path": str(place)} for place in places]
    program = Program(base, others=others)
    for drop in (program.drop, *(place / "drop" for place in places)):
        fill(drop, png(1), each)
    with started(program) as watched:
        yield Figure("ready after the start", watched.wait_ready(), "s")
        begun = watched.cpu_seconds()
        finished = _finished_at(watched, each)
        cost = 1000 * (watched.cpu_seconds() - begun) / (each * _HOT_FOLDERS)
        first, last = min(finished.values()), max(finished.values())
        yield Figure("the first folder has finished after", first, "s")
        yield Figure("the last folder against the first", last / first, "times", _LAST_AGAINST_FIRST)
        yield Figure("CPU a photo", cost, "ms")
        yield Figure("against the same photos in one folder", cost / one, "times", _CPU_MS_AGAINST_ONE)
        yield Figure("memory", watched.resident_mib(), "MiB")
        watched.wait_calm()
        written = watched.written_bytes()
        yield Figure("CPU at rest", 100 * watched.cpu_share(_REST_SECONDS), "% of a core", 2.5)
        yield Figure("written at rest", watched.written_bytes() - written, "bytes", 0)
        median, _ = watched.answer_seconds()
        yield Figure("status, median", 1000 * median, "ms", _STATUS_MS)


def _finished_at(watched: Watched, each: int) -> dict[str, float]:
    """When each folder had finished its photos, in seconds since the start."""
    finished: dict[str, float] = {}
    while len(finished) < _HOT_FOLDERS:
        assert watched.process.poll() is None, "the program ended"
        for folder in watched.program.status().get("folders", ()):
            if folder["done"] + folder["review"] >= each:
                finished.setdefault(folder["name"], watched.seconds())
        time.sleep(_LOOK_SECONDS)
    return finished


def _cost_in_one(base: Path, files: int) -> float:
    """CPU ms a photo."""
    program = Program(base)
    fill(program.drop, png(1), files)
    with started(program) as watched:
        watched.wait_ready()
        begun = watched.cpu_seconds()
        watched.wait_finished(files, 600)
        return 1000 * (watched.cpu_seconds() - begun) / files
