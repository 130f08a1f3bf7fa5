"""`bshm-watchd doctor`: what is here to work with, and how fast it is.

For the person who asks why it is slow, why it does not start, or whether this is still the fast one.
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bshm_watchd.cli import chosen, findings
from bshm_watchd.cli.console import complain, print_heading, print_json, print_table, say

if TYPE_CHECKING:
    from bshm_watchd.cli.advice import Advice
    from bshm_watchd.cli.baseline import Baseline, Difference
    from bshm_watchd.cli.measuring import Measured
    from bshm_watchd.cli.processor import Processor
    from bshm_watchd.config import Settings
    from bshm_watchd.matting.devices.evidence import Evidence

_EXIT_OUTSIDE, _EXIT_CONFIG = 1, 78
_ROUNDS_TO_TELL, _ROUNDS_TO_STORE = 2, 3  # a baseline must not be what a busy moment makes of it
_TRIES = 3  # a busy machine is measured again before it is said that it got slower


def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Measure the model, which takes up to half a minute.")
    ] = True,
    store: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Measure, and keep it in FILE as the baseline.")
    ] = None,
    expect: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, readable=True, dir_okay=False,
            help="Measure, and compare with that baseline: exit code 1 when it does not hold.",
        ),
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(min=1.0, max=100.0, help="With --expect: how many times as long a photo may take (1.3)."),
    ] = None,
) -> None:  # fmt: skip
    """Show versions, processor, GPU, model, its measured speed, and what would make it faster.

    Exit code 78 when something can't work; with --expect 1 when device, runtime, precision, batch, network, time or
    memory are not those of the baseline.

    \b
    Examples:
      bshm-watchd doctor
      bshm-watchd doctor --store fast.json     on the day it is as it should be
      bshm-watchd doctor --expect fast.json    is it still? (after an upgrade, from cron, in a deployment)
    """
    _refuse_what_does_not_go_together(measure, store, expect, tolerance)
    if store is not None:
        _store(context, store, as_json)
    elif expect is not None:
        _expect(context, expect, tolerance, as_json)
    else:
        _tell_all(context, as_json, measure)


def _refuse_what_does_not_go_together(
    measure: bool, store: Path | None, expect: Path | None, tolerance: float | None
) -> None:
    if store and expect:
        raise typer.BadParameter("--store makes a baseline, --expect compares with one: give one of them")
    if (store or expect) and not measure:
        raise typer.BadParameter("a baseline is about speed: leave --no-measure out")
    if tolerance is not None and not expect:
        raise typer.BadParameter("--tolerance goes with --expect")


# -- all there is to tell ------------------------------------------------------------------------------------


def _tell_all(context: typer.Context, as_json: bool, measure: bool) -> None:
    from bshm_watchd.cli.surroundings import everything
    from bshm_watchd.errors import ConfigError

    try:
        settings = chosen.settings_if_any(context)
    except ConfigError as error:
        complain(str(error))
        settings = None
    cpu, evidence = _looked()
    groups = list(everything(settings, cpu, evidence))
    works = not findings.has_problem([one for group in groups for one in group.findings])
    measured = None
    if settings is not None and measure and works:
        measured, group = _measured_group(settings, cpu)
        groups.append(group)
    faster = _faster(settings, cpu, evidence) if settings is not None else []
    works = works and not findings.has_problem([one for group in groups for one in group.findings])
    if as_json:
        told = {"measured": asdict(measured) if measured else None, "faster": [asdict(one) for one in faster]}
        print_json({"ok": works, "findings": findings.groups_as_json(groups), **told})
    else:
        findings.print_groups(groups)
        _print_faster(settings, faster)
    if not works:
        raise typer.Exit(_EXIT_CONFIG)


def _measured_group(settings: Settings, cpu: Processor) -> tuple[Measured | None, findings.Group]:
    from bshm_watchd.errors import InstanceRunning, WatchdError

    title = "measured now"
    try:
        measured = _measuring(settings, cpu, _ROUNDS_TO_TELL)
    except InstanceRunning as error:
        return None, findings.Group(title, (findings.note("not measured", str(error)),))
    except WatchdError as error:
        return None, findings.Group(title, (findings.problem("not measured", str(error)),))
    return measured, findings.Group(title, (*measured.findings(), findings.ok("load average", _load())))


def _faster(settings: Settings, cpu: Processor, evidence: Evidence) -> list[Advice]:
    from bshm_watchd.cli.advice import advice
    from bshm_watchd.cli.situation import situation

    found = situation(settings, cpu, evidence)
    return advice(found) if found is not None else []


def _print_faster(settings: Settings | None, faster: list[Advice]) -> None:
    if settings is None:
        return
    print_heading("what would make it faster")
    if not faster:
        say("nothing that is known here")
    rows = [
        row
        for number, one in enumerate(faster, start=1)
        for row in ((f"{number}.", one.what, one.why), ("", "", one.how))
    ]
    print_table(("",) * 3, rows)


# -- the baseline --------------------------------------------------------------------------------------------


def _store(context: typer.Context, path: Path, as_json: bool) -> None:
    from bshm_watchd.cli import baseline
    from bshm_watchd.errors import ConfigError

    baseline.refuse_unfit(path)
    settings = chosen.settings(context)
    cpu, evidence = _looked()
    busy = os.getloadavg()[0]
    measured = _measuring(settings, cpu, _ROUNDS_TO_STORE)
    if busy > cpu.cores:
        complain(f"the machine was busy (load average {busy:.1f}, {cpu.cores} cores): better store it again when idle")
    made = _as_baseline(measured, evidence)
    try:
        baseline.write(path, made)
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}; name a file that this user may write"]) from error
    if as_json:
        print_json({"stored": str(path), "baseline": made.model_dump(mode="json")})
        return
    findings.print_groups([findings.Group("measured now", tuple(measured.findings()))])
    say(f"\nstored in {path}; compare with: bshm-watchd doctor --expect {path}")


def _expect(context: typer.Context, path: Path, tolerance: float | None, as_json: bool) -> None:
    from bshm_watchd.cli import baseline

    stored = baseline.read(path)
    settings = chosen.settings(context)
    cpu, evidence = _looked()
    at_most = tolerance or baseline.TIMES_AT_MOST
    found = _compared(stored, settings, cpu, evidence, at_most)
    outside = baseline.is_outside(found)
    load = _load()
    if as_json:
        told = {"differences": [asdict(one) for one in found], "load_average": load}
        print_json({"ok": not outside, "expected": str(path), "tolerance": at_most, **told})
    else:
        _print_verdict(stored, found, outside, load)
    if outside:
        raise typer.Exit(_EXIT_OUTSIDE)


def _compared(
    stored: Baseline, settings: Settings, cpu: Processor, evidence: Evidence, at_most: float
) -> list[Difference]:
    """Measured again, and the best taken, where only times or memory are outside."""
    from bshm_watchd.cli import baseline
    from bshm_watchd.cli.measuring import better

    measured = _measuring(settings, cpu)
    for _ in range(_TRIES - 1):
        found = baseline.differences(stored, _as_baseline(measured, evidence), at_most)
        if not baseline.may_be_noise(found):
            return found
        complain("slower than stored: measuring again, in case something else was busy")
        measured = better(measured, _measured(settings, cpu, 1))
    return baseline.differences(stored, _as_baseline(measured, evidence), at_most)


def _print_verdict(stored: Baseline, found: list[Difference], outside: bool, load: str) -> None:
    setup = stored.setup
    print_heading(f"against the baseline of {stored.made[:10]}: {setup.bundle}, {setup.runtime}, {setup.precision}")
    print_table(("",) * 3, [(one.level, one.subject, one.message) for one in found])
    if outside:
        say(f"\nnot as stored (load average {load}); what is here, and what would help: bshm-watchd doctor")
    else:
        say("\nas stored, or better")


def _as_baseline(measured: Measured, evidence: Evidence) -> Baseline:
    from bshm_watchd.cli.baseline import baseline
    from bshm_watchd.cli.surroundings import versions
    from bshm_watchd.clock import SystemClock, timestamp

    return baseline(measured, versions(evidence), timestamp(SystemClock().wall()))


# -- looking -------------------------------------------------------------------------------------------------


def _looked() -> tuple[Processor, Evidence]:
    from bshm_watchd.cli.processor import processor
    from bshm_watchd.matting.cpu_features import cpuinfo
    from bshm_watchd.matting.devices.looking import look

    return processor(cpuinfo()), look(wanted=False)


def _measuring(settings: Settings, cpu: Processor, rounds: int = 1) -> Measured:
    """Says so, since it takes its time. Raises as `_measured`."""
    complain(f"measuring {settings.model.bundle} in a process of its own, up to half a minute")
    return _measured(settings, cpu, rounds)


def _measured(settings: Settings, cpu: Processor, rounds: int) -> Measured:
    """Raises `ConfigError` where the model can't start, `InstanceRunning` where its GPU is taken."""
    from bshm_watchd.cli.measuring import Bench

    return Bench(settings, cpu.name, cpu.cores).measured(rounds)


def _load() -> str:
    one, five, fifteen = os.getloadavg()
    return f"{one:.1f}, {five:.1f}, {fifteen:.1f} over 1, 5, 15 minutes, on {os.cpu_count()} cores"
