"""`job.json`: the truth about a job, in its work directory beside the original.

Names are JSON strings in which bytes that are no UTF-8 stand as lone surrogates (PEP 383); the file is ASCII.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import stat
from collections.abc import Iterator
from typing import Any

from bshm_watchd.config import PermissionSettings
from bshm_watchd.disk.durable import read_record, write_record
from bshm_watchd.disk.ops import Disk
from bshm_watchd.jobs import Filed, Job, Place, Plan, Problem, Result, Stamp, State
from bshm_watchd.output_settings import OutputSettings

NAME = "job.json"
VERSION = 1
_NO_FILE = (errno.EISDIR, errno.ELOOP, errno.ESPIPE, errno.ENXIO)


class TornRecord(ValueError):
    """A `job.json` that can't be read as one: hand-edited or damaged."""


def write(disk: Disk, work_fd: int, job: Job) -> None:
    write_record(disk, work_fd, NAME, encode(job))


def read(disk: Disk, work_fd: int) -> Job | None:
    """The job in a work directory; None where there is no record. Raises `TornRecord` or `OSError`."""
    try:
        return decode(read_record(disk, work_fd, NAME))
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno not in _NO_FILE:
            raise
        raise TornRecord(f"no file, but something else: {error.strerror}") from error


def make_way(disk: Disk, work_fd: int) -> None:
    """A directory at the record's name gets another one: it is not ours, and no record could replace it."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISDIR(disk.lstat(work_fd, NAME).st_mode):
            disk.rename(work_fd, NAME, work_fd, f"{NAME}.found-{os.urandom(4).hex()}")


def encode(job: Job) -> bytes:
    return json.dumps({"version": VERSION, **fields_of(job)}, indent=1).encode("ascii")


def decode(content: bytes) -> Job:
    with torn():
        raw = json.loads(content)
        if raw.pop("version") != VERSION:
            raise TornRecord("unknown version")
        return job_of(raw)


@contextlib.contextmanager
def torn() -> Iterator[None]:
    """Whatever can't be read as a job in there is a `TornRecord`."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TornRecord(str(error)) from error


def fields_of(job: Job) -> dict[str, Any]:
    """What a record says of a job, as JSON has it."""
    content = {field.name: _plain_value(getattr(job, field.name)) for field in dataclasses.fields(job)}
    content["plan"]["outputs"] = [output.model_dump(mode="json") for output in job.plan.outputs]
    content["plan"]["permissions"] = job.plan.permissions.model_dump(mode="json")
    return content


def job_of(raw: dict[str, Any]) -> Job:
    """The job whose fields these are. Raises `ValueError`, `TypeError`, `KeyError` or `AttributeError`."""
    return Job(
        **{
            **raw,
            "state": State(raw["state"]),
            "stamp": Stamp(**raw["stamp"]),
            "plan": _plan(raw["plan"]),
            "results": tuple(_result(item) for item in raw["results"]),
            "filed_as": _place(raw["filed_as"]),
            "problem": Problem(**raw["problem"]) if raw["problem"] else None,
            "requeue_of": _filed(raw["requeue_of"]),
        }
    )


def _plain_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _plan(raw: dict[str, Any]) -> Plan:
    return Plan(
        outputs=tuple(OutputSettings.model_validate(item) for item in raw["outputs"]),
        output_roots=tuple(raw["output_roots"]),
        done=raw["done"],
        review=raw["review"],
        permissions=_permissions(raw["permissions"]),
    )


def _permissions(raw: dict[str, Any]) -> PermissionSettings:
    modes = {key: None if raw[key] is None else f"{raw[key]:04o}" for key in ("mode", "directory_mode")}
    return PermissionSettings.model_validate(raw | modes)


def _result(raw: dict[str, Any]) -> Result:
    return Result(**{**raw, "target": Place(**raw["target"])})


def _filed(raw: dict[str, Any] | None) -> Filed | None:
    return Filed(**{**raw, "place": Place(**raw["place"])}) if raw else None


def _place(raw: dict[str, Any] | None) -> Place | None:
    return Place(**raw) if raw else None
