"""`bshm-watchd init`: a configuration and a hot folder's tree, ready to run."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bshm_watchd.cli import chosen
from bshm_watchd.cli.console import say

if TYPE_CHECKING:
    from bshm_watchd.config import HotFolderSettings, Settings

_RESULTS = "results"
_TEMPLATE = """\
# All that is needed: every other key has a default. After a change: bshm-watchd check
version: 1
{state_dir}hot_folders:
{entry}"""
_ENTRY = "  - name: {name}\n    path: {path}\n"


def init(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The hot folder; made where it is missing.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Its name in log and commands; else DIR's.")] = None,
    config_out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the configuration goes; else where --config says.")
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For index, socket and models; on a local disk.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a configuration that is there.")] = False,
) -> None:
    """Make a hot folder and a configuration for it, ready to run.

    A configuration that is there already is left as it is: the lines to add to it are printed.

    \b
    Examples:
      bshm-watchd init /srv/hot/portraits
      bshm-watchd init ~/photos --name school --config-out school.yaml
    """
    path = (config_out or context.obj or _own_config_path()).absolute()
    entry = _entry(directory, name)
    if path.exists() and not force:
        _add(path, entry)
    else:
        _begin(path, entry, state_dir)


def _begin(path: Path, entry: str, state_dir: Path | None) -> None:
    from bshm_watchd.config import parse

    line = f"state_dir: {_scalar(str(_whole(state_dir)))}\n" if state_dir else ""
    text = _TEMPLATE.format(state_dir=line, entry=entry)
    settings = parse(text, source=str(path))
    folder = settings.hot_folders[0]
    _make_tree(folder, settings.state_dir)
    _write(path, text)
    _say_where(folder)
    say(f"Configuration: {path}\n")
    _say_next(path, settings)


def _add(path: Path, entry: str) -> None:
    """The tree is made as a daemon with the changed configuration would expect it; the file is the user's."""
    from bshm_watchd.config import load

    settings = load(path)
    folder = _parsed(entry)
    known = {one.path: one for one in settings.hot_folders}
    if folder.path in known:
        _make_tree(known[folder.path], settings.state_dir)
        _say_where(known[folder.path])
        say(f"It is in the configuration already: {path}\n")
    else:
        _check_fits(settings, folder)
        _make_tree(folder, settings.state_dir)
        _say_where(folder)
        say(f"The configuration {path} is there and left as it is. Add this below hot_folders:\n\n{entry}")
    _say_next(path, settings)


def _parsed(entry: str) -> HotFolderSettings:
    from bshm_watchd.config import parse

    return parse(_TEMPLATE.format(state_dir="state_dir: /nowhere\n", entry=entry), "init").hot_folders[0]


def _check_fits(settings: Settings, folder: HotFolderSettings) -> None:
    """Raises `ConfigError` for a name that is taken, or trees that overlap."""
    from pydantic import ValidationError

    from bshm_watchd.config import Settings
    from bshm_watchd.errors import ConfigError

    try:
        Settings(version=1, state_dir=settings.state_dir, hot_folders=(*settings.hot_folders, folder))
    except ValidationError as error:
        raise ConfigError([item["msg"].removeprefix("Value error, ") for item in error.errors()]) from error


def _make_tree(folder: HotFolderSettings, state_dir: Path) -> None:
    from bshm_watchd.disk.folder import HotFolder
    from bshm_watchd.disk.ops import Disk
    from bshm_watchd.errors import ConfigError
    from bshm_watchd.jobs import Place, Plan

    chosen.make_state_dir(state_dir)
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError([f"{folder.path}: {error.strerror}; choose a place that this user may write to"]) from error
    tree = HotFolder(Disk(), folder, state_dir)
    tree.attach(frozenset(Plan.of(folder).output_roots))
    with tree.directory(Place("", _RESULTS, "")):
        pass


def _write(path: Path, text: str) -> None:
    from bshm_watchd.errors import ConfigError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}; name another place with --config-out FILE"]) from error


# -- what was typed ----------------------------------------------------------------------------------------


def _entry(directory: Path, name: str | None) -> str:
    path = _whole(directory)
    return _ENTRY.format(name=_scalar(name or _name_of(path)), path=_scalar(str(path)))


def _whole(path: Path) -> Path:
    """Absolute, and of characters that a configuration can hold."""
    from bshm_watchd.errors import ConfigError

    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ConfigError([f"{path}: a path in the configuration must be UTF-8; rename that directory"]) from error
    return Path(os.path.abspath(path))


def _name_of(path: Path) -> str:
    """The directory's name, as far as a hot folder may be called that."""
    plain = unicodedata.normalize("NFKD", path.name).encode("ascii", "ignore").decode("ascii")
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).strip("_.-")[:64]
    return name or "photos"


def _scalar(text: str) -> str:
    """A string as YAML: as it is where that reads as the same string, else quoted."""
    import yaml

    try:
        as_it_is = yaml.safe_load(f"key: {text}") == {"key": text}
    except yaml.YAMLError:
        as_it_is = False
    return text if as_it_is else json.dumps(text, ensure_ascii=False)


def _own_config_path() -> Path:
    """Where this user's configuration belongs: root's is the system's."""
    if variable := os.environ.get("BSHM_WATCHD_CONFIG"):
        return Path(variable)
    if os.geteuid() == 0:
        return Path("/etc/bshm-watchd/config.yaml")
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(base) / "bshm-watchd" / "config.yaml"


# -- what is said ------------------------------------------------------------------------------------------


def _say_where(folder: HotFolderSettings) -> None:
    say(f"Hot folder {folder.name} is ready: {folder.path}")
    say(f"  photos go into     {folder.path}/drop")
    say(f"  results appear in  {folder.path}/{_RESULTS}")


def _say_next(path: Path, settings: Settings) -> None:
    from bshm_watchd.errors import ConfigError
    from bshm_watchd.matting.bundle import configured_bundle

    option = chosen.option(path)
    say("Next:")
    try:
        configured_bundle(settings.model, settings.state_dir)
    except ConfigError:
        say(f"  bshm-watchd{option} model fetch {settings.model.bundle}   (the model, once)")
    say(f"  bshm-watchd{option} check   (is everything right?)")
    say(f"  bshm-watchd{option} run     (the daemon; or work off what is there: once)")
