"""`bshm-watchd bench library` and `bench all`: a folder of pictures to measure with, and all of it in one go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bshm_watchd.cli.bars import bars
from bshm_watchd.cli.console import print_heading, print_json, say
from bshm_watchd.cli.interrupts import interruptible

if TYPE_CHECKING:
    from bshm_watchd.bench.whole import Measured, Parts, Result, Verdict
    from bshm_watchd.cli.bars import Told

_EXIT_WORSE, _EXIT_CONFIG = 1, 78


def library(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the library is built.")],
    pictures: Annotated[
        Path | None,
        typer.Option(metavar="PACK", exists=True, file_okay=False, help="Photographed people with mattes; else drawn."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="The same seed makes the same pictures.")] = 1,
    each: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="Pictures of each scene.")] = 8,
    photos_1080p: Annotated[int, typer.Option("--1080p", min=0, max=1000, metavar="N", help="Photos of 1080p.")] = 12,
    photos_24mp: Annotated[
        int, typer.Option("--24mp", min=0, max=1000, metavar="N", help="Photos of 24 megapixels.")
    ] = 4,
    force: Annotated[
        bool, typer.Option("--force", help="In place of the pictures of the library that is there; yours stay.")
    ] = False,
) -> None:
    """Build a library of pictures to measure speed and quality with, always the same ones.

    quality_test_set/ has six scenes with exactly known mattes: profile close-up, hair detail, full body, group,
    back-lit silhouette, dark background. speed_test_set/ has photos of 1080p and of 24 megapixels. Put photos of
    yours into speed_test_set/NAME/, and photos with their mattes into quality_test_set/NAME/: `bench all` takes them.

    PACK holds photos/, mattes/, backgrounds/ and manifest.tsv, as docs/bench.md says.

    \b
    Examples:
      bshm-watchd bench library baseline/
      bshm-watchd bench library baseline/ --pictures pack/ --each 20
      bshm-watchd bench all baseline/ --store
    """
    from bshm_watchd.bench.library import RECORD, Wanted, build
    from bshm_watchd.bench.pack import read_pack

    wanted = Wanted(seed=seed, each=each, photos_1080p=photos_1080p, photos_24mp=photos_24mp)
    pack = None if pictures is None else read_pack(pictures, "held-back")
    with interruptible(), bars() as told:
        record = build(directory, wanted, pack, told, force=force)
    say(f"{len(record.files)} files built, listed in {directory / RECORD}")
    say(f"measure with all of them: bshm-watchd bench all {directory}")


def all_(
    context: typer.Context,
    library: Annotated[
        Path, typer.Argument(metavar="LIBRARY", exists=True, file_okay=False, help="What `bench library` built.")
    ],
    store: Annotated[
        bool, typer.Option("--store", help="What is measured now is what is expected of this machine from now on.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Measure speed and quality with all of a library, compare with what is expected of this machine, write a report.

    Results go into LIBRARY/results/MACHINE/DATE-VERSION/, the report (report.html, report.md) beside them. Exit code 1
    where anything is worse than what --store kept, 78 where the two can't be compared. Speed is
    measured below LIBRARY, so have it on the disk that your hot folders are on. It takes a while; have the machine do
    nothing else meanwhile. The report takes two more libraries: pip install 'bshm-watchd[bench]'.

    \b
    Examples:
      bshm-watchd bench all baseline/ --store    on the day it is as it should be
      bshm-watchd bench all baseline/            is it still? (after an upgrade, from cron, in a deployment)
    """
    from bshm_watchd.cli.bench_parts import doing

    code = work_through(library, doing(context, library), store=store, as_json=as_json)
    if code:
        raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class Doing:
    """What is done with a library. `parts`: what measures, given whom to tell how far it is.

    `show`: prints a result's figures; `report`: of these result files, into this directory, the page first.
    """

    parts: Callable[[Told], Parts]
    show: Callable[[Result], None]
    report: Callable[[Sequence[Path], Path], list[Path]]


def work_through(library: Path, doing: Doing, *, store: bool, as_json: bool) -> int:
    """The exit code. Results are kept whatever becomes of the comparison or the report."""
    from bshm_watchd.bench import whole

    measured, found = _measured_and_held(library, doing)
    if not as_json:
        _print_results(measured, doing)
        _print_verdicts([one for one in found if one.held is not None or not store])
    stored = whole.store(library, measured) if store else []
    report = doing.report(list(measured.results), measured.place)
    code = 0 if store else _exit_code(found)
    if as_json:
        print_json({"ok": code == 0, **_as_json(measured, found, stored, report)})
    else:
        _print_end(measured, stored, report)
    return code


def _measured_and_held(library: Path, doing: Doing) -> tuple[Measured, list[Verdict]]:
    from bshm_watchd.bench import whole

    with interruptible(), bars() as told:
        parts = doing.parts(told)
        measured = whole.measure(library, parts)
    return measured, list(whole.verdicts(library, measured, parts))


def _print_results(measured: Measured, doing: Doing) -> None:
    for result in measured.results.values():
        print_heading(result.kind)
        doing.show(result)


def _exit_code(found: Sequence[Verdict]) -> int:
    if any(one.held is not None and one.held.is_worse for one in found):
        return _EXIT_WORSE
    return _EXIT_CONFIG if any(one.can_not_be_compared for one in found) else 0


def _print_verdicts(found: Sequence[Verdict]) -> None:
    for one in found:
        print_heading(f"{one.kind}, against what is expected of this machine")
        for line in (one.why,) if one.held is None else one.held.lines:
            say(line)


def _print_end(measured: Measured, stored: Sequence[Path], report: Sequence[Path]) -> None:
    say(f"\nkept in {measured.place}/")
    for path in stored:
        say(f"expected from now on: {path}")
    if report:
        say(f"the report: {report[0]}")


def _as_json(
    measured: Measured, found: Sequence[Verdict], stored: Sequence[Path], report: Sequence[Path]
) -> dict[str, object]:
    return {
        "place": str(measured.place),
        "results": [str(path) for path in measured.results],
        "verdicts": [_verdict_as_json(one) for one in found],
        "stored": [str(path) for path in stored],
        "report": [str(path) for path in report],
    }


def _verdict_as_json(one: Verdict) -> dict[str, object]:
    """`worse`: null where there is nothing to compare with."""
    told = (one.why,) if one.held is None else one.held.lines
    return {"kind": one.kind, "worse": None if one.held is None else one.held.is_worse, "told": list(told)}
