"""Thousands of photos copied in while it runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.e2e.program import Program
from tests.scale.course import course
from tests.scale.figures import Figure
from tests.scale.watched import fill, started
from tests.support.studio import png

_FIRST_SECONDS = 20.0
_GROWTH = 1.25


def burst(base: Path, files: int) -> Iterator[Figure]:
    """As fast as the disk takes them; then until the last one is finished."""
    program = Program(base)
    with started(program) as watched:
        watched.wait_ready()
        began = watched.seconds()
        fill(program.drop, png(1), files)
        yield Figure("dropped within", watched.seconds() - began, "s")
        yield Figure("first result after that", watched.wait_finished(1, 120) - began, "s", _FIRST_SECONDS)
        samples = course(watched, files)
        yield Figure("all finished after", samples[-1].at_seconds - began, "s")
        yield from samples.figures(_GROWTH)
        assert len(program.names("results")) == files
        assert not program.names("drop")
