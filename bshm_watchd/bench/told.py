"""Figures as a report tells them: numbers with their units, and a sentence a set or scene for who owns a studio."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bshm_watchd.bench.percentiles import percentile
from bshm_watchd.bench.results import PictureQuality, SceneQuality, SpeedOfSet, Stamp
from bshm_watchd.bench.sides import SceneSide, SetSide

if TYPE_CHECKING:
    from collections.abc import Mapping

TOO_FEW = "too few samples"
NOT_MEASURED = "not measured"
SECONDS_AN_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Sentence:
    """`label`: which result it is of, where there are several."""

    subject: str
    label: str | None
    text: str


def figure(value: float, digits: int = 3) -> str:
    """So many significant digits, those before the point always whole: 0.0123, 1.23, 1,230."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    return f"{round(value, decimals):,.{max(decimals, 0)}f}"


def seconds(value: float) -> str:
    return f"{figure(value)} s"


def per_cent(share: float) -> str:
    return f"{figure(share * 100, 2)} %"


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def errors_of(scene: SceneQuality, of: Callable[[PictureQuality], float | None]) -> list[float]:
    """Of the pictures that have one."""
    return [value for picture in scene.pictures if (value := of(picture)) is not None]


def why_wrong(picture: PictureQuality) -> str | None:
    """It has no matte, or one that is wrong about what is person; None where it is fine."""
    if picture.failed is not None or picture.mad is None or not picture.is_wrong:
        return picture.failed
    return f"alpha is off by {per_cent(picture.mad)}, so it is wrong about what is person"


def failures(scene: SceneQuality) -> int:
    return sum(picture.is_wrong for picture in scene.pictures)


def worst_of(scene: SceneQuality) -> PictureQuality | None:
    """With the largest mean difference; None where no picture has a matte."""
    told = [picture for picture in scene.pictures if picture.mad is not None]
    return max(told, key=lambda picture: picture.mad or 0, default=None)


def peak_mib(speed: SpeedOfSet) -> float | None:
    return max((burst.peak_mib for burst in speed.rounds), default=None)


def share_of_limit(side: SetSide) -> float | None:
    """None where rounds or stages were not measured."""
    return side.speed.share_of_limit(side.cores) if side.speed.rounds and side.speed.stages else None


def stamp_sentence(stamp: Stamp) -> str:
    """What was measured, when, on what and with what."""
    program = f"bshm-watchd {stamp.version}" + (f", commit {stamp.commit[:12]}" if stamp.commit else "")
    network = f"{stamp.bundle} on the {stamp.device.upper()}, {stamp.runtime}, {stamp.precision}"
    return f"{program}, measured {stamp.made[:10]} on {stamp.machine.key}: {network}."


def summary(
    sets: Mapping[str, list[SetSide]],
    scenes: Mapping[str, list[SceneSide]],
    *,
    several_fast: bool,
    several_good: bool,
) -> list[Sentence]:
    """A sentence for each set and scene of each result; labelled where there are several results of its kind."""
    fast = [
        Sentence(name, side.label if several_fast else None, _of_set(side))
        for name, sides in sets.items()
        for side in sides
    ]
    good = [
        Sentence(name, side.label if several_good else None, _of_scene(side.quality))
        for name, sides in scenes.items()
        for side in sides
    ]
    return fast + good


def _of_set(side: SetSide) -> str:
    speed = side.speed
    parts = []
    if speed.rounds:
        each = speed.photos_per_second
        parts.append(f"{figure(each, 2)} photos a second, {figure(each * SECONDS_AN_HOUR, 2)} an hour")
    if speed.drop_to_result_seconds:
        lone = percentile(speed.drop_to_result_seconds, 50)
        settling = f"{figure(speed.settle_seconds, 2)} s of it to see that the photo is whole"
        parts.append(f"a lone photo's result is there {figure(lone, 2)} s after the drop, {settling}")
    if (share := share_of_limit(side)) is not None:
        parts.append(f"{per_cent(share)} of what this machine can do at most")
    if (peak := peak_mib(speed)) is not None:
        parts.append(f"{figure(peak, 2)} MiB of memory at most")
    return "; ".join(parts or [NOT_MEASURED]) + "."


def _of_scene(scene: SceneQuality) -> str:
    differences = errors_of(scene, lambda picture: picture.mad)
    parts = [f"{len(scene.pictures)} picture{'' if len(scene.pictures) == 1 else 's'}"]
    if (worst := worst_of(scene)) is not None and worst.mad is not None:
        parts.append(f"alpha is off by {per_cent(mean(differences))} on average")
        parts.append(f"by {per_cent(worst.mad)} in the worst ({worst.name})")
    return f"{', '.join(parts)}; {failures(scene) or 'none'} failed."
