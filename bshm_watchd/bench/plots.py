"""How a report's plots are drawn. Colours can be told apart by the colour-blind (Okabe and Ito)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bshm_watchd.bench.svg import INK, svg_of
from bshm_watchd.logs import shown
from bshm_watchd.stages import Stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STAGE_COLOURS: dict[Stage, str] = {
    "read": "#999999",
    "decode": "#0072b2",
    "matte": "#e69f00",
    "render": "#009e73",
    "write": "#cc79a7",
    "publish": "#f0e442",
    "file": "#56b4e9",
}
SIDE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
SIDE_LINES = ("-", "--", "-.", ":")
SIDE_MARKERS = "osD^v"
WIDTH, HEIGHT, WIDE = 4.8, 3.1, 8.6  # inches
_LONGEST_NAME = 26

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bench",
    "text.parse_math": False,  # a name with dollars is no formula
    "font.size": 9.5,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
}


@dataclass(frozen=True, slots=True)
class Plot:
    """`title` stands above it; `told` says what it shows, for those who can't see it. `wide`: takes a row's width."""

    title: str
    told: str
    svg: str
    wide: bool = False


def drawn(title: str, told: str, size: tuple[float, float], draw: Callable[[Axes], None], wide: bool = False) -> Plot:
    import logging
    import warnings

    import matplotlib
    from matplotlib.figure import Figure

    # A font that lacks the letters of a name is no problem here: who shows the page has others.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        drawing = Figure(figsize=size, layout="constrained")
        axes = drawing.add_subplot()
        draw(axes)
        if axes.get_legend_handles_labels()[1]:
            drawing.legend(loc="outside lower center", ncols=_legend_columns(axes, size[0]), handlelength=1.6)
        return Plot(title, told, svg_of(drawing), wide)


def _legend_columns(axes: Axes, width: float) -> int:
    """As many as fit beside each other, at a tenth of an inch a letter and half an inch for what stands before it."""
    labels = axes.get_legend_handles_labels()[1]
    fitting = int(width / (0.5 + 0.1 * max(map(len, labels))))
    return max(1, min(len(labels), fitting))


def short_name(text: str) -> str:
    """A name that leaves room for the plot."""
    text = shown(text)
    return text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"


def grid(axes: Axes, axis: str) -> None:
    axes.grid(axis=axis, color=INK, alpha=0.16, linewidth=0.6)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
