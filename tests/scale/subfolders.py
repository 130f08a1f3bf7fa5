"""A day's work sorted into many subfolders, copied in as a whole while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.e2e.program import Program
from tests.scale.course import course
from tests.scale.figures import Figure
from tests.scale.watched import fill, started
from tests.support.studio import png

_PHOTOS_A_FOLDER = 20
_FIRST_SECONDS = 20.0
_REST_SECONDS = 30.0
_GROWTH = 1.25


def subfolders(base: Path, files: int) -> Iterator[Figure]:
    """`files` photos, twenty in each subfolder; afterwards their results are there, and it comes to rest."""
    program, directories = Program(base), max(1, files // _PHOTOS_A_FOLDER)
    with started(program) as watched:
        watched.wait_ready()
        began = watched.seconds()
        fill(program.drop, png(1), files, directories)
        yield Figure("subfolders", directories, "")
        yield Figure("first result after the first drop", watched.wait_finished(1, 120) - began, "s", _FIRST_SECONDS)
        samples = course(watched, files)
        yield Figure("all finished after", samples[-1].at_seconds - began, "s")
        yield from samples.figures(_GROWTH)
        assert len(program.names("results")) == files
        watched.wait_calm()
        share = watched.cpu_share(_REST_SECONDS)
        yield Figure("CPU at rest beside the emptied subfolders", 100 * share, "% of a core", 0.5 + directories / 1000)
