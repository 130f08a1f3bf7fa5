"""The index and history of jobs, in SQLite. Not the truth: that is in the work directories, and this can be rebuilt.

One connection behind one lock, used by the workers, the folders' threads and the control socket.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bshm_watchd import logs
from bshm_watchd.clock import Clock
from bshm_watchd.errors import ConfigError, PlaceUnavailable, ProgramEnding
from bshm_watchd.jobs import FINAL, Job, Place

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, folder TEXT NOT NULL, name BLOB NOT NULL, relative_dir BLOB NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL, suspect INTEGER NOT NULL, sha256 TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    results TEXT NOT NULL, filed_as TEXT, reason TEXT, message TEXT, what_to_do TEXT,
    claimed_wall REAL NOT NULL, finished_wall REAL, requeued_as TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (folder, state, id);
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
JOURNAL_NAME = "journal.sqlite3"
_STOPPED = "stopped_cleanly"
_PHOTOS = "photos_of_clients_in:"


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


_COLUMNS = tuple(field.name for field in fields(Row) if field.name != "requeued_as")
_UPSERT = (
    f"INSERT INTO jobs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in _COLUMNS[1:])}"
)


class Journal:
    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()  # guards the connection
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> Journal:
        """Raises `ConfigError` where it can't be opened at all (rights, another process)."""
        try:
            self._connection = self._opened()
        except sqlite3.OperationalError as error:
            raise ConfigError([f"{self._path}: {error}; it must be this user's own, on a local disk"]) from error
        return self

    def __exit__(self, *_: object) -> None:
        """A worker that was abandoned and comes here later gets `ProgramEnding`."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def record(self, job: Job) -> None:
        """Remember a job as it is now; the same job again replaces what was known of it."""
        self._execute(_UPSERT, _values(job))

    def record_requeued(self, job_id: str, new_id: str) -> None:
        self._execute("UPDATE jobs SET requeued_as = ? WHERE id = ?", (new_id, job_id))

    def forget(self, job_id: str) -> None:
        """A claim that did not happen leaves no history."""
        self._execute("DELETE FROM jobs WHERE id = ?", (job_id,))

    def find(self, job_id: str) -> Row | None:
        rows = self._rows("WHERE id = ?", (job_id,))
        return rows[0] if rows else None

    def jobs(
        self, *, folder: str | None = None, states: Iterable[str] = (), limit: int = 100, before: str = "~"
    ) -> list[Row]:
        """The newest first, at most `limit`, older than the id `before`."""
        chosen = tuple(states)
        where = ["id < ?"] + (["folder = ?"] if folder else [])
        if chosen:
            where.append(f"state IN ({', '.join('?' * len(chosen))})")
        values = (before, *((folder,) if folder else ()), *chosen, limit)
        return self._rows(f"WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?", values)

    def counts(self, folder: str) -> dict[str, int]:
        """How many jobs of each state a folder has had."""
        return dict(self._execute("SELECT state, count(*) FROM jobs WHERE folder = ? GROUP BY state", (folder,)))

    def unfinished(self, folder: str) -> list[str]:
        """Ids of jobs that the index believes are still under way."""
        final = tuple(str(state) for state in FINAL)
        rows = self._execute(
            f"SELECT id FROM jobs WHERE folder = ? AND state NOT IN ({', '.join('?' * len(final))})", (folder, *final)
        )
        return [row[0] for row in rows]

    def set_state(self, job_id: str, state: str, wall: float) -> None:
        self._execute("UPDATE jobs SET state = ?, finished_wall = ? WHERE id = ?", (state, wall, job_id))

    def mark_clean_stop(self, incarnation: str) -> None:
        """Nothing that this process left unfinished died with it: no attempt is to be counted."""
        self._execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (_STOPPED, incarnation))

    def mark_photos(self, incarnation: str) -> None:
        """Clients' photos are in work in this process beside its jobs: should it die, one of them may be to blame."""
        self._execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (_PHOTOS + incarnation, ""))

    def had_photos(self, incarnation: str) -> bool:
        return bool(self._execute("SELECT 1 FROM marks WHERE name = ?", (_PHOTOS + incarnation,)))

    def stopped_cleanly(self, incarnation: str) -> bool:
        return self._execute("SELECT value FROM marks WHERE name = ?", (_STOPPED,)) == [(incarnation,)]

    def _execute(self, statement: str, values: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of one statement, durable. Raises `PlaceUnavailable` when the disk of the journal is at fault."""
        with self._lock:
            if self._connection is None:
                raise ProgramEnding("the journal is closed")
            try:
                try:
                    return self._connection.execute(statement, tuple(values)).fetchall()
                except sqlite3.DatabaseError as error:
                    if not _shows_damage(error):
                        raise
                    self._connection.close()
                    self._connection = self._begun_anew(error)
                    return self._connection.execute(statement, tuple(values)).fetchall()
            except sqlite3.OperationalError as error:
                raise PlaceUnavailable("state_unavailable", f"{self._path}: {error}; work resumes by itself") from error

    def _opened(self) -> sqlite3.Connection:
        """The database, or a new one beside a file that is none any more: its history is lost, no photo is."""
        try:
            return self._open()
        except sqlite3.DatabaseError as error:
            if not _shows_damage(error):
                raise
            return self._begun_anew(error)

    def _begun_anew(self, error: sqlite3.DatabaseError) -> sqlite3.Connection:
        aside = self._path.with_name(f"{self._path.name}.damaged-{int(self._clock.wall())}")
        self._path.rename(aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        logs.warning("the journal was damaged: a new one is begun", why=error, old_one=aside)
        return self._open()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            os.chmod(self._path, 0o600)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(_SCHEMA)
            connection.execute("SELECT 1 FROM jobs LIMIT 1")
        except BaseException:
            connection.close()
            raise
        return connection

    def _rows(self, clause: str, values: tuple[object, ...]) -> list[Row]:
        columns = ", ".join([*_COLUMNS, "requeued_as"])
        return [_row(row) for row in self._execute(f"SELECT {columns} FROM jobs {clause}", values)]


def _shows_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file is no (whole) database; a full disk or a lock is no damage, and an error of ours is none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _values(job: Job) -> tuple[object, ...]:
    problem = job.problem
    return (
        job.id, job.folder, os.fsencode(job.name), os.fsencode(job.relative_dir), str(job.state),
        job.attempts, job.suspect, job.sha256, job.stamp.size,
        json.dumps([result.target.path for result in job.results]),
        json.dumps(asdict(job.filed_as)) if job.filed_as else None,
        *((problem.reason, logs.shown(problem.message), logs.shown(problem.what_to_do)) if problem else (None,) * 3),
        job.claimed_wall, job.finished_wall,
    )  # fmt: skip


def _row(row: tuple[object, ...]) -> Row:
    values = dict(zip([*_COLUMNS, "requeued_as"], row, strict=True))
    filed_as = values["filed_as"]
    return Row(
        **values  # type: ignore[arg-type]
        | {
            "name": os.fsdecode(values["name"]),  # type: ignore[arg-type]
            "relative_dir": os.fsdecode(values["relative_dir"]),  # type: ignore[arg-type]
            "suspect": bool(values["suspect"]),
            "results": tuple(json.loads(str(values["results"]))),
            "filed_as": Place(**json.loads(str(filed_as))) if filed_as else None,
        }
    )
