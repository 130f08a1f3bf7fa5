"""How far a command is that takes minutes: a bar for each thing that is done, on standard error."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

from bshm_watchd.cli.console import complain

Told = Callable[[str, int, int | None], None]
"""What is being done, how much of it is done, and of how much; None: that is not known."""


@contextlib.contextmanager
def bars() -> Iterator[Told]:
    """On a terminal one bar for each thing that is done; else a line where each begins."""
    if not sys.stderr.isatty():
        yield _line_teller(complain)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=24), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
        tasks = {}

        def told(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield told


def _line_teller(tell: Callable[[str], None]) -> Told:
    begun: set[str] = set()

    def told(what: str, _: int, total: int | None) -> None:
        if what not in begun:
            begun.add(what)
            tell(what if total is None else f"{what} ({total})")

    return told
