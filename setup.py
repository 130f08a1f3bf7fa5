"""Writes into what is built which commit it was built from; everything else stands in pyproject.toml.

An installed program has no repository to ask. Nothing is written into the source tree.
"""

import json
import subprocess
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
STAMP = Path("bshm_watchd", "built_from.json")


def commit() -> dict[str, object] | None:
    """None where this tree is no repository of its own, or git can't tell."""
    if not (ROOT / ".git").exists():
        return None
    try:
        name, date = _git("log", "-1", "--format=%H %cI").split()
        changed = bool(_git("status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None
    return {"commit": name, "date": date, "changed": changed}


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


def write_stamp(base: str) -> None:
    if (found := commit()) is not None and (Path(base) / STAMP.parent).is_dir():
        (Path(base) / STAMP).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


class StampedPackages(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            write_stamp(self.build_lib)


class StampedSource(sdist):
    """A wheel that is built from it finds the stamp in the package."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        write_stamp(base_dir)


setup(cmdclass={"build_py": StampedPackages, "sdist": StampedSource})
