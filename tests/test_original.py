"""Reading a claimed photo: what is used is what is there, from the claim until the results get their names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bshm_watchd.disk import original
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.disk.probe import Writer
from bshm_watchd.errors import PhotoChanged
from bshm_watchd.jobs import Job
from tests.support.studio import sha256
from tests.support.trees import attached, claimed, work_of


def _touch_until_seen(path: Path) -> None:
    """Another change time and nothing else; a kernel's clock may tick every few milliseconds only."""
    before = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == before:
        path.chmod(0o640)


def test_a_photo_that_nobody_touched_is_read_whole(tmp_path: Path) -> None:
    folder = attached(tmp_path)
    job = claimed(folder, content=b"photo" * 500_000)
    with original.read(folder, job) as source:
        assert os.pread(source.fd, source.size_bytes + 1, 0) == b"photo" * 500_000
        assert source.sha256 == sha256(b"photo" * 500_000)
    original.expect_unchanged(folder, job)


@pytest.mark.contract("I2")
def test_a_photo_is_not_used_while_somebody_may_write_it(tmp_path: Path) -> None:
    folder = attached(tmp_path)
    job = claimed(folder)
    with pytest.raises(PhotoChanged, match="open"), original.read(folder, job, lambda fd: Writer.BUSY):
        pytest.fail("it was used")
    with original.read(folder, job, lambda fd: Writer.UNKNOWN) as source:
        assert source.size_bytes == 5


@pytest.mark.contract("I2")
@pytest.mark.parametrize(("network", "noticed"), [(False, True), (True, False)], ids=["local", "network"])
def test_a_late_change_time_counts_where_nobody_keeps_an_old_one(tmp_path: Path, network: bool, noticed: bool) -> None:
    folder = attached(tmp_path)
    folder.network = network
    job = claimed(folder)
    _touch_until_seen(work_of(folder, job) / "a.png")
    assert _is_changed(folder, job) is noticed
    (work_of(folder, job) / "a.png").write_bytes(b"longer than before")
    assert _is_changed(folder, job)


def _is_changed(folder: HotFolder, job: Job) -> bool:
    try:
        original.expect_unchanged(folder, job)
    except PhotoChanged:
        return True
    return False
