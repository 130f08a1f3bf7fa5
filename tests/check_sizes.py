"""What no linter knows: sizes, names and words of this project. Prints every problem as path:line; exit 1 when any.

Run by `make check`, and by hand: `python tests/check_sizes.py`.
"""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_FILE_LINES = 350
MAX_MEDIAN_FUNCTION_LINES = 12
_ENOUGH_FOR_A_MEDIAN = 3

_EMPTY_NAMES = {"util", "utils", "helper", "helpers", "manager", "handler", "data", "info"}
_LEVELS_IN = "bshm_watchd/logs.py"  # there `info` is the name of a level, and says what it is
_TIME_IS_READ_IN = "bshm_watchd/clock.py"

# (pattern, what to say instead, where the word is right all the same). One word for one thing: docs/glossary.md.
_SYNONYMS: tuple[tuple[str, str, str], ...] = (
    (r"quarantin\w*", "rejected or failed", ""),
    (r"ingest\w*", "intake, claim", ""),
    (r"dead[ _-]?letter\w*", "failed", ""),
    (r"(inbox|input|incoming|watch|watched|spool)[ _](folder|directory|dir)s?", "hot folder, or drop", ""),
    (r"stabili[sz]\w*", "settle", ""),
    (r"(?<!acl[ _])masks?", "matte", "bshm_watchd/matting/"),
    (r"trans?parency[ _]map", "matte", ""),
    (r"side[ _-]car", "sidecar", ""),
    (r"cut[ _-]out_\w+|cutouts?_image", "cutout", ""),
)

# Split so that this file does not find itself.
_UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|HA" r"CK)\b")
_MACHINE = re.compile(r"(?<![\w.>}*-])/(?:work|opt|home/\w+|root)/|pypi" r"\.org|pythonhosted" r"\.org")
_TEXT = {".py", ".md", ".toml", ".yaml", ".yml", ".lock", ".service", ".conf", ".txt", ""}


@dataclass(frozen=True, order=True)
class Problem:
    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    files = {path: (root / path).read_text(encoding="utf-8", errors="replace") for path in _text_files(root)}
    problems = sorted(problem for path, text in files.items() for problem in problems_in(path, text))
    for problem in problems:
        print(problem)
    if not problems:
        print(f"sizes, names and words: {len(files)} files, no problem")
    return 1 if problems else 0


def _text_files(root: Path) -> list[str]:
    """Files that git knows or would take, so that nothing ignored is judged and nothing new is missed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return [path for path in listed.split("\0") if path and Path(path).suffix in _TEXT and (root / path).is_file()]


def problems_in(path: str, text: str) -> Iterator[Problem]:
    """Every problem of one file; `path` is relative to the project's root, with forward slashes."""
    yield from _unfinished_or_local(path, text)
    if not path.endswith(".py"):
        return
    yield from _too_long(path, text)
    tree = ast.parse(text, path)
    yield from _long_functions(path, tree)
    yield from _empty_names(path, tree)
    if path.startswith("bshm_watchd/"):
        yield from _synonyms(path, text)
        yield from _time_outside_its_place(path, tree)


def _unfinished_or_local(path: str, text: str) -> Iterator[Problem]:
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _UNFINISHED.search(line):
            yield Problem(path, number, f"{found[0]}: finish it, or leave it out")
        if found := _MACHINE.search(line):
            yield Problem(path, number, f"{found[0]}: a place that is not part of the project")


def _too_long(path: str, text: str) -> Iterator[Problem]:
    lines = len(text.splitlines())
    if lines > MAX_FILE_LINES:
        yield Problem(path, lines, f"{lines} lines, more than {MAX_FILE_LINES}: split it where its subject splits")


def _long_functions(path: str, tree: ast.Module) -> Iterator[Problem]:
    lengths = [_own_lines(node) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    if len(lengths) < _ENOUGH_FOR_A_MEDIAN:
        return
    median = statistics.median(lengths)
    if median > MAX_MEDIAN_FUNCTION_LINES:
        yield Problem(path, 1, f"functions of {median:g} lines at the median, more than {MAX_MEDIAN_FUNCTION_LINES}")


def _own_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """From `def` to its last line, without the docstring: what is to be read as code."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None and isinstance(first, ast.Expr):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def _empty_names(path: str, tree: ast.Module) -> Iterator[Problem]:
    for part in sorted(_words_of(Path(path).stem) & _EMPTY_NAMES):
        yield Problem(path, 1, f"the file's name says {part}: name what it holds")
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or _may_be_empty(
            path, node.name
        ):
            continue
        for part in sorted(_words_of(node.name) & _EMPTY_NAMES):
            yield Problem(path, node.lineno, f"{node.name} says {part}: name what it is or does")


def _may_be_empty(path: str, name: str) -> bool:
    return name.startswith("test_") or (path == _LEVELS_IN and name == "info")


def _words_of(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def _synonyms(path: str, text: str) -> Iterator[Problem]:
    for number, line in enumerate(text.splitlines(), start=1):
        for pattern, word, allowed_below in _SYNONYMS:
            found = re.search(rf"(?<![a-zA-Z]){pattern}(?![a-zA-Z])", line, re.IGNORECASE)
            if found and not (allowed_below and path.startswith(allowed_below)):
                yield Problem(path, number, f"{found[0]}: say {word}")


def _time_outside_its_place(path: str, tree: ast.Module) -> Iterator[Problem]:
    if path == _TIME_IS_READ_IN:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(name.name == "time" for name in node.names):
            yield Problem(path, node.lineno, f"import time: only {_TIME_IS_READ_IN} knows it; take a Clock")
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            yield Problem(path, node.lineno, f"import from time: only {_TIME_IS_READ_IN} knows it; take a Clock")
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"} and _is_datetime(node.value):
            yield Problem(path, node.lineno, f"{node.attr}(): only {_TIME_IS_READ_IN} knows the time; take a Clock")


def _is_datetime(node: ast.expr) -> bool:
    return (isinstance(node, ast.Name) and node.id in {"datetime", "date"}) or (
        isinstance(node, ast.Attribute) and node.attr in {"datetime", "date"}
    )


if __name__ == "__main__":
    sys.exit(main())
