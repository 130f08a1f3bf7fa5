"""A share's server does what it was asked, and its answer gets lost: the change happened, and is told as an error."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from bshm_watchd.disk.ops import Disk
from bshm_watchd.ending import EXIT_FINE, EXIT_SOME_REJECTED
from tests.support import invariants
from tests.support.contracts import Evidence
from tests.support.crashes import busy_studio
from tests.support.disks import LostAnswerDisk, NoReplaceMissing


class _Unreadable(Disk):
    """Errs whenever a claimed photo is read, until `mended`."""

    def __init__(self, code: int) -> None:
        self._code = code
        self.mended = False

    def open_file(self, dir_fd: int, name: str) -> int:
        if "/.bshm/work/" in os.readlink(f"/proc/self/fd/{dir_fd}") and name.endswith(".png") and not self.mended:
            raise OSError(self._code, os.strerror(self._code), name)
        return super().open_file(dir_fd, name)


@pytest.mark.contract("D5", "D6")
@pytest.mark.parametrize("code", [errno.EINVAL, errno.EBADF, errno.EAGAIN, errno.ECONNABORTED, errno.EHOSTDOWN])
def test_a_claimed_photo_that_its_server_does_not_give_waits_for_the_share(
    fast_path: Path, evidence: Evidence, code: int
) -> None:
    studio = busy_studio(fast_path)
    disk = _Unreadable(code)
    with studio.start(disk) as running:
        running.run(until=lambda: running.state.mode in ("unreachable", "held"))
        disk.mended = True
        assert running.run() == EXIT_SOME_REJECTED
    assert all(row.attempts == 0 for row in studio.rows()), "an innocent photo lost an attempt"
    invariants.check(studio)
    evidence(errors_injected=1)


@pytest.mark.slow
@pytest.mark.contract("D1", "D3", "D5", "D6")
@pytest.mark.parametrize("repeated", [False, True], ids=["timed out", "asked again"])
@pytest.mark.parametrize("kind", [Disk, NoReplaceMissing], ids=["as on CIFS", "as on NFS"])
def test_a_change_that_happened_and_was_told_as_an_error_costs_nothing(
    fast_path: Path, evidence: Evidence, kind: type[Disk], repeated: bool
) -> None:
    """Of each kind every second change; both together meet every change."""
    counting = LostAnswerDisk(-1, kind())
    busy_studio(fast_path / "count").run(counting)
    changes = range(int(repeated), counting.changes, 2)
    for at in changes:
        studio = busy_studio(fast_path / str(at))
        disk = LostAnswerDisk(at, kind(), repeated=repeated)
        ended = studio.run(disk)
        what = f"change {at}, {disk.erred_in}"
        assert ended in (EXIT_FINE, EXIT_SOME_REJECTED), what
        assert all(row.attempts == 0 for row in studio.rows()), f"{what}: an innocent photo lost an attempt"
        invariants.check(studio)
        shutil.rmtree(studio.base)
    evidence(errors_injected=len(changes))
