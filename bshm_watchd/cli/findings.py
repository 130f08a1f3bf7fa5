"""What `check` and `doctor` find: one line a thing, in three levels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bshm_watchd.cli.console import print_table


@dataclass(frozen=True, slots=True)
class Finding:
    """`note` works, but you should know; `problem` keeps the daemon from working as configured."""

    subject: str
    level: Literal["ok", "note", "problem"]
    message: str


def ok(subject: str, message: str) -> Finding:
    return Finding(subject, "ok", message)


def note(subject: str, message: str) -> Finding:
    return Finding(subject, "note", message)


def problem(subject: str, message: str) -> Finding:
    return Finding(subject, "problem", message)


def has_problem(findings: Iterable[Finding]) -> bool:
    return any(finding.level == "problem" for finding in findings)


def as_json(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    return [asdict(finding) for finding in findings]


def print_findings(findings: Iterable[Finding]) -> None:
    print_table(("", "what", "found"), [(one.level, one.subject, one.message) for one in findings])
