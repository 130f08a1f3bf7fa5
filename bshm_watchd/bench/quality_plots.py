"""What a report shows of quality as plots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain
from typing import TYPE_CHECKING

from bshm_watchd.bench.plots import SIDE_COLOURS, SIDE_MARKERS, WIDTH, Plot, drawn, grid, short_name
from bshm_watchd.bench.results import PictureQuality
from bshm_watchd.bench.sides import SceneSide
from bshm_watchd.bench.svg import INK
from bshm_watchd.bench.told import errors_of, figure, mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plots_of_quality(scenes: Mapping[str, list[SceneSide]]) -> list[Plot]:
    return [
        *_errors("Mean absolute difference of alpha, per cent (less is better)", scenes, _mad_per_cent),
        *_errors("Edge PSNR, decibels (more is better)", scenes, lambda picture: picture.edge_psnr_db),
    ]


def _mad_per_cent(picture: PictureQuality) -> float | None:
    return None if picture.mad is None else picture.mad * 100


def _errors(
    title: str, scenes: Mapping[str, list[SceneSide]], of: Callable[[PictureQuality], float | None]
) -> list[Plot]:
    """A bar to each scene's mean, and a dot for each of its pictures; a bar a result."""
    values = {
        (name, side.label): errors
        for name, sides in scenes.items()
        for side in sides
        if (errors := errors_of(side.quality, of))
    }
    if not values:
        return []
    labels = list(dict.fromkeys(label for _, label in values))
    names = list(dict.fromkeys(name for name, _ in values))

    def draw(axes: Axes) -> None:
        height = 0.76 / len(labels)
        for index, label in enumerate(labels):
            rows = [(row, values[name, label]) for row, name in enumerate(names) if (name, label) in values]
            middles = [row - 0.38 + height * (index + 0.5) for row, _ in rows]
            _draw_errors(axes, index, label if len(labels) > 1 else None, middles, [each for _, each in rows], height)
        axes.set_yticks(range(len(names)), [short_name(name) for name in names])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlim(left=0)
        axes.tick_params(axis="y", length=0)
        grid(axes, "x")

    told = "; ".join(
        f"{name}{f', {label}' if len(labels) > 1 else ''}: mean {figure(mean(errors))}, "
        f"{figure(min(errors))} to {figure(max(errors))}"
        for (name, label), errors in values.items()
    )
    tall = min(14, 1.1 + 0.24 * len(names) * (1 + len(labels)))
    return [drawn(title, told, (WIDTH, tall), draw)]


def _draw_errors(
    axes: Axes, index: int, label: str | None, middles: list[float], errors: list[list[float]], height: float
) -> None:
    colour = SIDE_COLOURS[index % len(SIDE_COLOURS)]
    means = [mean(each) for each in errors]
    axes.barh(middles, means, height * 0.92, color=colour, alpha=0.55, edgecolor=colour, linewidth=0.8, label=label)
    axes.plot(
        list(chain.from_iterable(errors)),
        [middle for middle, each in zip(middles, errors, strict=True) for _ in each],
        SIDE_MARKERS[index % len(SIDE_MARKERS)],
        markersize=3.6,
        color=colour,
        markeredgecolor=INK,
        markeredgewidth=0.5,
        linestyle="none",
        clip_on=False,
    )
