"""`bshm-watchd jobs`: what became of the photos, and trying again. Asks the daemon, or reads its journal itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bshm_watchd.cli import chosen
from bshm_watchd.cli.console import complain, print_json, print_table, say
from bshm_watchd.ops.asking import EXIT_USAGE, SOCKET_NAME, ControlError, NotRunning, ask

if TYPE_CHECKING:
    from bshm_watchd.config import Settings

app = typer.Typer(help="List and show jobs, and try some again.", no_args_is_help=True, rich_markup_mode=None)

_PAGE_ROWS = 1000
_IDS_A_REQUEST = 50  # so that the daemon answers well within its deadline
_EXIT_SOME_FAILED = 1

_Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
_Folder = Annotated[str | None, typer.Option("--folder", metavar="NAME", help="Only of this hot folder.")]
_Rejected = Annotated[bool, typer.Option("--rejected", help="Those whose photo is at fault.")]
_Review = Annotated[bool, typer.Option("--review", help="Those whose matte is doubtful.")]
_Failed = Annotated[bool, typer.Option("--failed", help="Those whose attempts are used up.")]


@app.command("list")
def list_(
    context: typer.Context,
    folder: _Folder = None,
    state: Annotated[list[str] | None, typer.Option(metavar="STATE", help="Only in this state; may repeat.")] = None,
    rejected: _Rejected = False,
    failed: _Failed = False,
    review: _Review = False,
    limit: Annotated[int, typer.Option(min=1, max=_PAGE_ROWS, metavar="N", help="At most that many.")] = 50,
    before: Annotated[str, typer.Option(metavar="ID", show_default=False, help="Only older ones.")] = "~",
    as_json: _Json = False,
) -> None:
    """List jobs, the newest first.

    \b
    Examples:
      bshm-watchd jobs list
      bshm-watchd jobs list --rejected --failed --folder portraits
      bshm-watchd jobs list --state done --limit 1000 --json
    """
    states = [*_checked_states(state or []), *_troubled(rejected=rejected, failed=failed, review=review)]
    wanted = {"folder": _checked_folder(context, folder), "states": states, "limit": limit, "before": before}
    answer = _ask(context, "jobs_list", wanted)
    if as_json:
        print_json(answer)
    else:
        _print_list(answer)


@app.command()
def show(context: typer.Context, job_id: Annotated[str, typer.Argument(metavar="ID")], as_json: _Json = False) -> None:
    """Show everything that is known of a job.

    \b
    Example:
      bshm-watchd jobs show 01J9ZQ4T2V8W3X5Y6Z7A8B9C0D
    """
    job = _ask(context, "jobs_show", {"id": _checked_id(job_id)})["job"]
    if as_json:
        print_json(job)
    else:
        _print_job(job)


@app.command()
def requeue(
    context: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", help="Jobs that are over.")] = None,
    rejected: _Rejected = False,
    failed: _Failed = False,
    review: _Review = False,
    folder: _Folder = None,
    as_json: _Json = False,
) -> None:
    """Process filed originals once more, each as a new job.

    Exit code 1 when some of them could not be had.

    \b
    Examples:
      bshm-watchd jobs requeue 01J9ZQ4T2V8W3X5Y6Z7A8B9C0D
      bshm-watchd jobs requeue --failed --folder portraits
    """
    states = _troubled(rejected=rejected, failed=failed, review=review)
    if bool(ids) == bool(states):
        raise typer.BadParameter("name the jobs, or say --rejected, --failed or --review")
    if ids and folder:
        raise typer.BadParameter("--folder goes with --rejected, --failed or --review; a job's id says its folder")
    chosen_ids = (
        [_checked_id(one) for one in ids] if ids else _ids_of(context, _checked_folder(context, folder), states)
    )
    settings = chosen.settings(context)
    answer = _requeue(settings, chosen_ids)
    if as_json:
        print_json(answer)
    else:
        _print_requeued(answer)
        if answer["requeued"] and not _daemon_runs(settings):
            say("no daemon is running: the next run works on them (bshm-watchd run, or once)")
    if answer["failed"]:
        raise typer.Exit(_EXIT_SOME_FAILED)


def _ask(context: typer.Context, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """From the daemon, which has the journal open; without one, from the journal."""
    state_dir = chosen.state_dir(context)
    try:
        return ask(state_dir / SOCKET_NAME, verb, arguments)
    except NotRunning:
        return _from_journal(state_dir, verb, arguments)


def _from_journal(state_dir: Path, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
    from bshm_watchd.clock import SystemClock
    from bshm_watchd.journal import JOURNAL_NAME, Journal
    from bshm_watchd.ops.history import ListArguments, NoSuchJob, ShowArguments, jobs_list, jobs_show

    path = state_dir / JOURNAL_NAME
    if not path.exists() and verb == "jobs_list":
        return {"jobs": [], "more": False}
    if not path.exists():
        raise ControlError(f"there is no journal in {state_dir} yet: nothing was ever processed", EXIT_USAGE)
    path.open("r+b").close()  # the rights first: a journal that is only not ours must not look damaged
    with Journal(path, SystemClock()) as journal:
        try:
            if verb == "jobs_list":
                return jobs_list(journal, ListArguments(**arguments))
            return jobs_show(journal, ShowArguments(**arguments))
        except NoSuchJob as error:
            raise ControlError(str(error), EXIT_USAGE) from error


def _requeue(settings: Settings, ids: list[str]) -> dict[str, list[dict[str, str]]]:
    together: dict[str, list[dict[str, str]]] = {"requeued": [], "failed": []}
    for start in range(0, len(ids), _IDS_A_REQUEST):
        answer = _requeue_some(settings, ids[start : start + _IDS_A_REQUEST])
        for how, found in together.items():
            found.extend(answer[how])
    return together


def _requeue_some(settings: Settings, ids: list[str]) -> dict[str, Any]:
    try:
        return ask(settings.state_dir / SOCKET_NAME, "requeue", {"ids": ids})
    except NotRunning:
        from bshm_watchd import offline

        return offline.requeue(settings, ids)


def _daemon_runs(settings: Settings) -> bool:
    try:
        return bool(ask(settings.state_dir / SOCKET_NAME, "status", {}))
    except NotRunning:
        return False
    except ControlError:
        return True


def _ids_of(context: typer.Context, folder: str | None, states: list[str]) -> list[str]:
    jobs = _all_jobs(context, folder, states)
    return [job["id"] for job in jobs if not job["requeued_as"]]


def _all_jobs(context: typer.Context, folder: str | None, states: list[str]) -> Iterator[dict[str, Any]]:
    page: dict[str, Any] = {"more": True}
    before = "~"
    while page["more"]:
        wanted = {"folder": folder, "states": states, "limit": _PAGE_ROWS, "before": before}
        page = _ask(context, "jobs_list", wanted)
        yield from page["jobs"]
        before = page["jobs"][-1]["id"] if page["jobs"] else before


# -- what was typed ----------------------------------------------------------------------------------------


def _troubled(**wanted: bool) -> list[str]:
    return [name for name, is_wanted in wanted.items() if is_wanted]


def _checked_states(states: list[str]) -> list[str]:
    from bshm_watchd.jobs import State

    return [chosen.one_of(state, [str(known) for known in State], "state") for state in states]


def _checked_folder(context: typer.Context, folder: str | None) -> str | None:
    return None if folder is None else chosen.folder_name(context, folder)


def _checked_id(text: str) -> str:
    from bshm_watchd.jobs import is_id

    if not is_id(text.upper()):
        raise typer.BadParameter(f"{text!r} is no job's id; they have 26 letters and digits: bshm-watchd jobs list")
    return text.upper()


# -- what is printed ---------------------------------------------------------------------------------------


def _print_list(answer: dict[str, Any]) -> None:
    jobs = answer["jobs"]
    if not jobs:
        say("no such jobs")
        return
    rows = [(job["id"], _moment(_latest(job)), job["folder"], job["relative"], _outcome(job)) for job in jobs]
    print_table(("id", "when", "folder", "photo", "state"), rows, whole=("id", "when"))
    if answer["more"]:
        complain(f"there are older ones: --before {jobs[-1]['id']}")


def _latest(job: dict[str, Any]) -> float:
    return float(job["finished_wall"] or job["claimed_wall"])


def _outcome(job: dict[str, Any]) -> str:
    if job["requeued_as"]:
        return f"{job['state']}, requeued"
    return f"{job['state']}: {job['reason']}" if job["reason"] else str(job["state"])


def _moment(wall: float) -> str:
    from bshm_watchd.clock import timestamp

    return timestamp(wall)[:16].replace("T", " ")


def _print_job(job: dict[str, Any]) -> None:
    from bshm_watchd.clock import timestamp

    rows = [
        ("id", job["id"]),
        ("folder", job["folder"]),
        ("photo", job["relative"]),
        ("state", job["state"]),
        ("claimed", timestamp(job["claimed_wall"])),
        ("finished", timestamp(job["finished_wall"]) if job["finished_wall"] else None),
        ("attempts", job["attempts"]),
        ("size", f"{job['size_bytes']} bytes"),
        ("sha256", job["sha256"]),
        *(("result", result) for result in job["results"]),
        ("filed as", job["filed_as"]),
        ("reason", job["reason"]),
        ("message", job["message"]),
        ("what to do", job["what_to_do"]),
        ("requeued as", job["requeued_as"]),
    ]
    print_table(("", ""), [row for row in rows if row[1] not in (None, "")])


def _print_requeued(answer: dict[str, list[dict[str, str]]]) -> None:
    if not answer["requeued"] and not answer["failed"]:
        say("there is nothing to requeue")
    if answer["requeued"]:
        print_table(("requeued", "as"), [(one["id"], one["new_id"]) for one in answer["requeued"]])
    for one in answer["failed"]:
        complain(f"{one['id']}: {one['why']}")
