"""One figure of two measurements: did it get worse, and is that more than chance? Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bshm_watchd.bench.significance import least_p_of_pairs, least_p_of_ranks, pairs_differ, ranks_differ

ALPHA = 0.01  # a comparison looks at a dozen figures: at .05 every other one would find something in nothing
THRESHOLD = 0.05

Verdict = Literal["regression", "better", "same", "chance", "too few"]
Better = Literal["more", "less"]


@dataclass(frozen=True, slots=True)
class Figure:
    """What is measured, and how. `floor`: a change of less than that, in `unit`, matters to nobody.

    `paired`: the samples are of the same pictures, in the same order.
    """

    subject: str
    unit: str
    better: Better
    floor: float = 0.0
    paired: bool = False


@dataclass(frozen=True, slots=True)
class Compared:
    """`old`, `new`: medians, of paired samples means. `ratio`: new to old; None where old is 0. `p`: that of chance.

    `regression` and `better`: by more than the threshold, and more than chance. `same`: by less than the threshold.
    `chance`: by more, yet chance does that. `too few`: by more, and so few samples can't tell it from chance.
    """

    place: str  # the set or the scene
    subject: str
    unit: str
    old: float
    new: float
    ratio: float | None
    p: float
    verdict: Verdict
    samples: tuple[int, int]


def compared(
    place: str, figure: Figure, old: Sequence[float], new: Sequence[float], threshold: float = THRESHOLD
) -> Compared:
    """Raises `ValueError` where either has no samples, or paired ones are not as many."""
    middle = statistics.fmean if figure.paired else statistics.median
    before, after = middle(old), middle(new)
    p = _p(figure, old, new)
    verdict: Verdict = "same"
    if abs(after - before) > max(abs(before) * threshold, figure.floor):
        worse = (after > before) == (figure.better == "less")
        verdict = _of_change(worse, p, _least_p(figure, len(old), len(new)))
    ratio = after / before if before else (1.0 if after == before else None)
    return Compared(
        place, figure.subject, figure.unit, before, after, ratio, p, verdict, (len(old), len(new))
    )  # fmt: skip


def _of_change(worse: bool, p: float, least_p: float) -> Verdict:
    if p <= ALPHA:
        return "regression" if worse else "better"
    return "too few" if least_p > ALPHA else "chance"


def _p(figure: Figure, old: Sequence[float], new: Sequence[float]) -> float:
    if not figure.paired:
        return ranks_differ(old, new)
    return pairs_differ([after - before for before, after in zip(old, new, strict=True)])


def _least_p(figure: Figure, old: int, new: int) -> float:
    return least_p_of_pairs(old) if figure.paired else least_p_of_ranks(old, new)


def enough_samples(paired: bool) -> int:
    """The fewest on each side that can tell a change from chance."""
    least = least_p_of_pairs if paired else lambda count: least_p_of_ranks(count, count)
    return next(count for count in range(1, 64) if least(count) <= ALPHA)


def percent(ratio: float | None) -> str:
    """`+12 %`, `-3.1 %`; what was 0 has none."""
    if ratio is None or not math.isfinite(ratio):
        return "-"
    change = (ratio - 1) * 100
    return f"{change:+.0f} %" if abs(change) >= 10 else f"{change:+.1f} %"
