"""`bshm-watchd bench`: measure, and compare what was measured. A file for each verb; here they are only named."""

from __future__ import annotations

import typer

from bshm_watchd.cli import bench_compare, bench_library, bench_quality, bench_report, bench_speed

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    short_help="Measure speed and quality here, and compare.",
    help="Measure speed and quality here, and compare.",
)

app.command("speed", short_help="How many photos a second, how long one takes, and why.")(bench_speed.speed)
app.command("quality", short_help="How good the mattes are, where the true ones are known.")(bench_quality.quality)
app.command("compare", short_help="Is the newer measurement slower, or only noisier?")(bench_compare.compare)
app.command("report", short_help="Make a page with tables and plots from results.")(bench_report.report)
app.command("library", short_help="Build pictures to measure with, and put yours beside them.")(bench_library.library)
app.command("all", short_help="Measure with all of a library, compare, report.")(bench_library.all_)
