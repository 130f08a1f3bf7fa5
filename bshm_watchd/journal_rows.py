"""Rows of the journal: what a job is there, and what makes no sense as one."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from typing import Any

from bshm_watchd import logs
from bshm_watchd.jobs import Job, Place


@dataclass(frozen=True, slots=True)
class Row:
    """One job as the index remembers it."""

    id: str
    folder: str
    name: str
    relative_dir: str
    state: str
    attempts: int
    suspect: bool
    ran_in: str
    sha256: str
    size_bytes: int
    results: tuple[str, ...]
    filed_as: Place | None
    reason: str | None
    message: str | None
    what_to_do: str | None
    claimed_wall: float
    finished_wall: float | None
    requeued_as: str | None

    @property
    def relative(self) -> str:
        return f"{self.relative_dir}/{self.name}" if self.relative_dir else self.name


COLUMNS = tuple(field.name for field in fields(Row) if field.name != "requeued_as")
ALL_COLUMNS = ", ".join([*COLUMNS, "requeued_as"])


class Unreadable(Exception):
    """A row or a table that this program has not written like that."""


def values_of(job: Job) -> tuple[object, ...]:
    """As `COLUMNS` has them."""
    problem = job.problem
    return (
        job.id, job.folder, os.fsencode(job.name), os.fsencode(job.relative_dir), str(job.state),
        job.attempts, job.suspect, job.ran_in, job.sha256, job.stamp.size,
        json.dumps([result.target.path for result in job.results]),
        json.dumps(asdict(job.filed_as)) if job.filed_as else None,
        *((problem.reason, logs.shown(problem.message), logs.shown(problem.what_to_do)) if problem else (None,) * 3),
        job.claimed_wall, job.finished_wall,
    )  # fmt: skip


def row_of(row: tuple[object, ...]) -> Row:
    """Of what was asked for as `ALL_COLUMNS`. Raises `Unreadable`."""
    values = dict(zip([*COLUMNS, "requeued_as"], row, strict=True))
    try:
        return _row_from(values)
    except (ValueError, TypeError) as error:
        raise Unreadable(f"job {values['id']}: {error}") from error


def _row_from(values: dict[str, Any]) -> Row:
    filed_as = values["filed_as"]
    return Row(
        **values
        | {
            "name": os.fsdecode(values["name"]),
            "relative_dir": os.fsdecode(values["relative_dir"]),
            "suspect": bool(values["suspect"]),
            "results": tuple(str(path) for path in json.loads(values["results"])),
            "filed_as": Place(**json.loads(filed_as)) if filed_as else None,
        }
    )
