"""Break each contract on purpose and see its test fail: `make mutants`, or `python -m tests.mutants [NAME ...]`.

Each break is made in a copy of the project. One line a break; exit 1 when a test did not see its break. Beside them the
same tests run once in a copy without any break: exit 1 when one is red there, too. What skips here is told apart.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
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
_COPIED = ("bshm_watchd", "tests", "config", "docs", "pyproject.toml", "README.md")
_FAILED = 1  # pytest's exit code where tests failed; any other says that none could
_SECONDS = 300
_UNBROKEN_SECONDS = 1800  # of all tests together
_SEEN, _SKIPPED, _NOT_SEEN = "seen", "skipped", "NOT SEEN"


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
        unbroken = pool.submit(_unbroken, sorted({mutant.test for mutant in chosen}))
        said = Counter(map(_say, chosen, pool.map(_verdict, chosen)))
    skipped = f", {said[_SKIPPED]} can't be tried here" if said[_SKIPPED] else ""
    print(f"{said[_SEEN]} of {len(chosen)} breaks were seen{skipped}; without a break: {unbroken.result().why}")
    return 1 if said[_NOT_SEEN] or unbroken.result().how != _SEEN else 0


@dataclass(frozen=True, slots=True)
class Verdict:
    how: str
    why: str  # what the test said, or why it said nothing


def _say(mutant: Mutant, verdict: Verdict) -> str:
    print(f"{verdict.how:8} {mutant.contract:4} {mutant.what}  ({mutant.test})\n{'':14}{verdict.why}", flush=True)
    return verdict.how


def times(mutant: Mutant) -> int:
    """How often the text that it breaks stands in its file: once, or it does not fit any more."""
    return (_ROOT / mutant.path).read_text(encoding="utf-8").count(mutant.old)


def _verdict(mutant: Mutant) -> Verdict:
    if times(mutant) != 1:
        return Verdict(_NOT_SEEN, f"does not fit: {mutant.path} has {mutant.old!r} {times(mutant)} times")
    with _copied() as copy:
        path = copy / mutant.path
        path.write_text(path.read_text(encoding="utf-8").replace(mutant.old, mutant.new), encoding="utf-8")
        try:
            code, lines = _tested(copy, _SECONDS, "-x", mutant.test)
        except subprocess.TimeoutExpired:
            return Verdict(_NOT_SEEN, f"not over after {_SECONDS} s, which says nothing")
    failed, skipped, passed = (_of(outcome, lines) for outcome in ("FAILED", "SKIPPED", "PASSED"))
    if code == _FAILED and failed:
        return Verdict(_SEEN, failed[0].partition(" - ")[2] or "it failed")
    if code == 0 and skipped and not passed:
        return Verdict(_SKIPPED, f"skipped here, because {skipped[0].partition(': ')[2]}")
    return Verdict(_NOT_SEEN, f"pytest ended with {code}: {' '.join(' '.join(lines).split()[-12:])}")


def _unbroken(tests: list[str]) -> Verdict:
    """`_SEEN` where they are green, as they must be without a break."""
    with _copied() as copy:
        code, lines = _tested(copy, _UNBROKEN_SECONDS, *tests)
    red = [*_of("FAILED", lines), *_of("ERROR", lines)]
    if code != 0:
        return Verdict(_NOT_SEEN, "\n".join([f"pytest ended with {code}", *red]))
    return Verdict(_SEEN, f"{len(_of('PASSED', lines))} tests passed")


def _tested(copy: Path, seconds: float, *arguments: str) -> tuple[int, list[str]]:
    """pytest's exit code, and its lines, among them one of each outcome."""
    command = [sys.executable, "-m", "pytest", "-q", "-rfEsp", "-p", "no:cacheprovider", *arguments]
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "200"}
    ended = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=seconds)
    return ended.returncode, ended.stdout.splitlines()


def _of(outcome: str, lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith(f"{outcome} ")]


@contextlib.contextmanager
def _copied() -> Iterator[Path]:
    """A copy of the project."""
    with tempfile.TemporaryDirectory(prefix="bshm-watchd-mutant-", ignore_cleanup_errors=True) as base:
        os.chmod(base, 0o755)  # some tests become another user
        for name in _COPIED:
            _copy(_ROOT / name, Path(base) / name)
        yield Path(base)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
    elif source.exists():
        shutil.copy2(source, target)


if __name__ == "__main__":
    sys.exit(main())
