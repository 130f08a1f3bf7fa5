"""`bshm-watchd bench`: measure speed and quality, compare, report."""

from __future__ import annotations

import typer

from bshm_watchd.cli.bench_quality import quality

app = typer.Typer(
    help="Measure how fast and how good this is here.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


@app.callback()
def _group() -> None:
    """Measure how fast and how good this is here."""


app.command("quality")(quality)
