"""What a report shows of one set's speed as plots: only what there are figures for."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from bshm_watchd.bench.percentiles import TOLD, is_backed, percentile
from bshm_watchd.bench.plots import (
    HEIGHT,
    SIDE_COLOURS,
    SIDE_LINES,
    SIDE_MARKERS,
    STAGE_COLOURS,
    WIDE,
    WIDTH,
    Plot,
    drawn,
    grid,
)
from bshm_watchd.bench.sides import SetSide
from bshm_watchd.bench.svg import INK
from bshm_watchd.bench.told import figure, per_cent, seconds
from bshm_watchd.stages import STAGES, Stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PHOTOS_IN_TIMELINE = 60
# Where what p50, p95 and p99 are is written: below the line it is empty to the right, above it to the left.
_BESIDE_THE_LINE = ((8, -10, "left"), (8, -8, "left"), (-7, 8, "right"))


def plots_of_set(sides: Sequence[SetSide]) -> list[Plot]:
    """Those there are figures for."""
    return [
        *_distribution(
            "From the drop to the result, a lone photo", sides, lambda side: side.speed.drop_to_result_seconds
        ),
        *_distribution("The model alone", sides, lambda side: side.speed.matte_seconds),
        *_distribution("From claim to result, in the bursts", sides, lambda side: side.speed.in_burst_seconds),
        *_rounds(sides),
        *_stage_shares(sides),
        *_batches(sides),
        *chain.from_iterable(_timeline(side, len(sides) > 1) for side in sides),
    ]


def _distribution(title: str, sides: Sequence[SetSide], samples_of: Callable[[SetSide], list[float]]) -> list[Plot]:
    """How many of the photos took no longer than so many seconds."""
    measured = [(side.label, samples_of(side)) for side in sides if samples_of(side)]
    if not measured:
        return []

    def draw(axes: Axes) -> None:
        for index, (label, samples) in enumerate(measured):
            _draw_distribution(axes, index, label if len(measured) > 1 else None, sorted(samples))
        lowest, highest = min(min(each) for _, each in measured), max(max(each) for _, each in measured)
        span = max(highest - lowest, highest / 5)
        axes.set_xlim(lowest - 0.08 * span, highest + (0.08 if len(measured) > 1 else 0.4) * span)
        axes.set_ylim(0, 1.09)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
        axes.set_ylabel("photos done")
        axes.set_xlabel("seconds" if len(measured) == 1 else "seconds (marked: p50, p95, p99)")
        grid(axes, "both")

    told = "; ".join(f"{label}: {_percentiles_told(samples)}" for label, samples in measured)
    return [drawn(title, told, (WIDTH, HEIGHT), draw)]


def _draw_distribution(axes: Axes, index: int, label: str | None, samples: list[float]) -> None:
    colour = SIDE_COLOURS[index % len(SIDE_COLOURS)]
    steps = [(place + 1) / len(samples) for place in range(len(samples))]
    axes.plot(
        [samples[0], *samples],
        [0, *steps],
        drawstyle="steps-post",
        color=colour,
        linestyle=SIDE_LINES[index % len(SIDE_LINES)],
        linewidth=1.8,
        label=label,
    )
    for of_hundred, (right, up, side) in zip(TOLD, _BESIDE_THE_LINE, strict=True):
        if not is_backed(samples, of_hundred):
            continue
        at = percentile(samples, of_hundred)
        axes.plot(at, of_hundred / 100, SIDE_MARKERS[index % len(SIDE_MARKERS)], color=colour, markersize=5)
        if label is None:
            axes.annotate(
                f"p{of_hundred}  {seconds(at)}",
                (at, of_hundred / 100),
                (right, up),
                textcoords="offset points",
                horizontalalignment=side,
                verticalalignment="center",
            )


def _percentiles_told(samples: list[float]) -> str:
    backed = [of_hundred for of_hundred in TOLD if is_backed(samples, of_hundred)]
    told = ", ".join(f"p{of_hundred} {seconds(percentile(samples, of_hundred))}" for of_hundred in backed)
    return f"{told or f'at most {seconds(max(samples))}'} of {len(samples)} samples"


def _rounds(sides: Sequence[SetSide]) -> list[Plot]:
    measured = [(side.label, [burst.photos_per_second for burst in side.speed.rounds]) for side in sides]
    measured = [(label, rounds) for label, rounds in measured if rounds]
    if not measured:
        return []

    def draw(axes: Axes) -> None:
        for index, (label, rounds) in enumerate(measured):
            numbers = range(1, len(rounds) + 1)
            _draw_line(axes, index, label if len(measured) > 1 else None, numbers, rounds)
        _whole_numbers(axes, 1, max(len(rounds) for _, rounds in measured))
        axes.set_ylim(0, max(max(rounds) for _, rounds in measured) * 1.15)
        axes.set_xlabel("round")
        axes.set_ylabel("photos a second")
        grid(axes, "y")

    told = "; ".join(
        f"{label}: median {figure(statistics.median(rounds))}, {figure(min(rounds))} to {figure(max(rounds))}"
        for label, rounds in measured
    )
    return [drawn("Throughput of each round", told, (WIDTH, HEIGHT), draw)]


def _batches(sides: Sequence[SetSide]) -> list[Plot]:
    measured = [(side.label, dict(sorted(side.speed.batches.items()))) for side in sides if side.speed.batches]
    if not measured:
        return []
    sizes = sorted({size for _, batches in measured for size in batches})

    def draw(axes: Axes) -> None:
        for index, (label, batches) in enumerate(measured):
            places = [sizes.index(size) for size in batches]
            _draw_line(axes, index, label if len(measured) > 1 else None, places, list(batches.values()))
        axes.set_xlim(-0.4, len(sizes) - 0.6)
        axes.set_xticks(range(len(sizes)), [str(size) for size in sizes])
        axes.set_ylim(0, max(max(batches.values()) for _, batches in measured) * 1.15)
        axes.set_xlabel("pictures in a batch")
        axes.set_ylabel("photos a second")
        grid(axes, "y")

    told = "; ".join(
        f"{label}: " + ", ".join(f"{figure(rate)} in batches of {size}" for size, rate in batches.items())
        for label, batches in measured
    )
    return [drawn("The model's throughput over the batch's size", told, (WIDTH, HEIGHT), draw)]


def _draw_line(axes: Axes, index: int, label: str | None, across: Sequence[float], up: Sequence[float]) -> None:
    axes.plot(
        across,
        up,
        color=SIDE_COLOURS[index % len(SIDE_COLOURS)],
        linestyle=SIDE_LINES[index % len(SIDE_LINES)],
        marker=SIDE_MARKERS[index % len(SIDE_MARKERS)],
        markersize=5,
        linewidth=1.6,
        label=label,
    )


def _whole_numbers(axes: Axes, first: int, last: int) -> None:
    """At most ten of them along the x axis."""
    axes.set_xlim(first - 0.5, last + 0.5)
    axes.set_xticks(range(first, last + 1, max(1, -(-(last - first + 1) // 10))))


def _stage_shares(sides: Sequence[SetSide]) -> list[Plot]:
    """Where a photo's CPU time goes when it is alone on the machine: a bar a result."""
    costs = [(side.label, {cost.stage: cost.cpu_seconds for cost in side.speed.stages}) for side in sides]
    measured = [(label, by_stage) for label, by_stage in costs if sum(by_stage.values()) > 0]
    if not measured:
        return []

    def draw(axes: Axes) -> None:
        for row, (_, by_stage) in enumerate(measured):
            _draw_shares(axes, row, by_stage, named=row == 0)
        totals = [f"{seconds(sum(by_stage.values()))}\nof CPU" for _, by_stage in measured]
        names = [label.replace(" (", "\n(") for label, _ in measured] if len(measured) > 1 else totals
        axes.set_yticks(range(len(measured)), names)
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel("per cent of a photo's CPU time")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)

    told = "; ".join(f"{label}: {_shares_told(by_stage)}" for label, by_stage in measured)
    return [drawn("Where the CPU time goes", told, (WIDTH, min(8, 1.5 + 0.6 * len(measured))), draw)]


def _draw_shares(axes: Axes, row: int, by_stage: Mapping[Stage, float], *, named: bool) -> None:
    total, left = sum(by_stage.values()), 0.0
    for stage in STAGES:
        share = 100 * by_stage.get(stage, 0) / total
        axes.barh(
            row,
            share,
            left=left,
            height=0.62,
            color=STAGE_COLOURS[stage],
            edgecolor=INK,
            linewidth=0.5,
            label=stage if named else None,
        )
        if share >= 8:
            on_blue = "#ffffff" if stage == "decode" else "#000000"
            axes.text(left + share / 2, row, f"{share:.0f}", color=on_blue, ha="center", va="center_baseline")
        left += share


def _shares_told(by_stage: Mapping[Stage, float]) -> str:
    total = sum(by_stage.values())
    told = ", ".join(f"{stage} {per_cent(by_stage[stage] / total)}" for stage in STAGES if by_stage.get(stage))
    return f"{told} of {seconds(total)}"


def _timeline(side: SetSide, several: bool) -> list[Plot]:
    """The last burst: a row a photo, a colour a stage."""
    photos = sorted({span.photo for span in side.speed.timeline})
    if not photos:
        return []
    rows = photos[:MOST_PHOTOS_IN_TIMELINE]

    def draw(axes: Axes) -> None:
        for stage in STAGES:
            spans = [span for span in side.speed.timeline if span.stage == stage and span.photo in rows]
            axes.barh(
                [rows.index(span.photo) for span in spans],
                [span.ended - span.began for span in spans],
                left=[span.began for span in spans],
                height=0.8,
                color=STAGE_COLOURS[stage],
                edgecolor=INK,
                linewidth=0.35,
                label=stage,
            )
        every = max(1, -(-len(rows) // 12))
        axes.set_yticks(range(0, len(rows), every), [str(photo + 1) for photo in rows[::every]])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(left=0)
        axes.set_xlabel("seconds since the first claim")
        axes.set_ylabel("photo")
        grid(axes, "x")

    some = f", the first {len(rows)} of {len(photos)} photos" if len(rows) < len(photos) else ""
    title = f"Timeline of the last burst{some}" + (f": {side.label}" if several else "")
    last = max(span.ended for span in side.speed.timeline)
    told = f"{side.label}: {len(photos)} photos in {seconds(last)}, a row each, with a bar for each of its stages"
    return [drawn(title, told, (WIDE, 1.2 + min(max(0.13 * len(rows), 1.2), 4.8)), draw, wide=True)]
