"""All of a baseline library, measured in one go, and held against what is expected of this machine.

    results/<machine>/<date>-<version>/speed.json, quality.json      expectations/<machine>/speed.json, quality.json

What measures, compares and reports is given: `Parts`.
"""

from __future__ import annotations

import itertools
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bshm_watchd import __version__
from bshm_watchd.bench.library import QUALITY, SPEED
from bshm_watchd.bench.quality import Judged, written_with_pictures
from bshm_watchd.bench.results import QualityResult, SpeedResult, Stamp, read, written
from bshm_watchd.bench.writing import writing
from bshm_watchd.clock import local_date
from bshm_watchd.errors import ConfigError
from bshm_watchd.intake.kinds import is_walked, natural_key

if TYPE_CHECKING:
    from bshm_watchd.clock import Clock

Result = SpeedResult | QualityResult

_RESULTS, _EXPECTATIONS = "results", "expectations"


@dataclass(frozen=True, slots=True)
class Held:
    """A result against what was expected: what there is to tell, and whether it got worse."""

    lines: tuple[str, ...]
    is_worse: bool


@dataclass(frozen=True, slots=True)
class Parts:
    """`speed`: looks at the photos in each of these directories, a set each, and returns what measures them; raises
    `ConfigError` where that can't be done. `quality`: of a directory of scenes.

    `compare`: the expected result, then the new one; raises `ConfigError` where comparing makes no sense.
    """

    speed: Callable[[Sequence[Path]], Callable[[], SpeedResult]]
    quality: Callable[[Path], tuple[Stamp, Judged]]
    compare: Callable[[Result, Result], Held]
    clock: Clock


@dataclass(frozen=True, slots=True)
class Measured:
    """`results`: by the path of each one's file in `place`."""

    place: Path
    results: dict[Path, Result]


@dataclass(frozen=True, slots=True)
class Verdict:
    """`held`: None where nothing is expected yet, or it can't be compared with that: `why` says it."""

    kind: str
    held: Held | None
    why: str = ""
    can_not_be_compared: bool = False


def measure(library: Path, parts: Parts) -> Measured:
    """Every set of photos, and every scene; kept under the machine's name once all is measured.

    Raises `ConfigError` where there is nothing to measure, and what measuring raises: then nothing is kept.
    """
    with writing(library):
        return _measure(library, parts)


def _measure(library: Path, parts: Parts) -> Measured:
    sets, scenes = speed_sets(library), library / QUALITY
    if not sets and not scenes.is_dir():
        raise ConfigError([f"{library}: no library is here; build one with: bshm-watchd bench library {library}"])
    speed = parts.speed(sets) if sets else None  # what is wrong with them shall be told before minutes are spent
    (library / _RESULTS).mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".measuring-", dir=library / _RESULTS) as scratch:
        under_way = Path(scratch) / "whole"
        under_way.mkdir()
        found: dict[str, Result] = {}
        if scenes.is_dir():  # first: it looks at all of its pictures before it measures
            found["quality.json"] = written_with_pictures(under_way / "quality.json", *parts.quality(scenes))
        if speed is not None:
            found["speed.json"] = _kept_speed(under_way / "speed.json", speed())
        place = _free_place(library / _RESULTS / machine_name(next(iter(found.values()))), parts.clock)
        place.parent.mkdir(exist_ok=True)
        under_way.rename(place)
    return Measured(place, {place / name: result for name, result in found.items()})


def speed_sets(library: Path) -> list[Path]:
    """The directories of photos in the speed test set, a studio's own among them; in natural order."""
    place = library / SPEED
    if not place.is_dir():
        return []
    names = [entry.name for entry in os.scandir(place) if entry.is_dir() and is_walked(entry.name)]
    return [place / name for name in sorted(names, key=natural_key)]


def verdicts(library: Path, measured: Measured, parts: Parts) -> Iterator[Verdict]:
    """One for each result."""
    for result in measured.results.values():
        path = _expected(library, result)
        if not path.exists():
            machine = f"this machine ({result.stamp.machine.key})"
            why = f"nothing is expected of {machine} yet; {_advice(library)}"
            yield Verdict(result.kind, None, why)
            continue
        try:
            yield Verdict(result.kind, parts.compare(read(path), result))
        except ConfigError as error:
            why = f"it can't be compared with {path}: {'; '.join(error.problems)}; {_advice(library)}"
            yield Verdict(result.kind, None, why, can_not_be_compared=True)


def store(library: Path, measured: Measured) -> list[Path]:
    """What was measured is what is expected of this machine from now on; the pictures are not kept with it."""
    stored = []
    for result in measured.results.values():
        path = _expected(library, result)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            written(path, result.model_copy(update={"shown": {}}) if isinstance(result, QualityResult) else result)
        stored.append(path)
    return stored


def machine_name(result: Result) -> str:
    """Its key as the name of a directory."""
    return re.sub(r"[^a-z0-9]+", "-", result.stamp.machine.key.lower()).strip("-") or "unknown"


def _advice(library: Path) -> str:
    return f"if this is as it should be, keep it as expected: bshm-watchd bench all {library} --store"


def _expected(library: Path, result: Result) -> Path:
    return library / _EXPECTATIONS / machine_name(result) / f"{result.kind}.json"


def _kept_speed(path: Path, result: SpeedResult) -> SpeedResult:
    written(path, result)
    return result


def _free_place(directory: Path, clock: Clock) -> Path:
    """Of several on one day with one version the later ones are numbered."""
    name = f"{local_date(clock.wall())}-{__version__}"
    numbered = (directory / (name if number == 1 else f"{name}-{number}") for number in itertools.count(1))
    return next(path for path in numbered if not path.exists())
