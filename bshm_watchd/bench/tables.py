"""The tables of a report: rows in groups, a column a result or a kind of error; every cell is text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from bshm_watchd.bench.percentiles import TOLD, is_backed, percentile
from bshm_watchd.bench.results import PictureQuality, SceneQuality, Stamp
from bshm_watchd.bench.sides import SceneSide, SetSide
from bshm_watchd.bench.told import (
    NOT_MEASURED,
    SECONDS_AN_HOUR,
    TOO_FEW,
    errors_of,
    failures,
    figure,
    mean,
    peak_mib,
    per_cent,
    seconds,
    share_of_limit,
    worst_of,
)


@dataclass(frozen=True, slots=True)
class Row:
    heading: str
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Group:
    """`heading`: None where the rows need none in common."""

    heading: str | None
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Table:
    """`corner`: what the rows' headings are. `numbers`: cells are figures, not text."""

    caption: str
    corner: str
    columns: list[str]
    groups: list[Group]
    numbers: bool = True


_SAMPLES: tuple[tuple[str, Callable[[SetSide], list[float]]], ...] = (
    ("From the drop to the result, a lone photo", lambda side: side.speed.drop_to_result_seconds),
    ("The model alone", lambda side: side.speed.matte_seconds),
    ("From claim to result, in the bursts", lambda side: side.speed.in_burst_seconds),
)

_ERRORS: tuple[tuple[str, Callable[[PictureQuality], float | None]], ...] = (
    ("SAD", lambda picture: picture.sad),
    ("MSE", lambda picture: picture.mse),
    ("MAD", lambda picture: picture.mad),
    ("gradient", lambda picture: picture.gradient),
    ("connectivity", lambda picture: picture.connectivity),
    ("edge PSNR, dB", lambda picture: picture.edge_psnr_db),
    ("model, s", lambda picture: picture.matte_seconds),
)


def speed_table(name: str, sides: Sequence[SetSide]) -> Table:
    """The figures of one set, a column a result."""
    groups = [
        Group("Throughput", _rows(sides, _THROUGHPUT)),
        *(Group(heading, _percentiles(sides, samples)) for heading, samples in _SAMPLES),
        Group("Start", _rows(sides, _START)),
        Group("What it takes", _rows(sides, _TAKES)),
    ]
    if any(side.speed.gpu for side in sides):
        groups.append(Group("GPU", _rows(sides, _GPU)))
    return Table(f"Figures of {name}", "figure", [side.label for side in sides], groups)


def quality_table(scenes: Mapping[str, list[SceneSide]], several: bool) -> Table:
    """Means of a scene; the rows of one scene stand together where there are several results."""
    columns = ["pictures", "failed", *(name for name, _ in _ERRORS), "worst (MAD)"]
    told = [*scenes.items(), ("all", _all(scenes))] if len(scenes) > 1 else list(scenes.items())
    if several:
        groups = [Group(name, [Row(side.label, _errors(side.quality)) for side in sides]) for name, sides in told]
        return Table("Quality by scene", "scene and result", columns, groups)
    rows = [Row(name, _errors(side.quality)) for name, sides in told for side in sides]
    return Table("Quality by scene", "scene", columns, [Group(None, rows)])


def _all(scenes: Mapping[str, list[SceneSide]]) -> list[SceneSide]:
    """The pictures of all scenes as those of one, for each result."""
    pictures: dict[str, list[PictureQuality]] = {}
    for side in chain.from_iterable(scenes.values()):
        pictures.setdefault(side.label, []).extend(side.quality.pictures)
    return [SceneSide(label, SceneQuality(scene="all", pictures=each)) for label, each in pictures.items()]


def stamp_table(stamps: Sequence[tuple[str, Stamp]]) -> Table:
    """What was measured, where and when, a column a result."""
    rows = [Row(heading, [of(stamp) for _, stamp in stamps]) for heading, of in _STAMP]
    named = (
        ("Networks, sha256", [stamp.networks for _, stamp in stamps]),
        ("Libraries", [stamp.libraries for _, stamp in stamps]),
    )
    groups = [Group(None, rows)]
    for heading, each in named:
        names = sorted({name for one in each for name in one})
        below = [Row(name, [one.get(name, "none") for one in each]) for name in names]
        groups += [Group(heading, below)] if below else []
    return Table("Program, machine and model", "", [label for label, _ in stamps], groups, numbers=False)


_STAMP: tuple[tuple[str, Callable[[Stamp], str]], ...] = (
    ("version", lambda stamp: stamp.version),
    ("commit", lambda stamp: stamp.commit or "unknown"),
    ("measured", lambda stamp: stamp.made),
    ("processor", lambda stamp: f"{stamp.machine.processor}, {stamp.machine.cores} cores"),
    ("memory", lambda stamp: f"{figure(stamp.machine.memory_mib)} MiB"),
    ("GPU", lambda stamp: stamp.machine.gpu or "none"),
    ("kernel", lambda stamp: stamp.machine.kernel),
    ("Python", lambda stamp: stamp.machine.python),
    ("bundle", lambda stamp: stamp.bundle),
    ("runtime", lambda stamp: stamp.runtime),
    ("precision", lambda stamp: stamp.precision),
    ("device", lambda stamp: stamp.device),
)

_Figures = tuple[tuple[str, Callable[[SetSide], str | None]], ...]


def _rows(sides: Sequence[SetSide], figures: _Figures) -> list[Row]:
    return [Row(heading, [of(side) or NOT_MEASURED for side in sides]) for heading, of in figures]


def _percentiles(sides: Sequence[SetSide], samples_of: Callable[[SetSide], list[float]]) -> list[Row]:
    def cell(side: SetSide, of_hundred: int) -> str:
        samples = samples_of(side)
        if not samples:
            return NOT_MEASURED
        return seconds(percentile(samples, of_hundred)) if is_backed(samples, of_hundred) else TOO_FEW

    rows = [Row(f"p{of_hundred}", [cell(side, of_hundred) for side in sides]) for of_hundred in TOLD]
    return [*rows, Row("samples", [str(len(samples_of(side))) for side in sides])]


def _errors(scene: SceneQuality) -> list[str]:
    means = []
    for _, of in _ERRORS:
        values = errors_of(scene, of)
        means.append(figure(mean(values)) if values else NOT_MEASURED)
    worst = worst_of(scene)
    told = f"{worst.name} ({figure(worst.mad)})" if worst is not None and worst.mad is not None else NOT_MEASURED
    return [str(len(scene.pictures)), str(failures(scene)), *means, told]


def _per_second(side: SetSide) -> str | None:
    return figure(side.speed.photos_per_second) if side.speed.rounds else None


def _per_hour(side: SetSide) -> str | None:
    return figure(side.speed.photos_per_second * SECONDS_AN_HOUR) if side.speed.rounds else None


def _spread(side: SetSide) -> str | None:
    rounds = [burst.photos_per_second for burst in side.speed.rounds]
    return f"{figure(min(rounds))} to {figure(max(rounds))}, {len(rounds)} rounds" if rounds else None


def _cold(side: SetSide) -> str | None:
    starts = side.speed.first_result_seconds
    return f"{seconds(percentile(starts, 50))} (at most {seconds(max(starts))})" if starts else None


def _cpu_a_photo(side: SetSide) -> str | None:
    photos = sum(burst.photos for burst in side.speed.rounds)
    return seconds(sum(burst.cpu_seconds for burst in side.speed.rounds) / photos) if photos else None


def _cores_busy(side: SetSide) -> str | None:
    wall = sum(burst.seconds for burst in side.speed.rounds)
    cpu = sum(burst.cpu_seconds for burst in side.speed.rounds)
    return f"{figure(cpu / wall)} of {side.cores}" if wall else None


def _peak(side: SetSide) -> str | None:
    peak = peak_mib(side.speed)
    return None if peak is None else f"{figure(peak)} MiB"


def _limit(side: SetSide) -> str | None:
    share = share_of_limit(side)
    return None if share is None else per_cent(share)


def _gpu_memory(side: SetSide) -> str | None:
    return f"{figure(side.speed.gpu.memory_mib)} MiB" if side.speed.gpu else None


def _gpu_use(side: SetSide) -> str | None:
    gpu = side.speed.gpu
    return None if gpu is None or gpu.utilisation is None else per_cent(gpu.utilisation)


_THROUGHPUT: _Figures = (
    ("photos a second", _per_second),
    ("photos an hour", _per_hour),
    ("photos a second, slowest to fastest", _spread),
    ("share of the machine's limit", _limit),
)
_START: _Figures = (
    ("process start to first result, cold", _cold),
    ("wait whether a photo is whole", lambda side: seconds(side.speed.settle_seconds)),
)
_TAKES: _Figures = (
    ("CPU time a photo", _cpu_a_photo),
    ("cores busy in the bursts", _cores_busy),
    ("peak memory", _peak),
)
_GPU: _Figures = (("peak memory", _gpu_memory), ("mean use", _gpu_use))
