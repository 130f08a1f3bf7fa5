"""The table of docs/guarantees.md: each contract, the tests that name it, and the break that one of them saw.

`python -m tests.guarantees` writes it anew between the page's marks; a test sees a page that is out of date.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.mutants.__main__ import mutants
from tests.support.contracts import CONTRACTS

_ROOT = Path(__file__).resolve().parent.parent
PAGE = _ROOT / "docs" / "guarantees.md"
BEGIN, END = "<!-- table: python -m tests.guarantees -->", "<!-- end of the table -->"


def main() -> int:
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table()}\n{END}{after}", encoding="utf-8")
    return 0


def table() -> str:
    named = named_in()
    lines = ["| | what holds | tests that name it | broken on purpose | seen by |", "|---|---|---|---|---|"]
    for name, statement in CONTRACTS.items():
        breaks = [mutant for mutant in mutants() if mutant.contract == name]
        seen = "<br>".join(f"`{_short(mutant.test)}`" for mutant in breaks)
        lines.append(
            f"| {name} | {statement} | {_where(named.get(name, []))} | "
            f"{'<br>'.join(mutant.what for mutant in breaks)} | {seen} |"
        )
    return "\n".join(lines) + "\n"


def named_in() -> dict[str, list[str]]:
    """The test files in which each contract is named by a marker."""
    found: dict[str, list[str]] = {}
    for path in sorted((_ROOT / "tests").rglob("test_*.py")):
        for name in sorted(set(_names_in(ast.parse(path.read_text(encoding="utf-8"))))):
            found.setdefault(name, []).append(str(path.relative_to(_ROOT / "tests")))
    return found


def names_of(test: str) -> set[str]:
    """The contracts that one test names, by its node id: by its own markers or by its file's."""
    path, _, name = test.partition("::")
    body = ast.parse((_ROOT / path).read_text(encoding="utf-8")).body
    files = [node for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"]
    [own] = [node for node in body if isinstance(node, ast.FunctionDef) and node.name == name.partition("[")[0]]
    return {name for node in [*files, *own.decorator_list] for name in _names_in(node)}


def _names_in(tree: ast.AST) -> Iterator[str]:
    """Where markers are made from a table in the file (`*names`), every name of a contract that stands there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.contract":
            from_table = any(isinstance(argument, ast.Starred) for argument in node.args)
            texts = [one.value for one in ast.walk(tree if from_table else node) if isinstance(one, ast.Constant)]
            yield from (text for text in texts if text in CONTRACTS or not from_table)


def _where(files: list[str]) -> str:
    return ", ".join(file.removesuffix(".py").replace("test_", "") for file in files)


def _short(test: str) -> str:
    return test.rpartition("::")[2] or test


if __name__ == "__main__":
    sys.exit(main())
