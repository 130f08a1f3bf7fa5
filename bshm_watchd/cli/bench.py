"""`bshm-watchd bench`: measure, and compare what was measured. A file for each verb; here they are only named."""

from __future__ import annotations

import typer

from bshm_watchd.cli import bench_library, bench_quality

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    short_help="Measure speed and quality here, and compare.",
    help="Measure speed and quality here, and compare.",
)


@app.callback()
def _group() -> None:
    """Measure speed and quality here, and compare."""


app.command("quality", short_help="How good the mattes are, where the true ones are known.")(bench_quality.quality)
app.command("library", short_help="Build pictures to measure with, and put yours beside them.")(bench_library.library)
app.command("all", short_help="Measure with all of a library, compare, report.")(bench_library.all_)
