"""Pure: what the sidecar beside a rejected or failed photo says."""

from __future__ import annotations

import base64
import json
import os

from bshm_watchd.clock import timestamp
from bshm_watchd.jobs import Job
from bshm_watchd.logs import shown

_VERSION = 1


def content(job: Job, wall: float) -> bytes:
    """JSON in UTF-8 for people and scripts. The exact bytes of the name stand in `name_base64`."""
    assert job.problem is not None
    fields = {
        "version": _VERSION,
        "job": job.id,
        "name": shown(job.relative),
        "name_base64": base64.b64encode(os.fsencode(job.relative)).decode("ascii"),
        "reason": job.problem.reason,
        "message": job.problem.message,
        "what_to_do": job.problem.what_to_do,
        "attempts": job.attempts,
        "when": timestamp(wall),
    }
    return (json.dumps(fields, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
