"""`bshm-watchd run` and `once`: the daemon itself, for good or until the backlog is worked off."""

from __future__ import annotations

from typing import Annotated

import typer

from bshm_watchd.cli import chosen


def run(context: typer.Context) -> None:
    """Run the daemon in the foreground, logging to standard error; SIGTERM or Ctrl-C ends it when work is safe.

    SIGHUP lets it take over its changed configuration file, as bshm-watchd reload does.

    \b
    Examples:
      bshm-watchd run
      bshm-watchd run --config /srv/bshm.yaml
    """
    settings = chosen.settings(context)
    from bshm_watchd import logs
    from bshm_watchd.wiring import open_daemon

    logs.start()
    with open_daemon(settings, config=chosen.config_path(context).absolute()) as daemon:
        code = daemon.run(lambda _: None)
    _say_failure(daemon.failure)
    raise typer.Exit(code)


def once(
    context: typer.Context,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for what can't be had yet.")
    ] = 300.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Work off everything that lies in the hot folders, and end.

    Exit code 0 when all is done, 1 when some photos were rejected or failed, 75 when something is left (run it again:
    a file that is still growing, or a folder that is full or away), 130 after Ctrl-C.

    \b
    Examples:
      bshm-watchd once
      bshm-watchd once --wait 0 --json
    """
    settings = chosen.settings(context)
    from bshm_watchd.cli.course import Course, shown_course
    from bshm_watchd.clock import SystemClock
    from bshm_watchd.ending import Once
    from bshm_watchd.wiring import open_daemon

    course = Course(SystemClock())
    with shown_course(course) as progress, open_daemon(settings, Once(wait)) as daemon:
        code = daemon.run(progress)
    _say_failure(daemon.failure)
    course.print_end(daemon, code, as_json=as_json)
    raise typer.Exit(code)


def _say_failure(failure: BaseException | None) -> None:
    """What the operator must change is said plainly; anything else is in the log, with where it happened."""
    from bshm_watchd.cli.console import complain
    from bshm_watchd.errors import ConfigError

    if isinstance(failure, ConfigError):
        complain(str(failure))
