"""`bshm-watchd bench quality`: how good the mattes are, on photos whose true mattes are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bshm_watchd.cli import chosen
from bshm_watchd.cli.bars import bars
from bshm_watchd.cli.console import complain, print_json, print_table, say
from bshm_watchd.cli.interrupts import interruptible

if TYPE_CHECKING:
    from bshm_watchd.bench.results import PictureQuality, QualityResult, SceneQuality

_COLUMNS = (
    *("scene", "pictures", "SAD", "MSE", "MAD", "gradient", "connectivity", "edge PSNR, dB"),
    *("s a photo", "failures", "worst"),
)
_DIGITS = {"sad": 2, "mse": 4, "mad": 4, "gradient": 2, "connectivity": 2, "edge_psnr_db": 1, "matte_seconds": 2}


def quality(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Photos with their true mattes.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", dir_okay=False, help="Keep the result in this file."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts instead of a table.")] = False,
) -> None:  # fmt: skip
    """Measure how good the mattes are, with the configured model, on photos whose true mattes are known.

    DIR holds photos/anna.jpg with mattes/anna.png (8-bit grey: white is person), or anna.jpg with anna.matte.png;
    directories in it are scenes of their own. Of each scene the mean errors are told: SAD, gradient and connectivity
    in thousands of pixels, MSE and MAD 0 to 1 (0 is best), and the edge's PSNR in decibels (more is better). A failure
    has no matte, or a MAD above .05: it is wrong about what is person.

    \b
    Examples:
      bshm-watchd bench quality retouched/
      bshm-watchd bench quality retouched/ -o quality.json
    """
    from bshm_watchd.bench.pairs import find_pairs
    from bshm_watchd.bench.quality import measured, written_with_pictures
    from bshm_watchd.bench.result_files import refuse_unfit
    from bshm_watchd.bench.results import QualityResult
    from bshm_watchd.bench.shown import directory_of

    if output is not None:
        refuse_unfit(output, "quality")
    found = find_pairs(directory)
    tell_left_out(found.left_out)
    state_dir, model, limits = chosen.model_and_limits(context)
    with interruptible(), bars() as told:
        stamp, judged = measured(found, model, limits, state_dir, told)
    result = QualityResult(stamp=stamp, scenes=list(judged.scenes))
    if not as_json:
        print_quality(result)
    try:
        if output is not None:
            result = written_with_pictures(output, stamp, judged)
    finally:  # what was measured is told although its file was not written
        if as_json:
            print_json(result.model_dump(mode="json"))
    if as_json:
        return
    if output is None:
        say("\nnot kept: -o FILE keeps it, to be compared with later ones")
    else:
        say(f"\nkept in {output}, with pictures of each scene in {directory_of(output)}/")


def tell_left_out(left_out: Iterable[str]) -> None:
    for one in left_out:
        complain(one)


def print_quality(result: QualityResult) -> None:
    """A row a scene, and one for all of them; then what computed it."""
    rows = [_row(scene.scene, scene.pictures) for scene in result.scenes]
    if len(rows) > 1:
        rows.append(_row("all", [picture for scene in result.scenes for picture in scene.pictures]))
    print_table(_COLUMNS, rows, whole=("scene",))
    for scene in result.scenes:
        _print_failed(scene)
    stamp = result.stamp
    say(f"\n{stamp.bundle}, {stamp.runtime}, {stamp.precision}, on {stamp.machine.key}")


def _row(name: str, pictures: Sequence[PictureQuality]) -> tuple[str, ...]:
    from bshm_watchd.bench.quality import mean_of, worst_of

    means = [_number(mean_of(pictures, error), digits) for error, digits in _DIGITS.items()]
    worst, failures = worst_of(pictures), sum(picture.is_wrong for picture in pictures)
    share = f"{failures} ({failures / len(pictures):.0%})" if failures else "none"
    return (name, str(len(pictures)), *means, share, "" if worst is None else _told(worst))


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _told(picture: PictureQuality) -> str:
    return picture.name if picture.mad is None else f"{picture.name}, MAD {picture.mad:.4f}"


def _print_failed(scene: SceneQuality) -> None:
    for picture in scene.pictures:
        if picture.failed is not None:
            complain(f"{scene.scene}/{picture.name} has no matte: {picture.failed}")
