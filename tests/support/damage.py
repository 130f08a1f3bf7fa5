"""What a broken disk or a curious hand does to the journal and to the records of jobs."""

from __future__ import annotations

import json
import os
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

from bshm_watchd.journal import JOURNAL_NAME

Damage = Callable[[Path], None]

# -- of the journal: called with the state directory ---------------------------------------------------------


def journal_damages(seed: int, flips: int) -> dict[str, Damage]:
    damages: dict[str, Damage] = {
        "deleted": _delete_all,
        "emptied": lambda state: _write(state / JOURNAL_NAME, b""),
        "garbage": _garbage,
        "of another program": _foreign_database,
        "wal lost": lambda state: (state / f"{JOURNAL_NAME}-wal").unlink(missing_ok=True),
        "wal garbage": lambda state: _write(state / f"{JOURNAL_NAME}-wal", random.Random(seed).randbytes(20_000)),
        "wal of another": _foreign_wal,
        "shm lost": lambda state: (state / f"{JOURNAL_NAME}-shm").unlink(missing_ok=True),
        "shm garbage": lambda state: _write(state / f"{JOURNAL_NAME}-shm", random.Random(seed).randbytes(32_768)),
        "main file lost": lambda state: (state / JOURNAL_NAME).unlink(),
    }
    for share in (0.1, 0.5, 0.9):
        damages[f"cut to {share:.0%}"] = _cut_to(share)
    for number in range(flips):
        damages[f"bits flipped {number}"] = _flip(seed * 1000 + number)
    return damages


def _delete_all(state: Path) -> None:
    for path in state.glob(f"{JOURNAL_NAME}*"):
        path.unlink()


def _garbage(state: Path) -> None:
    _delete_all(state)
    _write(state / JOURNAL_NAME, random.Random(0).randbytes(20_000))


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _foreign_database(state: Path) -> None:
    """With tables of the same names, and none of our columns."""
    _delete_all(state)
    with sqlite3.connect(state / JOURNAL_NAME) as connection:
        connection.executescript("CREATE TABLE jobs (id TEXT, boss TEXT); CREATE TABLE marks (id TEXT)")
    connection.close()


def _foreign_wal(state: Path) -> None:
    """As if a backup had been put beside a newer log."""
    other = state / "other"
    connection = sqlite3.connect(other)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (x)")
    (state / f"{JOURNAL_NAME}-wal").write_bytes(other.with_name("other-wal").read_bytes())
    connection.close()
    for path in state.glob("other*"):
        path.unlink()


def _cut_to(share: float) -> Damage:
    def cut(state: Path) -> None:
        _settle(state)
        path = state / JOURNAL_NAME
        os.truncate(path, int(path.stat().st_size * share))

    return cut


def _flip(seed: int) -> Damage:
    """A bit in each of a few bytes, anywhere."""

    def flip(state: Path) -> None:
        _settle(state)
        path, chance = state / JOURNAL_NAME, random.Random(seed)
        content = bytearray(path.read_bytes())
        for _ in range(chance.choice((1, 4, 60))):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)

    return flip


def _settle(state: Path) -> None:
    """Everything into the main file, so that the damage meets it."""
    with sqlite3.connect(state / JOURNAL_NAME) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


# -- of a record: called with a job's work directory ---------------------------------------------------------


def record_damages(lengths: int) -> dict[str, Damage]:
    damages: dict[str, Damage] = {
        "emptied": lambda work: _write(work / "job.json", b""),
        "garbage": lambda work: _write(work / "job.json", random.Random(work.name).randbytes(900)),
        "zeros": lambda work: _write(work / "job.json", bytes(4096)),
        "other JSON": lambda work: _write(work / "job.json", b'{"version": 1, "id": "somebody else\'s"}'),
        "missing": lambda work: (work / "job.json").unlink(),
        "another job": _of_another_job,
        "a directory": _directory,
        "a full directory": _full_directory,
        "a link": lambda work: _link(work, "/etc/hostname"),
        "a link to itself": lambda work: _link(work, "job.json"),
        "a pipe": _pipe,
    }
    for number in range(lengths):
        damages[f"torn {number}"] = _torn(number / lengths)
    return damages


def _torn(share: float) -> Damage:
    def tear(work: Path) -> None:
        path = work / "job.json"
        os.truncate(path, int(path.stat().st_size * share))

    return tear


def _of_another_job(work: Path) -> None:
    """A record that is whole, and says that it is of a job which lies elsewhere."""
    path = work / "job.json"
    content = json.loads(path.read_bytes())
    path.write_text(json.dumps(content | {"id": "0" * 26, "name": "never-was.jpg"}))


def _directory(work: Path) -> None:
    (work / "job.json").unlink()
    (work / "job.json").mkdir()


def _full_directory(work: Path) -> None:
    _directory(work)
    (work / "job.json" / "note.txt").write_text("mine")


def _link(work: Path, target: str) -> None:
    (work / "job.json").unlink()
    (work / "job.json").symlink_to(target)


def _pipe(work: Path) -> None:
    (work / "job.json").unlink()
    os.mkfifo(work / "job.json")
