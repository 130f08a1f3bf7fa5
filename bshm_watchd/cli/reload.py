"""`bshm-watchd reload`: let the running daemon take over its changed configuration file."""

from __future__ import annotations

from typing import Annotated

import typer

from bshm_watchd.cli import chosen
from bshm_watchd.cli.console import complain, print_json, say
from bshm_watchd.ops.asking import RELOAD_SECONDS

_MARGIN_SECONDS = 5.0


def reload(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False
) -> None:
    """Let the running daemon read its configuration file anew, and take it over whole or not at all.

    Hot folders may be added, removed and changed. Photos in work keep the settings they were claimed with; folders
    that did not change are not disturbed. state_dir, model, batch and limits need a restart. With anything wrong in
    the file, exit code 78 and every problem: the daemon goes on as before. Exit code 3 when none runs.

    \b
    Examples:
      bshm-watchd check && bshm-watchd reload
      bshm-watchd reload --json | jq -r .changes
      kill -HUP PID                         the same; the answer is in the daemon's log
    """
    answer = chosen.ask_daemon(context, "reload", RELOAD_SECONDS + _MARGIN_SECONDS)
    if as_json:
        print_json(answer)
        return
    for warning in answer["warnings"]:
        complain(f"a background picture can't be used yet: {warning}")
    say(answer["changes"])
