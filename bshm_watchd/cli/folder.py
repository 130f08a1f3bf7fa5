"""`bshm-watchd folder`: say that a hot folder is ours after all."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bshm_watchd.cli import chosen
from bshm_watchd.cli.console import say
from bshm_watchd.ops.asking import SOCKET_NAME, NotRunning, ask

app = typer.Typer(
    help="Take or adopt a hot folder that the daemon does not dare to work in.",
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


def _act(context: typer.Context, name: str, action: str) -> None:
    settings = chosen.settings(context)
    chosen.one_of(name, [folder.name for folder in settings.hot_folders], "hot folder")
    try:
        answer: dict[str, Any] = ask(settings.state_dir / SOCKET_NAME, f"folder_{action}", {"name": name})
    except NotRunning:
        from bshm_watchd.wiring import offline_folder

        answer = offline_folder(settings, name, action)
    say(f"{answer['name']}: {'taken over' if action == 'take' else 'adopted'}; see: bshm-watchd status")
