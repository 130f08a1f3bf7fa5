"""What can be told from the journal alone: the daemon's control socket and the commands without a daemon ask here."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from bshm_watchd.errors import WatchdError
from bshm_watchd.jobs import State

if TYPE_CHECKING:
    from bshm_watchd.journal import Journal, Row

MAX_ROWS = 1000


class Arguments(BaseModel):
    """What a verb takes; anything else is refused before it reaches anybody."""

    model_config = ConfigDict(frozen=True, extra="forbid")


JobId = Annotated[str, Field(pattern="^[0-9A-HJKMNP-TV-Z]{26}$")]


class ListArguments(Arguments):
    folder: str | None = None
    states: tuple[State, ...] = ()
    limit: int = Field(100, ge=1, le=MAX_ROWS, strict=True)
    before: str = Field("~", max_length=26)


class ShowArguments(Arguments):
    id: JobId


class NoSuchJob(WatchdError):
    """The index knows no job of that id."""


def jobs_list(journal: Journal, wanted: ListArguments) -> dict[str, Any]:
    """The newest first: {"jobs": [...], "more": whether there are older ones}."""
    states = [str(state) for state in wanted.states]
    rows = journal.jobs(folder=wanted.folder, states=states, limit=wanted.limit + 1, before=wanted.before)
    return {"jobs": [_plain(row) for row in rows[: wanted.limit]], "more": len(rows) > wanted.limit}


def jobs_show(journal: Journal, wanted: ShowArguments) -> dict[str, Any]:
    row = journal.find(wanted.id)
    if row is None:
        raise NoSuchJob(f"no job has the id {wanted.id}; see: bshm-watchd jobs list")
    return {"job": _plain(row)}


def _plain(row: Row) -> dict[str, Any]:
    """A row as JSON has it. Bytes of a name that are no UTF-8 stand as lone surrogates (PEP 383)."""
    return {**asdict(row), "relative": row.relative, "filed_as": row.filed_as.path if row.filed_as else None}
