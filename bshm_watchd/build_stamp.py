"""Which commit this program was built from: asked of what the build wrote, of pip, or of the checkout it runs from."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bshm_watchd

_DISTRIBUTION = "bshm-watchd"
_STAMP = "built_from.json"  # written by setup.py
_GIT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Stamp:
    """`commit`: in full; `date`: when it was made (ISO 8601), None where that is not told; `changed`: since then."""

    commit: str
    date: str | None = None
    changed: bool = False

    def __str__(self) -> str:
        date = f" of {self.date[:10]}" if self.date else ""
        return f"commit {self.commit[:12]}{date}{', with changes of its own' if self.changed else ''}"


def stamp() -> Stamp | None:
    """None where it can't be known."""
    package = Path(bshm_watchd.__file__).parent
    return written(package) or told_by_pip(_direct_url()) or of_checkout(package.parent)


def written(package: Path) -> Stamp | None:
    """What the build left in the package."""
    try:
        content = json.loads((package / _STAMP).read_text(encoding="utf-8"))
        return Stamp(str(content["commit"]), str(content["date"]), bool(content["changed"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def told_by_pip(direct_url: str | None) -> Stamp | None:
    """Of `pip install git+https://...`, which notes the commit that it took."""
    try:
        content: Any = json.loads(direct_url or "null")
        return Stamp(str(content["vcs_info"]["commit_id"]))
    except (ValueError, KeyError, TypeError):
        return None


def of_checkout(root: Path) -> Stamp | None:
    """Only where the program runs from a checkout, git is asked: an installed package has no `.git` beside it."""
    if not (root / ".git").exists():
        return None
    try:
        commit, date = _git(root, "log", "-1", "--format=%H %cI").split()
        changed = bool(_git(root, "status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Stamp(commit, date, changed)


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=_GIT_SECONDS).stdout


def _direct_url() -> str | None:
    try:
        return importlib.metadata.distribution(_DISTRIBUTION).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return None
