"""The numbers of each contender, for one kind of material, as a Markdown table."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence

from bshm_watchd.bench.quality_errors import Errors
from bshm_watchd.bench.results import WRONG_MAD

_HEADING = (
    "| | SAD | MSE | MAD | gradient | connectivity | edge PSNR, dB | MAD > .05 | ms a photo |",
    "|---|---|---|---|---|---|---|---|---|",
)


def table(results: Mapping[str, Sequence[Errors]], milliseconds: Mapping[str, float]) -> Iterator[str]:
    """Means over all pictures, one line a contender."""
    yield from _HEADING
    for name, errors in results.items():
        yield _line(name, errors, milliseconds[name])


def _line(name: str, errors: Sequence[Errors], milliseconds: float) -> str:
    mean = {field: statistics.fmean(getattr(error, field) for error in errors) for field in Errors.__annotations__}
    failed = statistics.fmean(error.mad > WRONG_MAD for error in errors)
    return (
        f"| {name} | {mean['sad']:.2f} | {mean['mse']:.4f} | {mean['mad']:.4f} | {mean['gradient']:.2f} "
        f"| {mean['connectivity']:.2f} | {mean['edge_psnr']:.1f} | {failed:.1%} | {milliseconds:.0f} |"
    )
