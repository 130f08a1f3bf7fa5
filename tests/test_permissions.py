"""Who may read a result: exactly what was configured, from the first moment, and nothing wider before."""

from __future__ import annotations

import grp
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.disk.claim import claim
from bshm_watchd.disk.durable import directory_temporary
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.publish import publish, write_temporary
from bshm_watchd.ending import EXIT_FINE, EXIT_SOME_REJECTED
from bshm_watchd.errors import PermissionsIgnored, PlaceUnavailable
from bshm_watchd.jobs import Place, Stamp
from tests.support.studio import Studio
from tests.support.trees import (
    NOBODY,
    TellingDisk,
    a_job,
    as_ordinary_user,
    attached,
    dropped,
    hot_folder,
    mode_of,
    umask,
)

_UMASKS = [0o000, 0o022, 0o077, 0o777]
_ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another group")


@pytest.fixture
def theirs(fast_path: Path) -> Iterator[Path]:
    """A directory that an ordinary user works in."""
    if os.geteuid() == 0:
        os.chown(fast_path, NOBODY, NOBODY)
    with umask(0o022):
        yield fast_path


def _published(folder: HotFolder, directory: str = "results", name: str = "a.png") -> Path:
    """A result, as the pipeline makes one; returns its path."""
    result = write_temporary(folder, a_job(folder.settings), 0, "cutout", Place("", directory, name), b"png")
    publish(folder, result)
    return folder.settings.path / result.target.path


def _with_root_mode(base: Path, mode: int, disk: Disk | None = None, **options: Any) -> HotFolder:
    folder = hot_folder(base, disk, **options)
    folder.settings.path.chmod(mode)
    return attached(base, disk, **options)


def _setfacl(path: Path, *entries: str) -> None:
    if shutil.which("setfacl") is None:
        pytest.skip("setfacl (package acl) is not installed")
    done = subprocess.run(["setfacl", "-d", "-m", ",".join(entries), path], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"no ACLs here: {done.stderr.strip()}")


def _acl(path: Path) -> set[str]:
    told = subprocess.run(["getfacl", "-nc", path], capture_output=True, text=True, check=True).stdout
    return {line for line in told.split("\n") if line}


@pytest.mark.contract("P4")
@pytest.mark.parametrize("mask", _UMASKS)
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444, 0o777])
def test_a_configured_mode_is_given_exactly_whatever_the_umask_says(tmp_path: Path, mode: int, mask: int) -> None:
    folder = attached(tmp_path, permissions={"mode": f"{mode:04o}", "directory_mode": "0750"})
    with umask(mask):
        path = _published(folder, "results/sub")
    assert mode_of(path) == mode
    assert mode_of(path.parent) == mode_of(path.parent.parent) == 0o750


@pytest.mark.contract("P4")
@pytest.mark.parametrize("mask", _UMASKS)
@pytest.mark.parametrize(
    ("root", "file", "directory"), [(0o755, 0o644, 0o755), (0o770, 0o660, 0o770), (0o2775, 0o664, 0o2775)]
)
def test_without_a_mode_results_take_after_the_hot_folder(
    tmp_path: Path, root: int, file: int, directory: int, mask: int
) -> None:
    folder = _with_root_mode(tmp_path, root)
    with umask(mask):
        path = _published(folder)
    assert mode_of(path) == file
    assert mode_of(path.parent) == directory
    assert mode_of(folder.settings.path / "drop") == directory


@pytest.mark.contract("P4")
def test_setgid_is_handed_down_but_never_set(tmp_path: Path) -> None:
    folder = _with_root_mode(tmp_path, 0o2770, permissions={"directory_mode": "0750"})
    assert mode_of(_published(folder, "results/sub").parent) == 0o2750
    other = _with_root_mode(tmp_path / "other", 0o770, permissions={"directory_mode": "0750"})
    assert mode_of(_published(other, "results/sub").parent) == 0o750


@pytest.mark.contract("P4")
@_ROOT_ONLY
def test_the_group_of_a_setgid_directory_is_handed_down(tmp_path: Path) -> None:
    folder = hot_folder(tmp_path)
    os.chown(folder.settings.path, -1, NOBODY)
    folder = _with_root_mode(tmp_path, 0o2770)
    path = _published(folder, "results/sub")
    assert path.stat().st_gid == path.parent.stat().st_gid == NOBODY


@pytest.mark.contract("P4")
@_ROOT_ONLY
@pytest.mark.parametrize("group", [str(NOBODY), grp.getgrgid(NOBODY).gr_name])
def test_a_configured_group_is_given_to_files_and_directories(tmp_path: Path, group: str) -> None:
    path = _published(attached(tmp_path, permissions={"group": group, "mode": "0640"}), "results/sub")
    assert path.stat().st_gid == path.parent.stat().st_gid == NOBODY
    assert mode_of(path) == 0o640


@pytest.mark.contract("P4")
def test_a_default_acl_rules_where_no_mode_is_configured(tmp_path: Path) -> None:
    folder = attached(tmp_path)
    (folder.settings.path / "results").mkdir()
    _setfacl(folder.settings.path / "results", "u::rwx", f"u:{NOBODY}:rwx", "g::---", "o::---", "m::rwx")
    with umask(0o777):
        path = _published(folder, "results/sub")
    assert {f"user:{NOBODY}:rwx\t#effective:rw-", "mask::rw-", "group::---", "other::---"} <= _acl(path)
    assert {f"user:{NOBODY}:rwx", f"default:user:{NOBODY}:rwx", "mask::rwx"} <= _acl(path.parent)


@pytest.mark.contract("P4")
def test_a_configured_mode_wins_over_a_default_acl(tmp_path: Path) -> None:
    folder = attached(tmp_path, permissions={"mode": "0640"})
    (folder.settings.path / "results").mkdir()
    _setfacl(folder.settings.path / "results", f"u:{NOBODY}:rwx")
    assert mode_of(_published(folder)) == 0o640


@pytest.mark.contract("P3")
@pytest.mark.parametrize("mask", [0o000, 0o077])
@pytest.mark.parametrize("permissions", [{}, {"mode": "0440"}, {"mode": "0604", "group": str(os.getgid())}])
def test_nothing_is_ever_wider_than_it_will_be(tmp_path: Path, permissions: dict[str, str], mask: int) -> None:
    """Looked at after every single change, temporaries and directories included."""
    seen: dict[int, list[int]] = {}
    results = tmp_path / "hot" / "results"

    def look(_: str, __: tuple[Any, ...]) -> None:
        for path in [results, *results.rglob("*")]:
            if path.exists():
                seen.setdefault(path.lstat().st_ino, []).append(mode_of(path))

    folder = _with_root_mode(tmp_path, 0o750, TellingDisk(look), permissions=permissions)
    with umask(mask):
        path = _published(folder, "results/sub")
    assert {path.stat().st_ino, path.parent.stat().st_ino} <= set(seen)
    for modes in seen.values():
        assert all(mode & ~modes[-1] & 0o077 == 0 for mode in modes), [oct(mode) for mode in modes]


@pytest.mark.contract("P3")
@_ROOT_ONLY
def test_no_other_group_may_read_before_the_right_one_may(tmp_path: Path) -> None:
    seen = []

    def look(_: str, __: tuple[Any, ...]) -> None:
        for path in (tmp_path / "hot").rglob("*.part"):
            seen.append((path.lstat().st_gid, mode_of(path) & 0o070))

    folder = attached(tmp_path, TellingDisk(look), permissions={"group": str(NOBODY), "mode": "0660"})
    _published(folder)
    assert all(gid == NOBODY or not group_bits for gid, group_bits in seen)
    assert (NOBODY, 0o060) in seen


@pytest.mark.contract("P5")
def test_a_group_the_daemon_is_no_member_of_holds_the_folder_and_leaves_no_temporary(theirs: Path) -> None:
    def work() -> str:
        stranger = next(gid for gid in range(1, 100) if gid not in (*os.getgroups(), os.getgid()))
        attached(theirs)
        (theirs / "hot" / "results").mkdir()
        folder = attached(theirs, permissions={"group": str(stranger)})
        try:
            _published(folder)
        except PlaceUnavailable as error:
            left = [path.name for path in (theirs / "hot" / "results").iterdir()]
            return f"{error.reason} {left} {error}"
        return "published"

    told = as_ordinary_user(work)
    assert told.startswith("no_permission [] can't give results to group")
    assert "make the daemon's user a member of it" in told


@pytest.mark.contract("P4", "P5")
def test_an_ordinary_user_publishes_with_an_exact_mode(theirs: Path) -> None:
    def work() -> str:
        folder = attached(theirs, permissions={"mode": "0664", "directory_mode": "0775"})
        with umask(0o077):
            path = _published(folder)
        return f"{mode_of(path):o} {mode_of(path.parent):o}"

    assert as_ordinary_user(work) == "664 775"


@pytest.mark.contract("P5")
def test_a_group_that_nobody_knows_holds_the_folder(tmp_path: Path) -> None:
    with pytest.raises(PlaceUnavailable, match="group no-such-group does not exist on this machine"):
        attached(tmp_path, permissions={"group": "no-such-group"})


class _DeafDisk(Disk):
    """A share that accepts a mode or a group, and does nothing."""

    def chmod(self, fd: int, mode: int) -> None:
        pass

    def chown(self, fd: int, group: int) -> None:
        pass


def _said(caplog: pytest.LogCaptureFixture, words: str) -> int:
    return len([record for record in caplog.records if words in record.message])


@pytest.mark.contract("P4")
def test_a_share_that_ignores_modes_publishes_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = attached(tmp_path, _DeafDisk(), permissions={"mode": "0664"})
    for name in ("a.png", "b.png"):
        _published(folder, f"results/{name}", name)
    assert _said(caplog, "of a result: mode is 0600, not 0664") == 1
    assert _said(caplog, "of a directory: mode is 0700, not 0755") == 1


@pytest.mark.contract("P4")
@_ROOT_ONLY
def test_a_share_that_ignores_groups_says_so_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = {"mode": "0600", "directory_mode": "0700", "group": str(NOBODY)}
    folder = attached(tmp_path, _DeafDisk(), permissions=settings)
    for name in ("a.png", "b.png"):
        _published(folder, f"results/{name}", name)
    assert _said(caplog, f"of a result: group is {os.getegid()}, not {NOBODY}") == 1
    assert _said(caplog, f"of a directory: group is {os.getegid()}, not {NOBODY}") == 1


@pytest.mark.contract("P4")
@pytest.mark.parametrize("made", [True, False], ids=["file", "directory"])
@pytest.mark.parametrize("settings", [{"mode": "0664"}, {"mode": "0600", "directory_mode": "0700", "group": "1"}])
def test_what_a_share_ignores_fails_the_job_under_strict_before_anything_is_seen(
    tmp_path: Path, settings: dict[str, str], made: bool
) -> None:
    folder = attached(tmp_path, _DeafDisk(), permissions={**settings, "strict": True})
    results = folder.settings.path / "results"
    if made:
        results.mkdir()
    what, told = "result" if made else "directory", "group is" if "group" in settings else "mode is"
    with pytest.raises(PermissionsIgnored, match=f"of a {what}: {told}"):
        _published(folder)
    assert list(results.iterdir()) == [] if made else not results.exists()
    assert not list(folder.settings.path.glob("*.part"))


@pytest.mark.contract("P4")
def test_a_photo_whose_results_would_get_other_rights_fails_and_says_what_to_do(tmp_path: Path) -> None:
    """At once, not after three attempts; what must be filed is filed all the same, on the same deaf share."""
    studio = Studio(tmp_path, '    permissions: {mode: "0640", strict: true}\n')
    studio.drop("a.png")
    assert studio.run(_DeafDisk()) == EXIT_SOME_REJECTED
    assert studio.tree("failed") == ["a.png", "a.png.error.json"]
    assert studio.tree("results") == studio.tree("done") == []
    sidecar = json.loads((studio.hot / "failed" / "a.png.error.json").read_text())
    assert (sidecar["reason"], sidecar["attempts"]) == ("permissions_ignored", 0)
    assert "did not take the permissions of a directory" in sidecar["message"]
    assert "file_mode" in sidecar["what_to_do"] and "jobs requeue" in sidecar["what_to_do"]
    assert studio.run() == EXIT_FINE
    studio.drop("b.png")
    assert studio.run() == EXIT_FINE
    assert studio.tree("results") == ["b.png"]


@pytest.mark.contract("P3", "P4")
def test_a_directory_of_ours_renamed_to_where_one_is_made_is_not_opened_to_everybody(tmp_path: Path) -> None:
    """Who may rename things in the hot folder must not have its private part made public by our own hand."""
    folder = attached(tmp_path)
    hot = folder.settings.path
    name = directory_temporary("results")
    (hot / ".bshm").rename(hot / name)
    with pytest.raises(OSError, match="move it away"):
        _published(folder)
    assert mode_of(hot / name) == 0o700 and not (hot / "results").exists()


@pytest.mark.contract("P5")
def test_rights_given_to_the_whole_tree_do_not_open_what_is_in_work(tmp_path: Path) -> None:
    folder = attached(tmp_path)
    (folder.settings.path / ".bshm").chmod(0o2775)
    attached(tmp_path)
    assert mode_of(folder.settings.path / ".bshm") == 0o700


@pytest.mark.contract("P5")
@_ROOT_ONLY
def test_a_private_part_that_somebody_else_made_first_is_not_trusted(theirs: Path) -> None:
    """He could put records of jobs there, and have the daemon do what they say."""
    attached(theirs)
    for path in ((theirs / "hot" / ".bshm"), *(theirs / "hot" / ".bshm").rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    with pytest.raises(PlaceUnavailable, match=r"\.bshm belongs to another user"):
        attached(theirs)


@pytest.mark.contract("P5")
@_ROOT_ONLY
@pytest.mark.parametrize(
    ("mode", "told"), [(0o755, "drop/.bshm-probe.tmp: Permission denied"), (0o1777, "drop has the sticky bit")]
)
def test_a_missing_right_names_the_place_and_leaves_the_photo_there(theirs: Path, mode: int, told: str) -> None:
    as_ordinary_user(lambda: dropped(attached(theirs)).id)
    drop = theirs / "hot" / "drop"
    for path in (drop, drop / "a.png"):
        os.chown(path, 0, 0)
    drop.chmod(mode)

    def work() -> str:
        job = a_job(hot_folder(theirs).settings, stamp=Stamp.of((drop / "a.png").lstat()))
        try:
            return f"the job is {claim(attached(theirs), job).state}"
        except PlaceUnavailable as error:
            return f"{error.reason}: {error}"

    assert as_ordinary_user(work).startswith(f"no_permission: {theirs}/hot/{told}")
    assert (drop / "a.png").exists()
