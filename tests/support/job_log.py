"""The log's lines about jobs, and whether each job's are a way through the table of moves."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bshm_watchd.jobs import MOVES, State

_STATES = {str(state): state for state in State}
_LINE = re.compile(r"(?P<event>[a-z]+) JOB_ID=(?P<job>\w{26}) .*?(?: state=(?P<state>\w+))?$")


@dataclass(frozen=True)
class Line:
    job_id: str
    event: str  # a state, "recovered" or anything else
    state: str = ""  # where a recovered job stands


@contextlib.contextmanager
def noted() -> Iterator[list[Line]]:
    """What is logged of jobs from now on, in this process."""
    lines: list[Line] = []

    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            fields = getattr(record, "fields", {})
            if "JOB_ID" in fields:
                lines.append(Line(fields["JOB_ID"], record.getMessage(), str(fields.get("state", ""))))

    logger, handler = logging.getLogger("bshm_watchd"), Noting()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def parsed(text: Iterable[str]) -> list[Line]:
    """Of the lines that a program wrote."""
    found = [match for line in text if (match := _LINE.search(line.split(" ", 3)[-1])) is not None]
    return [Line(match["job"], match["event"], match["state"] or "") for match in found]


def replayed(lines: Iterable[Line]) -> dict[str, list[State]]:
    """Each job's states as they were logged. Raises `AssertionError` where a line is no move from the one before.

    A death may take one line with it (the record is written first), or make an end be told again: then, and only
    then, `recovered` says where the job stands.
    """
    ways: dict[str, list[State]] = {}
    stands: dict[str, State] = {}
    for line in lines:
        now = stands.get(line.job_id, State.CLAIMING)
        if line.event == "recovered":
            there = _STATES[line.state]
            assert there is now or there in MOVES.get(now, ()) or now in MOVES.get(there, ()), f"{now}, then {line}"
            stands[line.job_id] = there
        elif line.event in _STATES:
            after = _STATES[line.event]
            assert after in MOVES.get(now, ()), f"no move from {now} to {after}: {line}"
            stands[line.job_id] = after
            ways.setdefault(line.job_id, []).append(after)
    return ways
