"""`bshm-watchd folder`: say that a hot folder is ours after all."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from bshm_watchd.cli import chosen
from bshm_watchd.cli.console import say
from bshm_watchd.ops.asking import SOCKET_NAME, NotRunning, ask

app = typer.Typer(
    help="Take or adopt a hot folder that the daemon keeps away from.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_Name = Annotated[str, typer.Argument(help="The hot folder's name in the configuration.")]


@app.command()
def take(context: typer.Context, name: _Name) -> None:
    """Take over a hot folder from an owner on another machine that is gone for good.

    Make sure of that first: two daemons in one folder would disturb each other.

    \b
    Example:
      bshm-watchd folder take portraits
    """
    _act(context, name, "take")


@app.command()
def adopt(context: typer.Context, name: _Name) -> None:
    """Accept the directory that stands at a hot folder's path now as that folder.

    For a folder that was restored from a backup or moved to another disk. If a share is only not mounted, mount it.

    \b
    Example:
      bshm-watchd folder adopt portraits
    """
    _act(context, name, "adopt")


def _act(context: typer.Context, name: str, action: Literal["take", "adopt"]) -> None:
    chosen.folder_name(context, name)
    settings = chosen.settings(context)
    try:
        ask(settings.state_dir / SOCKET_NAME, f"folder_{action}", {"name": name})
        say(f"{name}: the daemon tries it now; see: bshm-watchd status")
    except NotRunning:
        from bshm_watchd import offline

        offline.attach(settings, name, take=action == "take", adopt=action == "adopt")
        say(f"{name}: done; no daemon runs, the next one works in it")
