"""`bshm-watchd status`: what the running daemon is doing, from the daemon itself."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bshm_watchd.cli import chosen
from bshm_watchd.cli.console import duration, print_json, print_table, say

_COLUMNS = ("folder", "state", "waiting", "oldest", "in work", "done", "review", "rejected", "failed", "other")


def status(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False
) -> None:
    """Say what the running daemon is doing; exit code 3 when none runs.

    \b
    Examples:
      bshm-watchd status
      bshm-watchd status --json | jq .state
    """
    answer = chosen.ask_daemon(context, "status")
    if as_json:
        print_json(answer)
    else:
        _print(answer)


def _print(answer: dict[str, Any]) -> None:
    say(f"bshm-watchd {answer['version']} is running: {answer['state']}")
    say(f"process {answer['pid']} since {answer['since']}, {answer['finished']} photos finished")
    _print_device(answer["model"], answer["device"])
    say(f"configuration of {answer['configuration']['loaded']}\n")
    print_table(_COLUMNS, [_row(folder) for folder in answer["folders"]], gap=1)  # fits into 80 columns
    for folder in answer["folders"]:
        if folder["reason"]:
            say(f"\n{folder['name']} is {folder['state'].replace('_', ' ')}: {folder['reason']}")
    _print_refusal(answer["configuration"])


def _print_device(model: str, device: dict[str, Any]) -> None:
    say(f"model {model} {device['computed']}")
    if device["fell_back"]:
        say(f"  not on a GPU: {device['fell_back']}")
    if (gpu := device["gpu"]) is not None:
        say(f"  {_figures(gpu)}")


def _figures(gpu: dict[str, Any]) -> str:
    if gpu["problem"]:
        return str(gpu["problem"])
    busy = "" if gpu["utilisation_percent"] is None else f", {gpu['utilisation_percent']} % busy"
    return f"{gpu['memory_used_mib']} of {gpu['memory_total_mib']} MiB used{busy}"


def _print_refusal(configuration: dict[str, Any]) -> None:
    if configuration["refused"]:
        say(f"\nrefused at {configuration['refused']}, so that the configuration before stays in force:")
        for problem in configuration["problems"]:
            say(f"  {problem}")


def _row(folder: dict[str, Any]) -> tuple[Any, ...]:
    return (
        folder["name"],
        folder["state"].replace("_", " "),
        folder["waiting"],
        duration(folder["oldest_waiting_seconds"]),
        folder["in_flight"] + folder["retrying"],
        folder["done"],
        folder["review"],
        folder["rejected"],
        folder["failed"],
        folder["not_photos"],
    )
