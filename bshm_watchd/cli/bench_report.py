"""`bshm-watchd bench report`: results as a page that can be read, kept and passed on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bshm_watchd.cli.console import say


def report(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT...", help="Results of `bench speed` and `bench quality`.")
    ],
    directory: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Where to; made if it is not there.")
    ],
) -> None:
    """Make a report of results: report.html, one page that needs nothing else, and report.md with its plots.

    Several results, such as an older one and a newer one, stand side by side in the order in which they are named. An
    earlier report in the same directory is replaced. It takes two more libraries: pip install 'bshm-watchd[bench]'.

    \b
    Example:
      bshm-watchd bench report speed.json quality.json -o report/
    """
    from bshm_watchd.bench.report import write_report

    html, markdown, *_ = write_report(results, directory)
    say(f"{html}")
    say(f"{markdown}")
