"""Break each contract on purpose and see its test fail: `make mutants`, or `python -m tests.mutants [NAME ...]`.

Each break is made in a copy of the project. One line a break; exit 1 when a test did not see its break.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import tests.mutants
from tests.mutants.mutant import Mutant
from tests.support.contracts import CONTRACTS

_ROOT = Path(__file__).resolve().parents[2]
_COPIED = ("bshm_watchd", "tests", "config", "docs", "systemd", "pyproject.toml", "README.md")
_FAILED = 1  # pytest's exit code where tests failed; any other says that none could
_SECONDS = 300


def mutants() -> list[Mutant]:
    """All of them, in the contracts' order."""
    modules = [import_module(f"tests.mutants.{found.name}") for found in iter_modules(tests.mutants.__path__)]
    found = [mutant for module in modules for mutant in getattr(module, "MUTANTS", ())]
    return sorted(found, key=lambda mutant: list(CONTRACTS).index(mutant.contract))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("contracts", nargs="*", metavar="NAME", help="only the breaks of these contracts")
    wanted = parser.parse_args().contracts
    chosen = [mutant for mutant in mutants() if not wanted or mutant.contract in wanted]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        seen = list(map(_say, chosen, pool.map(_verdict, chosen)))
    print(f"{sum(seen)} of {len(chosen)} breaks were seen")
    return 0 if all(seen) else 1


@dataclass(frozen=True, slots=True)
class Verdict:
    seen: bool
    why: str  # what the test said, or why it said nothing


def _say(mutant: Mutant, verdict: Verdict) -> bool:
    how = "seen" if verdict.seen else "NOT SEEN"
    print(f"{how:8} {mutant.contract:4} {mutant.what}  ({mutant.test})\n{'':14}{verdict.why}", flush=True)
    return verdict.seen


def times(mutant: Mutant) -> int:
    """How often the text that it breaks stands in its file: once, or it does not fit any more."""
    return (_ROOT / mutant.path).read_text(encoding="utf-8").count(mutant.old)


def _verdict(mutant: Mutant) -> Verdict:
    if times(mutant) != 1:
        return Verdict(False, f"does not fit: {mutant.path} has {mutant.old!r} {times(mutant)} times")
    with _broken(mutant) as copy:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", mutant.test]
        environment = os.environ | {"PYTHONPATH": copy, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
        try:
            ended = subprocess.run(
                command, cwd=copy, env=environment, capture_output=True, text=True, timeout=_SECONDS
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return Verdict(False, f"not over after {_SECONDS} s, which says nothing")
    failed = [line for line in ended.stdout.splitlines() if line.startswith("FAILED ")]
    if ended.returncode == _FAILED and failed:
        return Verdict(True, failed[0].partition(" - ")[2] or "it failed")
    return Verdict(False, f"pytest ended with {ended.returncode}: {' '.join(ended.stdout.split()[-12:])}")


@contextlib.contextmanager
def _broken(mutant: Mutant) -> Iterator[str]:
    """A copy of the project with the break made."""
    with tempfile.TemporaryDirectory(prefix="bshm-watchd-mutant-", ignore_cleanup_errors=True) as base:
        for name in _COPIED:
            _copy(_ROOT / name, Path(base) / name)
        path = Path(base) / mutant.path
        path.write_text(path.read_text(encoding="utf-8").replace(mutant.old, mutant.new), encoding="utf-8")
        yield base


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
    elif source.exists():
        shutil.copy2(source, target)


if __name__ == "__main__":
    sys.exit(main())
