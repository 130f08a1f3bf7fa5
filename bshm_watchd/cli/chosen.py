"""Which configuration a command works with: the one named by --config, else the default one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from bshm_watchd.config import Limits, ModelSettings, Settings


def config_path(context: typer.Context) -> Path:
    from bshm_watchd.config import default_config_path

    named: Path | None = context.obj
    return named or default_config_path()


def settings(context: typer.Context) -> Settings:
    """Raises `ConfigError` with all problems."""
    from bshm_watchd.config import load

    return load(config_path(context))


def settings_if_any(context: typer.Context) -> Settings | None:
    """None where nothing was named and nothing is there yet."""
    return None if context.obj is None and not config_path(context).exists() else settings(context)


def state_dir(context: typer.Context) -> Path:
    """Where a daemon would be asked, or its journal read: also known without a configuration."""
    from bshm_watchd.config import default_state_dir

    chosen = settings_if_any(context)
    return chosen.state_dir if chosen else default_state_dir()


def model_and_limits(context: typer.Context) -> tuple[Path, ModelSettings, Limits]:
    """State directory, model settings and limits, and their defaults where there is no configuration."""
    from bshm_watchd.config import Limits, ModelSettings, default_state_dir

    found = settings_if_any(context)
    if found is None:
        return default_state_dir(), ModelSettings(), Limits()
    return found.state_dir, found.model, found.limits


def option(path: Path) -> str:
    """What a command needs so that it finds this configuration; empty where it finds it by itself."""
    from bshm_watchd.config import default_config_path

    return "" if path.absolute() == default_config_path().absolute() else f" --config {path}"


def advice(text: str, path: Path) -> str:
    """The same advice, the commands in it for this configuration."""
    return re.sub(r"(?<=: bshm-watchd)(?= \w)", lambda _: option(path), text)


def ask_daemon(context: typer.Context, verb: str, timeout_seconds: float = 15.0) -> dict[str, Any]:
    """Ask the daemon also when its file has become wrong: it works with an earlier one.

    Raises `ControlError`; where no daemon is found the file's own `ConfigError` comes first.
    """
    from bshm_watchd.errors import ConfigError
    from bshm_watchd.ops.asking import SOCKET_NAME, ControlError, NotRunning, ask

    try:
        wrong, directory = None, state_dir(context)
    except ConfigError as error:
        wrong, directory = error, _likely_state_dir(context)
    try:
        return ask(directory / SOCKET_NAME, verb, {}, timeout_seconds)
    except NotRunning as error:
        raise wrong or ControlError(advice(str(error), config_path(context)), error.exit_code) from None


def _likely_state_dir(context: typer.Context) -> Path:
    """What a configuration that can't be used seems to say."""
    from bshm_watchd.config import default_state_dir

    try:
        text = config_path(context).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return default_state_dir()
    found = re.search(r"""^state_dir:\s*["']?([^"'#\n]+?)["']?\s*(?:#.*)?$""", text, re.MULTILINE)
    return Path(found[1]) if found else default_state_dir()


def make_state_dir(path: Path) -> None:
    """As the daemon makes it. Raises `ConfigError`."""
    from bshm_watchd.errors import ConfigError

    try:
        path.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        message = f"state_dir {path}: {error.strerror}; make it writable for this user or set state_dir"
        raise ConfigError([message]) from error


def folder_name(context: typer.Context, name: str) -> str:
    """`name`, if it is a configured hot folder's; a usage error that suggests a close one otherwise."""
    return one_of(name, [folder.name for folder in settings(context).hot_folders], "hot folder")


def one_of(name: str, known: Iterable[str], what: str) -> str:
    names = list(known)
    if name in names:
        return name
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(names)}"
    raise typer.BadParameter(f"no {what} is named {name!r}; {hint}")
