"""May INT8 be used? Decided by how far its alpha is from f32's, on photos that it was not calibrated with. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

MOST_MEAN, MOST_WORST = 0.01, 0.05


@dataclass(frozen=True, slots=True)
class Verdict:
    """`mean` over all photos that judged, `worst` of `worst_photo`: mean absolute differences of alpha, 0 to 1."""

    way: str
    mean: float
    worst: float
    worst_photo: str
    photos: int

    @property
    def passed(self) -> bool:
        return self.mean <= MOST_MEAN and self.worst <= MOST_WORST

    def told(self) -> str:
        """With what is missed by how much, where it is."""
        mean = f"{self.mean:.4f} on average{_over(self.mean, MOST_MEAN)}"
        worst = f"{self.worst:.4f} at worst ({self.worst_photo}){_over(self.worst, MOST_WORST)}"
        return f"{self.way}: alpha differs by {mean}, {worst}, over {self.photos} photos"


def judged(way: str, differences: Mapping[str, float]) -> Verdict:
    """By photo, one at least."""
    worst_photo = max(differences, key=differences.__getitem__)
    mean = statistics.fmean(differences.values())
    return Verdict(way, mean, differences[worst_photo], worst_photo, len(differences))


def _over(value: float, most: float) -> str:
    return f" [{value - most:.4f} too much: at most {most:g}]" if value > most else ""


def golden_bound(difference: float) -> float:
    """For a golden picture of a bundle that is checked later: as far as it was, and what a mean may be besides."""
    return difference + MOST_MEAN
