"""The log: one event a line, fixed text first, then fields. File names are escaped before they get here or here."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

from bshm_watchd.jobs import Job

_LOGGER = logging.getLogger("bshm_watchd")
_FIELDS = "fields"


def info(event: str, **fields: Any) -> None:
    _LOGGER.info(event, extra={_FIELDS: fields})


def warning(event: str, **fields: Any) -> None:
    _LOGGER.warning(event, extra={_FIELDS: fields})


def error(event: str, exception: BaseException | None = None, **fields: Any) -> None:
    _LOGGER.error(event, exc_info=exception, extra={_FIELDS: fields})


def moved(job: Job, **fields: Any) -> None:
    """The one line of a job's move: its text is the state that the job is in now."""
    info(str(job.state), JOB_ID=job.id, HOT_FOLDER=job.folder, photo=job.relative, **fields)


def shown(text: str) -> str:
    """A file name as one printable line: control characters and bytes that are no UTF-8 stand as escapes."""
    readable = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in readable)


def start(level: int = logging.INFO) -> None:
    """Log to standard error from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines("%(asctime)s %(levelname)s %(message)s"))
    _LOGGER.handlers[:] = [handler]
    _LOGGER.setLevel(level)
    _LOGGER.propagate = False
    # It warns of what is ordinary here: a watch that is stopped while an event comes in.
    watchdog = logging.getLogger("watchdog")
    watchdog.handlers[:], watchdog.propagate = [handler], False
    watchdog.setLevel(logging.CRITICAL)


def hear(heard: Callable[[str, dict[str, Any]], None]) -> None:
    """Let every event from now on be heard as well, once `start` was called: its text and its fields.

    Called on the thread that logs, which waits for it.
    """
    _LOGGER.addHandler(_Hearer(heard))


class _Hearer(logging.Handler):
    def __init__(self, heard: Callable[[str, dict[str, Any]], None]) -> None:
        super().__init__()
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard(record.getMessage(), getattr(record, _FIELDS, {}))


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = getattr(record, _FIELDS, {})
        record = logging.makeLogRecord(record.__dict__ | {"levelname": record.levelname.lower()})
        record.msg = " ".join([shown(record.getMessage()), *(f"{key}={_value(v)}" for key, v in fields.items())])
        record.args = ()
        return super().format(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802  the base class's name
        """Indented, so that no line begins with what a file name in an error's text says."""
        return "\n".join("  " + shown(line) for line in super().formatException(ei).splitlines())


def _value(value: Any) -> str:
    """A field's value, quoted where it could be taken for more than one."""
    text = shown(str(value))
    if text and not set(text) & set(' "='):
        return text
    return '"' + text.replace('"', '\\"') + '"'
