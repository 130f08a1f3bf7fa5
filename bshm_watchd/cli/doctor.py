"""`bshm-watchd doctor`: what is here to work with. For the person who asks why it is slow, or does not start."""

from __future__ import annotations

from typing import Annotated

import typer

from bshm_watchd.cli import chosen, findings
from bshm_watchd.cli.console import complain, print_json

_EXIT_CONFIG = 78


def doctor(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False
) -> None:
    """Show versions, processor, model, device, file systems and limits; exit code 78 when something can't work.

    \b
    Examples:
      bshm-watchd doctor
      bshm-watchd doctor --json
    """
    from bshm_watchd.cli.surroundings import everything
    from bshm_watchd.errors import ConfigError

    try:
        settings = chosen.settings_if_any(context)
    except ConfigError as error:
        complain(str(error))
        settings = None
    found = list(everything(settings))
    if as_json:
        print_json({"ok": not findings.has_problem(found), "findings": findings.as_json(found)})
    else:
        findings.print_findings(found)
    if findings.has_problem(found):
        raise typer.Exit(_EXIT_CONFIG)
