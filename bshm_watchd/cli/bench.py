"""`bshm-watchd bench`: measure, compare, and tell what was measured. A file for each verb; here they are only named."""

from __future__ import annotations

import typer

from bshm_watchd.cli import bench_compare, bench_report, bench_speed

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    short_help="Measure speed and mattes here, compare, and make a report.",
    help="Measure speed and mattes here, compare measurements, and make a report of them.",
)

app.command("speed", short_help="How many photos a second, how long one takes, and why.")(bench_speed.speed)
app.command("compare", short_help="Is the newer measurement slower, or only noisier?")(bench_compare.compare)
app.command("report", short_help="Make a page with tables and plots from results.")(bench_report.report)
