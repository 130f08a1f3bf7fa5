"""The index and history of jobs, in SQLite. Not the truth: that is in the work directories, and this can be rebuilt.

One connection behind one lock, used by the workers, the folders' threads and the control socket.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from bshm_watchd import logs
from bshm_watchd.clock import Clock
from bshm_watchd.errors import ConfigError, PlaceUnavailable, ProgramEnding, state_error
from bshm_watchd.jobs import FINAL, Job, Place

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, folder TEXT NOT NULL, name BLOB NOT NULL, relative_dir BLOB NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL, suspect INTEGER NOT NULL, ran_in TEXT NOT NULL, sha256 TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, results TEXT NOT NULL, filed_as TEXT, reason TEXT, message TEXT, what_to_do TEXT,
    claimed_wall REAL NOT NULL, finished_wall REAL, requeued_as TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (folder, state, id);
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_UNFINISHED = "state NOT IN ({})".format(", ".join(f"'{state}'" for state in sorted(FINAL)))
JOURNAL_NAME = "journal.sqlite3"
_OF_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_OF_THE_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM)
T = TypeVar("T")
_STOPPED = "stopped_cleanly:"
_COMPANY = "company_in:"


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


_COLUMNS = tuple(field.name for field in fields(Row) if field.name != "requeued_as")
_ALL_COLUMNS = ", ".join([*_COLUMNS, "requeued_as"])
_UPSERT = (
    f"INSERT INTO jobs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in _COLUMNS[1:])}"
)


class Journal:
    """A file that is no database of ours any more is put aside, also while we work: history is lost, no photo is."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()  # guards what follows
        self._open = False
        self._connection: sqlite3.Connection | None = None  # None also where it could not be opened again

    def __enter__(self) -> Journal:
        """Raises `ConfigError` where it can't be opened at all (rights, another process), else `PlaceUnavailable`."""
        try:
            with self._lock:
                self._whole(lambda _: None)
                self._open = True
        except OSError as error:
            raise state_error(error, self._path) from error
        except sqlite3.OperationalError as error:
            if _code(error) in _OF_THE_DISK:
                raise PlaceUnavailable("state_unavailable", f"{self._path}: {error}; start it again") from error
            raise ConfigError([f"{self._path}: {error}; it must be this user's own, on a local disk"]) from error
        return self

    def __exit__(self, *_: object) -> None:
        """A worker that was abandoned and comes here later gets `ProgramEnding`."""
        with self._lock:
            self._open = False
            self._disconnect()

    def record(self, job: Job) -> None:
        """Remember a job as it is now; the same job again replaces what was known of it."""
        self._execute(_UPSERT, _values(job))

    def record_all(self, jobs: Sequence[Job]) -> None:
        """As `record`, for all of them or none, in one commit."""

        def ask(connection: sqlite3.Connection) -> list[None]:
            with _transaction(connection):
                connection.executemany(_UPSERT, [_values(job) for job in jobs])
            return []

        self._answered(ask)

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
        return [row[0] for row in self._execute(f"SELECT id FROM jobs WHERE folder = ? AND {_UNFINISHED}", (folder,))]

    def set_state(self, job_id: str, state: str, wall: float) -> None:
        self._execute("UPDATE jobs SET state = ?, finished_wall = ? WHERE id = ?", (state, wall, job_id))

    def mark_clean_stop(self, incarnation: str) -> None:
        """Nothing that this process left unfinished died with it: no attempt is to be counted.

        Marks of earlier processes go with the last unfinished job that ran in them: it may wait for its share.
        """
        self._execute(f"DELETE FROM marks WHERE value NOT IN (SELECT ran_in FROM jobs WHERE {_UNFINISHED})")
        self._mark(_STOPPED, incarnation)

    def stopped_cleanly(self, incarnation: str) -> bool:
        return self._is_marked(_STOPPED, incarnation)

    def mark_company(self, incarnation: str) -> None:
        """What is found of this process ran, perhaps, beside what is not found any more."""
        self._mark(_COMPANY, incarnation)

    def had_company(self, incarnation: str) -> bool:
        return self._is_marked(_COMPANY, incarnation)

    def _mark(self, what: str, incarnation: str) -> None:
        self._execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (what + incarnation, incarnation))

    def _is_marked(self, what: str, incarnation: str) -> bool:
        return bool(self._execute("SELECT 1 FROM marks WHERE name = ?", (what + incarnation,)))

    def _execute(self, statement: str, values: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        return self._asked(statement, tuple(values), lambda row: row)

    def _rows(self, clause: str, values: tuple[object, ...]) -> list[Row]:
        return self._asked(f"SELECT {_ALL_COLUMNS} FROM jobs {clause}", values, _row)

    def _asked(self, statement: str, values: tuple[object, ...], row: Callable[[tuple[Any, ...]], T]) -> list[T]:
        """All rows of one statement, durable. Raises as `_answered` does."""

        def ask(connection: sqlite3.Connection) -> list[T]:
            return [row(found) for found in connection.execute(statement, values).fetchall()]

        return self._answered(ask)

    def _answered(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        """Raises `PlaceUnavailable` when the disk of the journal is at fault."""
        with self._lock:
            if not self._open:
                raise ProgramEnding("the journal is closed")
            try:
                return self._whole(ask)
            except (sqlite3.OperationalError, OSError) as error:
                raise PlaceUnavailable("state_unavailable", f"{self._path}: {error}; work resumes by itself") from error

    def _whole(self, ask: Callable[[sqlite3.Connection], T]) -> T:
        """The answer of the database; of a new one where this one turns out to be damaged."""
        try:
            return ask(self._connected())
        except (sqlite3.DatabaseError, _Unreadable) as error:
            if not _shows_damage(error):
                raise
            self._disconnect()
            self._put_aside(error)
            return ask(self._connected())

    def _put_aside(self, error: Exception) -> None:
        """With what belongs to it: a WAL may hold the last of its history."""
        stamp = f"damaged-{int(self._clock.wall())}"
        aside = self._free(self._path.with_name(f"{self._path.name}.{stamp}"))
        for suffix in ("-wal", "-shm", ""):  # the file itself last: a kill in between leaves it to be found again
            with contextlib.suppress(FileNotFoundError):
                self._path.with_name(self._path.name + suffix).rename(aside.with_name(aside.name + suffix))
        logs.warning("the journal was damaged: a new one is begun", why=error, old_one=aside)

    def _free(self, path: Path) -> Path:
        numbers = itertools.count(2)
        free = path
        while os.path.lexists(free):
            free = path.with_name(f"{path.name}-{next(numbers)}")
        return free

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            # Made here, so that it is private from its first moment, and an error of the disk has its number.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            os.chmod(self._path, 0o600)
            self._connection = _opened(self._path)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _make_tables(connection)
        if (found := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise _Unreadable(found)  # else a row that no search finds would be under way for ever
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _make_tables(connection: sqlite3.Connection) -> None:
    """Where they are missing. Raises `_Unreadable` where others have their names."""
    try:
        connection.executescript(_SCHEMA)
        connection.execute(f"SELECT {_ALL_COLUMNS} FROM jobs LIMIT 1")
        connection.execute("SELECT name, value FROM marks LIMIT 1")
    except sqlite3.OperationalError as error:
        if _code(error) != sqlite3.SQLITE_ERROR:
            raise
        raise _Unreadable(f"it is a database of something else: {error}") from error


class _Unreadable(Exception):
    """A row or a table that this program has not written like that."""


def _code(error: sqlite3.Error) -> int | None:
    """SQLite's own number for it; None for what Python found wrong with an answer."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _shows_damage(error: Exception) -> bool:
    """Whether the file is no (whole) database; a full disk or a lock is no damage, and an error of ours is none."""
    if isinstance(error, sqlite3.OperationalError) and _code(error) is None:
        return True  # a text in it is none
    return isinstance(error, _Unreadable) or (isinstance(error, sqlite3.Error) and _code(error) in _OF_DAMAGE)


def _values(job: Job) -> tuple[object, ...]:
    problem = job.problem
    return (
        job.id, job.folder, os.fsencode(job.name), os.fsencode(job.relative_dir), str(job.state),
        job.attempts, job.suspect, job.ran_in, job.sha256, job.stamp.size,
        json.dumps([result.target.path for result in job.results]),
        json.dumps(asdict(job.filed_as)) if job.filed_as else None,
        *((problem.reason, logs.shown(problem.message), logs.shown(problem.what_to_do)) if problem else (None,) * 3),
        job.claimed_wall, job.finished_wall,
    )  # fmt: skip


def _row(row: tuple[object, ...]) -> Row:
    values = dict(zip([*_COLUMNS, "requeued_as"], row, strict=True))
    try:
        return _row_of(values)
    except (ValueError, TypeError) as error:
        raise _Unreadable(f"job {values['id']}: {error}") from error


def _row_of(values: dict[str, Any]) -> Row:
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
