"""Printing for people and for scripts. File names come out of here as printable text, whatever their bytes are."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from bshm_watchd.logs import shown

_PIPE_WIDTH = 10_000  # a line a row for grep and cut: nothing is folded
_STYLES = {
    "ok": "green",
    "better": "green",
    "note": "yellow",
    "problem": "bold red",
    "outside": "bold red",
    "regression": "bold red",
}


def say(text: str = "") -> None:
    sys.stdout.write(_printable(text) + "\n")


def complain(text: str) -> None:
    """To standard error, each line with the program's name in front."""
    for line in text.splitlines():
        sys.stderr.write(f"bshm-watchd: {shown(line)}\n")


def print_json(content: object) -> None:
    say(json.dumps(content, indent=2))


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, gap: int = 2, whole: Sequence[str] = ()
) -> None:
    """A table without frames; columns that are empty in every row are left out, None is an empty cell.

    Columns named in `whole` are never folded, however narrow the terminal is.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[_cell(value) for value in row] for row in rows]
    filled = [index for index in range(len(columns)) if any(row[index] for row in cells)]
    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold", show_header=any(columns))
    for index in filled:
        numbers = index > 0 and all(row[index].isdigit() for row in cells)
        table.add_column(
            columns[index], justify="right" if numbers else "left", overflow="fold", no_wrap=columns[index] in whole
        )
    for row in cells:
        table.add_row(*(Text(row[index], style=_STYLES.get(row[index].strip(), "")) for index in filled))
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
    with console.capture() as capture:
        console.print(table)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))


def print_heading(text: str) -> None:
    """A line of its own above a table, with an empty one before it."""
    bold, plain = (
        ("\x1b[1m", "\x1b[0m") if sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" else ("", "")
    )
    sys.stdout.write(f"\n{bold}{shown(text)}{plain}\n")


def duration(seconds: float | None) -> str:
    """`45 s`, `12 min`, `3.5 h`, `2.1 d`; nothing for None."""
    if seconds is None:
        return ""
    for unit, length in (("d", 86400.0), ("h", 3600.0)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def _cell(value: Any) -> str:
    return "" if value is None else shown(str(value))


def _printable(text: str) -> str:
    return "\n".join(shown(line) for line in text.split("\n"))
