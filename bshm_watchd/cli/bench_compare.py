"""`bshm-watchd bench compare`: two results of `bench`, figure by figure."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bshm_watchd.cli.console import complain, print_heading, print_json, print_table, say

if TYPE_CHECKING:
    from bshm_watchd.bench.comparing import Comparison
    from bshm_watchd.bench.verdicts import Compared

_EXIT_WORSE = 1


def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The earlier result.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The later one.")],
    threshold: Annotated[
        float, typer.Option(min=0.0, max=1000.0, metavar="PERCENT", help="Changes up to that much do not matter.")
    ] = 5.0,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also where machine, bundle or photos are not the same.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Compare two results of `bench speed`, or two of `bench quality`: exit code 1 where the newer one is worse.

    Worse is what changed by more than the threshold, and as chance changes it once in a hundred times at most; and
    every picture that fails now and did not before. Exit code 78 where the two can't be compared.

    \b
    Examples:
      bshm-watchd bench compare before.json after.json
      bshm-watchd bench compare --threshold 10 before.json after.json
    """
    from bshm_watchd.bench.comparing import comparison
    from bshm_watchd.bench.results import read

    found = comparison(read(old), read(new), threshold / 100, anyway=anyway)
    if as_json:
        print_json({"ok": not found.is_worse, **asdict(found)})
    else:
        _print(found, threshold)
    if found.is_worse:
        raise typer.Exit(_EXIT_WORSE)


def _print(found: Comparison, threshold: float) -> None:
    for place in dict.fromkeys(one.place for one in found.figures):
        print_heading(place)
        rows = [_row(one) for one in found.figures if one.place == place]
        print_table(("", "figure", "old", "new", "change", "p"), rows, whole=("", "old", "new", "change", "p"))
    for line in found.newly_failed:
        complain(f"fails now, and did not before: {line}")
    if found.notes:
        print_heading("what else is not the same")
        for line in found.notes:
            say(line)
    say()
    for line in conclusion(found, threshold):
        say(line)


def _row(one: Compared) -> tuple[str, ...]:
    from bshm_watchd.bench.verdicts import percent

    return one.verdict, one.subject, _value(one.old, one.unit), _value(one.new, one.unit), percent(one.ratio), _p(one.p)


def conclusion(found: Comparison, threshold: float) -> list[str]:
    """What to make of it, and what to do where nothing can be made of it."""
    from bshm_watchd.bench.verdicts import ALPHA, enough_samples

    count = Counter(one.verdict for one in found.figures)
    worse = count["regression"] + len(found.newly_failed)
    lines = [f"{worse} worse, {count['better']} better, by more than {threshold:g} % and than chance (p <= {ALPHA:g})"]
    if count["chance"]:
        more = "measure again when the machine does nothing else, with more bursts (`bench speed --rounds`)"
        lines.append(f"{count['chance']} differ as chance makes them differ; to be sure, {more}")
    if count["too few"]:
        few = f"at least {enough_samples(paired=False)} of a kind (`bench speed --rounds, --lone, --cold`)"
        more = f"{few}, or {enough_samples(paired=True)}"
        lines.append(f"{count['too few']} differ, and too few samples can't tell whether by chance; {more} pictures")
    return lines


def _value(value: float, unit: str) -> str:
    from bshm_watchd.cli.speed_tables import told

    if unit == "s":
        return told(value)
    if unit == "MiB":
        return f"{value:.0f} MiB"
    return f"{value:.4g}{unit}"


def _p(p: float) -> str:
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")
