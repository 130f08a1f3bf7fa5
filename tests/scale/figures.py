"""What a scene says: figures, some of them with a bound."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`at_most`: the bound; None where the figure is only told."""

    what: str
    value: float
    unit: str
    at_most: float | None = None

    @property
    def holds(self) -> bool:
        return self.at_most is None or self.value <= self.at_most

    def __str__(self) -> str:
        bound = "" if self.at_most is None else f" (at most {_shown(self.at_most)})"
        return f"{self.what}: {_shown(self.value)} {self.unit}{bound}{'' if self.holds else '  MISSED'}"


def missed(figures: Iterable[Figure]) -> list[Figure]:
    return [figure for figure in figures if not figure.holds]


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
