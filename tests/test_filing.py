"""Originals are filed once, over nothing, with a sidecar where one belongs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bshm_watchd.delivery import sidecar
from bshm_watchd.disk import filing
from bshm_watchd.disk.claim import drop_work
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.jobs import Job, Place
from tests.support.trees import BROKEN, WALL, attached, claimed, make_special, mode_of, umask, work_of

_REJECTED = Place("", "rejected/sub", "a.png")


@pytest.fixture
def folder(tmp_path: Path) -> HotFolder:
    return attached(tmp_path)


def _path(folder: HotFolder, place: Place) -> Path:
    return folder.settings.path / place.path


def _write_sidecar(folder: HotFolder, job: Job) -> None:
    filing.write_sidecar(folder, job, _REJECTED, sidecar.content(job, WALL))


def _sidecar(folder: HotFolder) -> Path:
    return _path(folder, _REJECTED).with_name("a.png.error.json")


@pytest.mark.contract("D8", "P8")
def test_a_filed_original_is_the_same_file(folder: HotFolder) -> None:
    job = claimed(folder)
    inode = (work_of(folder, job) / "a.png").stat().st_ino
    filing.file_original(folder, job, _REJECTED)
    assert _path(folder, _REJECTED).stat().st_ino == inode
    assert [path.name for path in work_of(folder, job).iterdir()] == ["job.json"]


@pytest.mark.contract("D4")
def test_filing_again_changes_nothing(folder: HotFolder) -> None:
    job = claimed(folder)
    for _ in range(2):
        filing.file_original(folder, job, _REJECTED)
    drop_work(folder, job)
    filing.file_original(folder, job, _REJECTED)
    assert _path(folder, _REJECTED).read_bytes() == b"photo"


@pytest.mark.contract("D1", "P9")
def test_an_original_is_never_filed_over_another(folder: HotFolder) -> None:
    job = claimed(folder)
    _path(folder, _REJECTED).parent.mkdir()
    _path(folder, _REJECTED).write_bytes(b"an earlier one")
    with pytest.raises(FileExistsError):
        filing.file_original(folder, job, _REJECTED)
    assert _path(folder, _REJECTED).read_bytes() == b"an earlier one"
    assert (work_of(folder, job) / "a.png").read_bytes() == b"photo"


def test_a_deleted_original_is_gone_and_deleting_again_is_fine(folder: HotFolder) -> None:
    job = claimed(folder)
    for _ in range(2):
        filing.delete_original(folder, job)
    assert [path.name for path in work_of(folder, job).iterdir()] == ["job.json"]


@pytest.mark.contract("P4")
def test_a_sidecar_lies_beside_its_original_and_can_be_read_like_a_result(tmp_path: Path) -> None:
    folder = attached(tmp_path, permissions={"mode": "0664"})
    job = claimed(folder, problem=BROKEN)
    with umask(0o077):
        _write_sidecar(folder, job)
    assert json.loads(_sidecar(folder).read_text())["job"] == job.id
    assert mode_of(_sidecar(folder)) == 0o664


def test_writing_our_sidecar_again_is_fine(folder: HotFolder) -> None:
    job = claimed(folder, problem=BROKEN)
    for _ in range(2):
        _write_sidecar(folder, job)
    assert [path.name for path in _sidecar(folder).parent.iterdir()] == ["a.png.error.json"]


@pytest.mark.contract("P2")
@pytest.mark.parametrize("content", [b"", b"[]", b'{"job": "another"}', b"\xff", b'{"job": null}'])
def test_a_foreign_sidecar_is_neither_replaced_nor_removed(folder: HotFolder, content: bytes) -> None:
    job = claimed(folder, problem=BROKEN)
    _sidecar(folder).parent.mkdir()
    _sidecar(folder).write_bytes(content)
    with pytest.raises(FileExistsError):
        _write_sidecar(folder, job)
    filing.remove_sidecar(folder, job.id, _REJECTED)
    assert _sidecar(folder).read_bytes() == content
    assert [path.name for path in _sidecar(folder).parent.iterdir()] == ["a.png.error.json"]


@pytest.mark.contract("D4")
def test_our_sidecar_is_removed_and_removing_again_is_fine(folder: HotFolder) -> None:
    job = claimed(folder, problem=BROKEN)
    _write_sidecar(folder, job)
    for _ in range(2):
        filing.remove_sidecar(folder, job.id, _REJECTED)
    assert not _sidecar(folder).exists()


@pytest.mark.contract("P6")
def test_a_link_in_the_way_of_a_filed_original_is_not_followed(folder: HotFolder, tmp_path: Path) -> None:
    job = claimed(folder)
    (tmp_path / "outside").mkdir()
    (folder.settings.path / "rejected" / "sub").symlink_to(tmp_path / "outside")
    with pytest.raises(NotADirectoryError):
        filing.file_original(folder, job, _REJECTED)
    assert os.listdir(tmp_path / "outside") == []
    assert (work_of(folder, job) / "a.png").exists()


@pytest.mark.contract("P2", "P10")
@pytest.mark.parametrize("kind", ["link", "fifo", "directory", "socket", "device"])
def test_what_is_no_file_at_a_sidecars_name_is_somebody_elses(folder: HotFolder, tmp_path: Path, kind: str) -> None:
    """A requeue and its recovery go on; the next sidecar takes another name."""
    job = claimed(folder, problem=BROKEN)
    place = Place("", "rejected", "a.png")
    stranger = folder.settings.path / "rejected" / f"a.png{filing.SIDECAR_SUFFIX}"
    make_special(kind, stranger, tmp_path / "elsewhere")
    before = stranger.lstat()
    filing.remove_sidecar(folder, job.id, place)
    with pytest.raises(FileExistsError):
        filing.write_sidecar(folder, job, place, b"{}")
    assert stranger.lstat() == before
