"""From what was told of each photo to what is kept of a set. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bshm_watchd.bench.results import Round, Span

if TYPE_CHECKING:
    from bshm_watchd.bench.course import Finished
    from bshm_watchd.bench.results import SpeedOfSet
    from bshm_watchd.stages import Stage


@dataclass(frozen=True, slots=True)
class Burst:
    """Photos that were dropped at once, with their results, in the order of their claims."""

    photos: tuple[Finished, ...]
    cpu_seconds: float
    peak_mib: float

    @property
    def began(self) -> float:
        return self.photos[0].claimed

    def round(self) -> Round:
        """From the first claim to the last original filed."""
        over = max(photo.over for photo in self.photos)
        return Round(
            photos=len(self.photos), seconds=over - self.began, cpu_seconds=self.cpu_seconds, peak_mib=self.peak_mib
        )

    def in_burst_seconds(self) -> list[float]:
        """Claim to result, of each."""
        return [photo.published - photo.claimed for photo in self.photos]

    def timeline(self) -> list[Span]:
        return [
            Span(photo=number, stage=took.stage, began=took.began - self.began, ended=took.ended - self.began)
            for number, photo in enumerate(self.photos)
            for took in photo.stages
        ]


def stage_shares(measured: SpeedOfSet) -> dict[Stage, float]:
    """Of the CPU time of a lone photo, 0 to 1."""
    whole = sum(stage.cpu_seconds for stage in measured.stages)
    return {stage.stage: stage.cpu_seconds / whole if whole else 0.0 for stage in measured.stages}


def cpu_per_photo(rounds: Sequence[Round]) -> float:
    """The median of the rounds, seconds."""
    return statistics.median(one.cpu_seconds / one.photos for one in rounds)
