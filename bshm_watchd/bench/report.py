"""A report of results: one HTML page that stands alone, and the same as Markdown with its plots beside it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bshm_watchd.bench import pages
from bshm_watchd.bench.quality_plots import plots_of_quality
from bshm_watchd.bench.report_files import BESIDE, MARKS, refuse_others, replace_report
from bshm_watchd.bench.results import QualityResult, SpeedResult, read
from bshm_watchd.bench.shown_pictures import Shown, shown_pictures
from bshm_watchd.bench.sides import labels_of, scenes_of, sets_of
from bshm_watchd.bench.speed_plots import plots_of_set
from bshm_watchd.bench.svg import inline, standalone
from bshm_watchd.bench.tables import Table, quality_table, speed_table, stamp_table
from bshm_watchd.bench.told import stamp_sentence, summary, why_wrong
from bshm_watchd.bench.words import WORDS
from bshm_watchd.errors import ConfigError

if TYPE_CHECKING:
    from bshm_watchd.bench.plots import Plot
    from bshm_watchd.bench.sides import SceneSide, SetSide

_NEEDED = ("jinja2", "matplotlib")


@dataclass(frozen=True, slots=True)
class PlotPlace:
    """A plot, with the name of its file; `inline` is what stands in a page."""

    plot: Plot
    file: str
    inline: str


@dataclass(frozen=True, slots=True)
class SetSection:
    name: str
    sides: list[SetSide]
    table: Table
    plots: list[PlotPlace]


@dataclass(frozen=True, slots=True)
class QualitySection:
    """`failed`: scene, result, picture and why."""

    table: Table
    plots: list[PlotPlace]
    failed: list[tuple[str, str, str, str]]


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One photo's pictures, with the names of their files; None where a picture can't be shown."""

    shown: Shown
    files: list[str | None]


def write_report(
    results: Sequence[Path], directory: Path, load: Callable[[str], object] = importlib.import_module
) -> list[Path]:
    """report.html, report.md and what lies beside them in report-plots/, in place of an earlier report of ours.

    Raises `ConfigError` where a file is no result, a library is missing, the directory can't be written, or holds
    somebody else's files of these names.
    """
    refuse_missing(load)
    refuse_others(directory)
    content, beside = _content([(path, read(path)) for path in results])
    texts = {"report.html": pages.html(content), "report.md": pages.markdown(content)}
    return replace_report(directory, {name: text.encode("utf-8") for name, text in texts.items()} | beside)


def refuse_missing(load: Callable[[str], object] = importlib.import_module) -> None:
    """Raises `ConfigError` with what to install where a library is missing that reports are made with."""
    for library in _NEEDED:
        try:
            load(library)
        except ImportError as error:
            install = "pip install 'bshm-watchd[bench]'"
            told = f"{library}, which reports are made with, can't be loaded: {error}; install it: {install}"
            raise ConfigError([told]) from error


def _content(results: Sequence[tuple[Path, SpeedResult | QualityResult]]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """What the templates are filled with, and the files beside the pages by their name."""
    speeds = [result for _, result in results if isinstance(result, SpeedResult)]
    qualities = [(path, result) for path, result in results if isinstance(result, QualityResult)]
    fast = list(zip(labels_of([result.stamp for result in speeds]), speeds, strict=True))
    labels = labels_of([result.stamp for _, result in qualities])
    good = [(label, path, result) for label, (path, result) in zip(labels, qualities, strict=True)]
    sets, scenes = sets_of(fast), scenes_of([(label, result) for label, _, result in good])
    sections = [_set_section(number, name, sides) for number, (name, sides) in enumerate(sets.items(), start=1)]
    quality = _quality_section(scenes, len(good) > 1) if scenes else None
    rows = [_picture_row(number, shown) for number, shown in enumerate(shown_pictures(good), start=1)]
    stamps = [(f"speed: {label}", result.stamp) for label, result in fast]
    stamps += [(f"quality: {label}", result.stamp) for label, _, result in good]
    content = {
        "measured": list(dict.fromkeys(stamp_sentence(stamp) for _, stamp in stamps)),
        "machines": list(dict.fromkeys(result.stamp.machine.key for result in speeds)),
        "last_day": max(stamp.made[:10] for _, stamp in stamps),
        "summary": summary(sets, scenes, several_fast=len(fast) > 1, several_good=len(good) > 1),
        "sets": sections,
        "quality": quality,
        "pictures": rows,
        "several_good": len(good) > 1,
        "stamp_table": stamp_table(stamps),
        "words": WORDS,
        "marks": MARKS,
    }
    return content, dict(_files_beside(sections, quality, rows))


def _set_section(number: int, name: str, sides: list[SetSide]) -> SetSection:
    return SetSection(name, sides, speed_table(name, sides), _placed(f"speed-{number}", plots_of_set(sides)))


def _quality_section(scenes: Mapping[str, list[SceneSide]], several: bool) -> QualitySection:
    failed = [
        (name, side.label, picture.name, why)
        for name, sides in scenes.items()
        for side in sides
        for picture in side.quality.pictures
        if (why := why_wrong(picture)) is not None
    ]
    return QualitySection(quality_table(scenes, several), _placed("quality", plots_of_quality(scenes)), failed)


def _placed(prefix: str, plots: Sequence[Plot]) -> list[PlotPlace]:
    names = [f"{prefix}-{number}" for number, _ in enumerate(plots, start=1)]
    return [
        PlotPlace(plot, f"{BESIDE}/{name}.svg", inline(plot.svg, name)) for name, plot in zip(names, plots, strict=True)
    ]


def _picture_row(number: int, shown: Shown) -> PictureRow:
    files = [
        None if picture.jpeg is None else f"{BESIDE}/picture-{number}-{place}.jpg"
        for place, picture in enumerate(shown.pictures, start=1)
    ]
    return PictureRow(shown, files)


def _files_beside(
    sections: Sequence[SetSection], quality: QualitySection | None, rows: Sequence[PictureRow]
) -> Iterator[tuple[str, bytes]]:
    for place in [place for section in sections for place in section.plots] + (quality.plots if quality else []):
        yield place.file, standalone(place.plot.svg).encode("utf-8")
    for row in rows:
        for file, picture in zip(row.files, row.shown.pictures, strict=True):
            if file is not None and picture.jpeg is not None:
                yield file, picture.jpeg
