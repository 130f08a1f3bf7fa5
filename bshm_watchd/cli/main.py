"""`bshm-watchd`: the one entry. Says errors in plain words and turns them into exit codes.

0 fine · 1 some photos rejected or failed · 2 another instance or owner · 3 not running · 64 usage · 70 broken beyond
repair from inside · 75 something is left, try again · 78 configuration or rights · 130 interrupted (143 by SIGTERM)
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from bshm_watchd import __version__
from bshm_watchd.cli import bench, check, doctor, folder, init, jobs, matte, model, reload, run, status
from bshm_watchd.cli.console import complain, say
from bshm_watchd.cli.interrupts import Interrupted
from bshm_watchd.errors import WatchdError
from bshm_watchd.ops.asking import EXIT_USAGE, exit_code_of

_EXIT_CONFIG = 78
_EXIT_INTERRUPTED = 130

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _remember_config(context: typer.Context, path: Path | None) -> Path | None:
    if path is not None:
        context.obj = path.absolute()
    return path


def _print_version(wanted: bool) -> None:
    if wanted:
        say(f"bshm-watchd {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            callback=_remember_config,
            expose_value=False,
            help="The configuration; else $BSHM_WATCHD_CONFIG, your own, or /etc/bshm-watchd/config.yaml.",
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Watches hot folders, cuts people out of the photos dropped there, and files every original.

    \b
    Start like this:
      bshm-watchd init /srv/hot/portraits   a configuration and a hot folder
      bshm-watchd model fetch portrait      the model, once
      bshm-watchd check                     is everything right?
      bshm-watchd run                       the daemon (or: once, for the backlog)
    """


app.command("init", short_help="Make a hot folder and a configuration, ready to run.")(init.init)
app.command("check", short_help="Would it work? Configuration, rights, space, model.")(check.check)
app.command("run", short_help="Run the daemon in the foreground.")(run.run)
app.command("once", short_help="Work off all that lies in the hot folders, and end.")(run.once)
app.command("status", short_help="Say what the running daemon is doing.")(status.status)
app.command("reload", short_help="Let the running daemon take over its changed configuration.")(reload.reload)
app.command("matte", short_help="Cut people out of single photos, here and now.")(matte.matte)
app.add_typer(jobs.app, name="jobs")
app.add_typer(folder.app, name="folder")
app.add_typer(model.app, name="model")
app.add_typer(bench.app, name="bench")
app.command("doctor", short_help="Show versions, processor, model, places, limits.")(doctor.doctor)

# Typer's own base of everything that is wrong with a command line; it has no public name.
_UsageProblem: type[Any] = typer.BadParameter.__mro__[2]


def main() -> NoReturn:
    _speak_utf8()
    code = run_command(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has seen enough; and Python shall not try again on its way out.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if any(thread.daemon for thread in threading.enumerate()):
        sys.stderr.flush()
        os._exit(code)  # a call that never comes back was abandoned; what it holds can't be taken down in order
    sys.exit(code)


def run_command(arguments: list[str]) -> int:
    """Run one command; returns its exit code. Errors of ours are said in plain words, never as a traceback."""
    try:
        return int(_command().main(arguments, prog_name="bshm-watchd", standalone_mode=False) or 0)
    except _UsageProblem as problem:
        problem.show()
        return EXIT_USAGE
    except Interrupted as interrupted:
        return interrupted.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return _EXIT_INTERRUPTED
    except WatchdError as error:
        complain(str(error))
        return exit_code_of(error)
    except PermissionError as error:
        complain(f"{error.filename}: {error.strerror}; run this as the daemon's user, or as root")
        return _EXIT_CONFIG


def _command() -> Any:
    command: Any = typer.main.get_command(app)
    config = next(parameter for parameter in command.params if parameter.name == "config")
    _accept_everywhere(config, command)
    return command


def _accept_everywhere(option: Any, command: Any) -> None:
    """An option that may stand after any verb, not only before it."""
    if option not in command.params:
        command.params.append(option)
    for below in getattr(command, "commands", {}).values():
        _accept_everywhere(option, below)


def _speak_utf8() -> None:
    """File names are UTF-8 here, whatever the locale says; Python takes that in at its start only."""
    if sys.getfilesystemencoding() != "utf-8":
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
