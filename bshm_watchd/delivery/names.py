"""Pure: where a job's results and its original go, for each number it may try."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace

from bshm_watchd.clock import local_date
from bshm_watchd.disk.filing import SIDECAR_SUFFIX
from bshm_watchd.disk.folder import LONGEST_NAME_BYTES
from bshm_watchd.jobs import Job, Place, State, numbered

DELETE = "delete"
_TROUBLED = {State.REVIEW: "review", State.REJECTED: "rejected", State.FAILED: "failed"}


@dataclass(frozen=True, slots=True)
class Names:
    """One number's names: a target for each output, in order, and the original's (None: it is deleted)."""

    targets: tuple[Place, ...]
    filed: Place | None
    sidecar: Place | None = None

    @property
    def places(self) -> tuple[Place, ...]:
        return (*self.targets, *(place for place in (self.filed, self.sidecar) if place is not None))


def names(job: Job, number: int, name_bytes: int = LONGEST_NAME_BYTES) -> Names:
    """`name_bytes`: how long they may be; what is longer is cut."""
    targets = tuple(
        _target(job, root, output.path, number, name_bytes)
        for root, output in zip(job.plan.output_roots, job.plan.outputs, strict=True)
    )
    filed = filed_place(job, number, name_bytes)
    return Names(targets, filed, sidecar_place(filed) if filed is not None and job.end in _TROUBLED else None)


def sidecar_place(filed: Place) -> Place:
    return replace(filed, name=filed.name + SIDECAR_SUFFIX)


def filed_place(job: Job, number: int, name_bytes: int = LONGEST_NAME_BYTES) -> Place | None:
    """Where the job's end takes its original; None: it is deleted. Beside it there is room for a sidecar's name."""
    if (directory := _TROUBLED.get(job.end)) is not None:
        name = numbered(job.name, number, name_bytes - len(SIDECAR_SUFFIX))
        return Place("", _tidy(f"{directory}/{job.relative_dir}"), name)
    if job.plan.done == DELETE:
        return None
    return Place("", _tidy(_expand(job.plan.done, job)), numbered(job.name, number, name_bytes))


def _target(job: Job, root: str, template: str, number: int, name_bytes: int) -> Place:
    directory, _, name = template.rpartition("/")
    if root:  # as `output_root`: what stands before the first field's component is the root, however it is spelt
        directory = directory[len(template.split("{", 1)[0].rpartition("/")[0]) :]
    return Place(root, _tidy(_expand(directory, job)), numbered(_expand(name, job), number, name_bytes))


def _expand(template: str, job: Job) -> str:
    """All fields in one pass, so that a `{stem}` in somebody's file name stays what it is."""
    fields = {
        "relative_dir": job.relative_dir,
        "stem": os.path.splitext(job.name)[0],
        "date": local_date(job.claimed_wall),
    }
    return re.sub(r"{(relative_dir|stem|date)}", lambda match: fields[match[1]], template)


def _tidy(directory: str) -> str:
    return "/".join(part for part in directory.split("/") if part not in ("", "."))
