"""Results side by side: each with the label it bears through a whole report, and what they measured by its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bshm_watchd.bench.results import QualityResult, SceneQuality, SpeedOfSet, SpeedResult, Stamp
from bshm_watchd.logs import shown

_LONGEST_VERSION = 20  # letters: a label stands beside a plot
_LABELS: tuple[Callable[[Stamp], str], ...] = (
    lambda stamp: f"{_cut(stamp.version)} ({stamp.made[:10]})",
    lambda stamp: f"{_cut(stamp.version)} {_short(stamp.commit)} ({stamp.made[:10]})",
    lambda stamp: f"{_cut(stamp.version)} {_short(stamp.commit)} ({stamp.made[:16].replace('T', ' ')})",
)


@dataclass(frozen=True, slots=True)
class SetSide:
    """One result's figures of a set, the number of cores they were measured on, and what the hot folder lay on."""

    label: str
    speed: SpeedOfSet
    cores: int
    file_system: str = "unknown"


@dataclass(frozen=True, slots=True)
class SceneSide:
    label: str
    quality: SceneQuality


def labels_of(stamps: Sequence[Stamp]) -> list[str]:
    """Version and date; commit, time and at last a number only where two would be called the same."""
    for label_of in _LABELS:
        labels = [shown(label_of(stamp)) for stamp in stamps]
        if len(set(labels)) == len(labels):
            return labels
    counted: Counter[str] = Counter()
    numbered = []
    for label in labels:
        counted[label] += 1
        numbered.append(f"{label} #{counted[label]}")
    return numbered


def sets_of(results: Sequence[tuple[str, SpeedResult]]) -> dict[str, list[SetSide]]:
    """By the set's name, in the order in which results and sets are given."""
    sides: dict[str, list[SetSide]] = {}
    for label, result in results:
        cores = result.stamp.machine.cores
        for one in result.sets:
            sides.setdefault(one.name, []).append(SetSide(label, one, cores, result.file_system))
    return sides


def scenes_of(results: Sequence[tuple[str, QualityResult]]) -> dict[str, list[SceneSide]]:
    """By the scene's name, in the order in which results and scenes are given."""
    sides: dict[str, list[SceneSide]] = {}
    for label, result in results:
        for one in result.scenes:
            sides.setdefault(one.scene, []).append(SceneSide(label, one))
    return sides


def _cut(version: str) -> str:
    return version if len(version) <= _LONGEST_VERSION else version[: _LONGEST_VERSION - 1] + "…"


def _short(commit: str | None) -> str:
    return commit[:7] if commit else "of unknown commit"
