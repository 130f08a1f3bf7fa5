"""`bshm-watchd bench`: what this machine does with photos, measured, and told so that others can read it."""

from __future__ import annotations

import typer

from bshm_watchd.cli import bench_report

app = typer.Typer(
    help="Measure speed and quality, and make a report of it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

app.command("report", short_help="Make a page with tables and plots from results.")(bench_report.report)
