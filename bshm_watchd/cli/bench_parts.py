"""What `bench all` measures, compares and reports with."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from bshm_watchd.cli import chosen
from bshm_watchd.cli.bench_library import Doing
from bshm_watchd.cli.bench_quality import print_quality, tell_left_out
from bshm_watchd.clock import SystemClock

if TYPE_CHECKING:
    from bshm_watchd.bench.quality import Judged
    from bshm_watchd.bench.results import Stamp
    from bshm_watchd.bench.whole import Held, Parts, Result
    from bshm_watchd.cli.bars import Told


def doing(context: typer.Context) -> Doing:
    return Doing(lambda told: _parts(context, told), _show, _report)


def _parts(context: typer.Context, told: Told) -> Parts:
    from bshm_watchd.bench.whole import Parts

    speed = _other("bshm_watchd.cli.bench_speed")
    return Parts(
        lambda sets: speed.speed_of_sets(context, sets, told),
        lambda directory: _quality(context, directory, told),
        _compared,
        SystemClock(),
    )


def _quality(context: typer.Context, directory: Path, told: Told) -> tuple[Stamp, Judged]:
    from bshm_watchd.bench.pairs import find_pairs
    from bshm_watchd.bench.quality import measured
    from bshm_watchd.config import BatchSettings

    found = find_pairs(directory)
    tell_left_out(found.left_out)
    state_dir, model, limits = chosen.model_and_limits(context)
    return measured(found, model, BatchSettings(), limits, state_dir, told)


def _compared(expected: Result, found: Result) -> Held:
    from bshm_watchd.bench.whole import Held

    comparison = _other("bshm_watchd.bench.comparing").comparison(expected, found)
    return Held(tuple(_other("bshm_watchd.cli.bench_compare").lines(comparison)), comparison.is_worse)


def _show(result: Result) -> None:
    from bshm_watchd.bench.results import QualityResult

    if isinstance(result, QualityResult):
        print_quality(result)
    else:
        _other("bshm_watchd.cli.speed_tables").print_speed(result)


def _report(results: Sequence[Path], directory: Path) -> list[Path]:
    written: list[Path] = _other("bshm_watchd.bench.report").write_report(results, directory)
    return written


def _other(module: str) -> Any:
    """Raises `ConfigError` where this installation lacks it."""
    from bshm_watchd.errors import ConfigError

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError([f"{module} is not part of this installation: {error}"]) from error
