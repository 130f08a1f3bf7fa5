"""What `bench all` measures, compares and reports with."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bshm_watchd.cli import chosen
from bshm_watchd.cli.bench_library import Doing
from bshm_watchd.cli.bench_quality import print_quality, tell_left_out
from bshm_watchd.clock import SystemClock

if TYPE_CHECKING:
    from bshm_watchd.bench.comparing import Comparison
    from bshm_watchd.bench.quality import Judged
    from bshm_watchd.bench.results import Stamp
    from bshm_watchd.bench.whole import Held, Parts, Result
    from bshm_watchd.cli.bars import Told

_THRESHOLD_PERCENT = 5.0


def doing(context: typer.Context, library: Path, load: Callable[[str], object] = importlib.import_module) -> Doing:
    """Speed is measured below `library`. Raises `ConfigError` where what reports are made with is not installed."""
    from bshm_watchd.bench.report import refuse_missing, write_report

    refuse_missing(load)
    return Doing(lambda told: _parts(context, library, told), _show, write_report)


def _parts(context: typer.Context, library: Path, told: Told) -> Parts:
    from bshm_watchd.bench.whole import Parts
    from bshm_watchd.cli.bench_speed import sets_to_measure

    return Parts(
        lambda sets: sets_to_measure(context, sets, library, told),
        lambda directory: _quality(context, directory, told),
        _compared,
        SystemClock(),
    )


def _quality(context: typer.Context, directory: Path, told: Told) -> tuple[Stamp, Judged]:
    from bshm_watchd.bench.pairs import find_pairs
    from bshm_watchd.bench.quality import measured

    found = find_pairs(directory)
    tell_left_out(found.left_out)
    state_dir, model, limits = chosen.model_and_limits(context)
    return measured(found, model, limits, state_dir, told)


def _compared(expected: Result, found: Result) -> Held:
    from bshm_watchd.bench.comparing import comparison
    from bshm_watchd.bench.whole import Held

    compared = comparison(expected, found, _THRESHOLD_PERCENT / 100)
    return Held(tuple(_lines(compared)), compared.is_worse)


def _lines(compared: Comparison) -> Iterator[str]:
    """What changed, what may be why, and what to make of it."""
    from bshm_watchd.bench.verdicts import percent
    from bshm_watchd.cli.bench_compare import conclusion

    for one in compared.figures:
        if one.verdict in ("regression", "better"):
            was, now = (f"{value:.4g} {one.unit}".strip() for value in (one.old, one.new))
            yield f"{one.verdict}: {one.place}, {one.subject}: {now}, expected {was} ({percent(one.ratio)})"
    yield from (f"regression: fails now, and did not before: {line}" for line in compared.newly_failed)
    yield from (f"not the same: {line}" for line in compared.notes)
    yield from conclusion(compared, _THRESHOLD_PERCENT)


def _show(result: Result) -> None:
    from bshm_watchd.bench.results import QualityResult
    from bshm_watchd.cli.speed_tables import print_speed

    if isinstance(result, QualityResult):
        print_quality(result)
    else:
        print_speed(result)
