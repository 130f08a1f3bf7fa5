"""What can be asked of a hot folder while no daemon runs, under the instance lock: the same as of a running one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

from bshm_watchd.answers import named, requeueable
from bshm_watchd.clock import SystemClock
from bshm_watchd.config import Settings
from bshm_watchd.delivery.render import cost_bytes
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.owner import Owner
from bshm_watchd.errors import WatchdError
from bshm_watchd.folder_calls import FolderCalls
from bshm_watchd.instance import only_instance
from bshm_watchd.jobs import new_id
from bshm_watchd.journal import JOURNAL_NAME, Journal


def requeue(settings: Settings, ids: Iterable[str]) -> dict[str, list[dict[str, str]]]:
    """Claim filed originals anew; the next run works on them. Raises `InstanceRunning` when a daemon runs."""
    done: dict[str, list[dict[str, str]]] = {"requeued": [], "failed": []}
    with _alone(settings) as (journal, us):
        for job_id in ids:
            try:
                row = requeueable(journal, job_id)
                with _attached(settings, row.folder, journal, us) as calls:
                    done["requeued"].append({"id": job_id, "new_id": calls.requeue(row).id})
            except (WatchdError, OSError) as error:
                done["failed"].append({"id": job_id, "why": str(error)})
    return done


def attach(settings: Settings, name: str, *, adopt: bool = False, take: bool = False) -> dict[str, Any]:
    """Accept a folder as the one that is meant, or take it from its owner, for the next run."""
    with _alone(settings) as (journal, us), _attached(settings, name, journal, us, adopt=adopt, take=take):
        return {"name": name, "asked": "take" if take else "adopt"}


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[tuple[Journal, Owner]]:
    clock = SystemClock()
    with only_instance(settings.state_dir), Journal(settings.state_dir / JOURNAL_NAME, clock) as journal:
        yield journal, Owner.this_process(new_id(clock.wall()), clock.wall())


@contextlib.contextmanager
def _attached(
    settings: Settings, name: str, journal: Journal, us: Owner, *, adopt: bool = False, take: bool = False
) -> Iterator[FolderCalls]:
    by_name = {folder.name: folder for folder in settings.hot_folders}
    folder = HotFolder(Disk(), by_name[named(by_name, name)], settings.state_dir)
    calls = FolderCalls(folder, settings.limits, lambda _: None, journal, us, SystemClock(), cost_bytes)
    try:
        calls.own(adopt=adopt, take=take)
        yield calls
    finally:
        calls.detach()
