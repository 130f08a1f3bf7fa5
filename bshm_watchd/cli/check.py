"""`bshm-watchd check`: would the daemon work as configured, here, for this user?"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from bshm_watchd.cli import chosen, findings
from bshm_watchd.cli.console import print_json, say

_EXIT_CONFIG = 78


def check(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False
) -> None:
    """Validate configuration, limits, rights, free space and model; exit code 78 when there is a problem.

    Run it as the daemon's user: rights are tried out by writing small files into each hot folder.

    \b
    Examples:
      bshm-watchd check
      bshm-watchd check --config new.yaml --json
    """
    from bshm_watchd.cli.checks import everything

    path = chosen.config_path(context)
    found = [replace(one, message=chosen.advice(one.message, path)) for one in everything(path)]
    bad = findings.has_problem(found)
    if as_json:
        print_json({"ok": not bad, "findings": findings.as_json(found)})
    else:
        findings.print_findings(found)
        say("\nNot everything is right: see above." if bad else "\nEverything is right.")
    if bad:
        raise typer.Exit(_EXIT_CONFIG)
