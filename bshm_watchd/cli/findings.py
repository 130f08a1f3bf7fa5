"""What `check` and `doctor` find: one line a thing, in three levels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bshm_watchd.cli.console import print_heading, print_table


@dataclass(frozen=True, slots=True)
class Finding:
    """`note` works, but you should know; `problem` keeps the daemon from working as configured."""

    subject: str
    level: Literal["ok", "note", "problem"]
    message: str


@dataclass(frozen=True, slots=True)
class Group:
    """Findings of one kind. `folded`: people see those that are as they should be in one line."""

    title: str
    findings: tuple[Finding, ...]
    folded: bool = False

    def shown(self) -> list[Finding]:
        if not self.folded:
            return list(self.findings)
        fine = [one for one in self.findings if one.level == "ok"]
        told = ", ".join(f"{one.subject} {re.split(r', |; | [(]', one.message)[0]}" for one in fine)
        return [*([ok("as wanted", told)] if fine else []), *(one for one in self.findings if one.level != "ok")]


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


def print_groups(groups: Sequence[Group]) -> None:
    """Each under its title, all their columns in line."""
    shown = [group.shown() for group in groups]
    width = max((len(one.subject) for findings in shown for one in findings), default=0)
    levels = max((len(one.level) for findings in shown for one in findings), default=0)
    for group, findings in zip(groups, shown, strict=True):
        print_heading(group.title)
        print_table(("",) * 3, [(one.level.ljust(levels), one.subject.ljust(width), one.message) for one in findings])


def print_findings(findings: Iterable[Finding]) -> None:
    print_table(("", "what", "found"), [(one.level, one.subject, one.message) for one in findings])


def groups_as_json(groups: Iterable[Group]) -> list[dict[str, Any]]:
    return [{"group": group.title, **asdict(one)} for group in groups for one in group.findings]
