"""Is the root the one we know? What is made in it, and what never is."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.disk.ops import Disk
from bshm_watchd.ending import EXIT_FINE
from bshm_watchd.errors import ConfigError, PermissionsIgnored, PlaceUnavailable
from bshm_watchd.jobs import Place
from tests.support.disks import Died, DyingDisk
from tests.support.power_cut import PowerCutDisk
from tests.support.studio import Studio
from tests.support.trees import TellingDisk, attach, attached, hot_folder, mode_of, tmpfs


def _with_output_root(base: Path, disk: Disk | None = None, **options: object) -> HotFolder:
    """A hot folder whose results go to `base/out`."""
    return hot_folder(base, disk, outputs=[{"kind": "cutout", "path": f"{base}/out/{{stem}}.png"}], **options)


def _names(path: Path) -> list[str]:
    return sorted(str(found.relative_to(path)) for found in path.rglob("*"))


def _unreachable(folder: HotFolder) -> str:
    """Why the folder can't be attached; nothing may be made in it."""
    before = _names(folder.settings.path) if folder.settings.path.exists() else None
    with pytest.raises(PlaceUnavailable) as caught:
        attach(folder)
    assert caught.value.reason == "unreachable"
    assert (_names(folder.settings.path) if folder.settings.path.exists() else None) == before
    return str(caught.value)


def test_a_new_folder_gets_its_layout_and_a_private_corner(tmp_path: Path) -> None:
    folder = attached(tmp_path)
    assert _names(folder.settings.path) == [
        ".bshm", ".bshm/folder.json", ".bshm/work", "done", "drop", "failed", "rejected", "review",
    ]  # fmt: skip
    assert mode_of(folder.settings.path / ".bshm") == mode_of(folder.settings.path / ".bshm/work") == 0o700
    assert mode_of(folder.settings.path / ".bshm/folder.json") == 0o600


def test_attaching_again_changes_nothing(tmp_path: Path) -> None:
    folder = attached(tmp_path)
    marker = (folder.settings.path / ".bshm/folder.json").read_bytes()
    attach(folder)
    attach(hot_folder(tmp_path))
    assert (folder.settings.path / ".bshm/folder.json").read_bytes() == marker


def test_an_unmounted_share_is_unreachable_and_nothing_is_made_in_its_mount_point(tmp_path: Path) -> None:
    folder = attached(tmp_path)
    folder.settings.path.rename(tmp_path / "the share")
    folder.settings.path.mkdir()
    assert "mount the right one" in _unreachable(folder)
    assert "folder adopt portraits" in _unreachable(hot_folder(tmp_path))
    folder.settings.path.rmdir()
    (tmp_path / "the share").rename(folder.settings.path)
    attach(folder)


def test_a_missing_root_is_unreachable_and_not_made(tmp_path: Path) -> None:
    folder = hot_folder(tmp_path)
    folder.settings.path.rmdir()
    assert f"bshm-watchd init {folder.settings.path}" in _unreachable(folder)
    folder.settings.path.write_bytes(b"")
    assert "Not a directory" in _unreachable(folder)


def test_another_hot_folder_in_the_place_of_the_known_one_is_unreachable_until_it_is_adopted(tmp_path: Path) -> None:
    folder, other = attached(tmp_path / "one"), attached(tmp_path / "two")
    folder.settings.path.rename(tmp_path / "away")
    other.settings.path.rename(folder.settings.path)
    assert "another hot folder is there" in _unreachable(folder)
    attach(folder, adopt=True)
    attach(hot_folder(tmp_path / "one"))


def test_an_emptied_root_is_adopted_as_a_new_one(tmp_path: Path) -> None:
    folder = attached(tmp_path)
    (folder.settings.path / ".bshm/folder.json").unlink()
    _unreachable(folder)
    attach(folder, adopt=True)
    attach(hot_folder(tmp_path))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"identity": 1}', b"\0" * 100])
def test_a_damaged_marker_is_unreachable_until_the_folder_is_adopted(tmp_path: Path, content: bytes) -> None:
    folder = attached(tmp_path)
    (folder.settings.path / ".bshm/folder.json").write_bytes(content)
    assert "is damaged" in _unreachable(folder)
    attach(folder, adopt=True)
    attach(hot_folder(tmp_path))


def test_a_damaged_marker_of_a_folder_never_seen_before_is_not_taken_for_a_new_one(tmp_path: Path) -> None:
    folder = attached(tmp_path)
    (folder.settings.path / ".bshm/folder.json").write_bytes(b"{")
    (tmp_path / "state/folders/portraits.json").unlink()
    assert "is damaged" in _unreachable(hot_folder(tmp_path))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_when_what_we_know_is_damaged_an_empty_root_is_still_not_taken_for_the_folder(
    tmp_path: Path, content: bytes
) -> None:
    folder = attached(tmp_path)
    (tmp_path / "state/folders/portraits.json").write_bytes(content)
    assert "folder adopt portraits" in _unreachable(folder)
    attach(folder, adopt=True)
    attach(hot_folder(tmp_path))


def test_a_new_state_directory_knows_the_folder_again(tmp_path: Path) -> None:
    folder = attached(tmp_path)
    marker = (folder.settings.path / ".bshm/folder.json").read_bytes()
    again = HotFolder(Disk(), folder.settings, tmp_path / "another state")
    attach(again)
    assert (folder.settings.path / ".bshm/folder.json").read_bytes() == marker


def test_a_root_replaced_while_we_work_is_unreachable_at_the_next_use(tmp_path: Path) -> None:
    folder = attached(tmp_path)
    folder.settings.path.rename(tmp_path / "away")
    folder.settings.path.mkdir()
    for use in (folder.root(), folder.below("drop"), folder.directory(Place("", "results", "")), folder.private()):
        with pytest.raises(PlaceUnavailable, match="another directory stands there now"), use:
            pass
    assert _names(folder.settings.path) == []


def test_an_absolute_output_root_is_known_by_its_own_marker(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    folder = _with_output_root(tmp_path)
    attach(folder)
    assert _names(tmp_path / "out") == [".bshm-output.json"]
    (tmp_path / "out/.bshm-output.json").unlink()
    assert str(tmp_path / "out") in _unreachable(folder)
    assert _names(tmp_path / "out") == []
    attach(folder, adopt=True)
    attach(_with_output_root(tmp_path))


def test_a_missing_output_root_is_unreachable_and_not_made(tmp_path: Path) -> None:
    told = _unreachable_by_output(_with_output_root(tmp_path))
    assert f"{tmp_path}/out" in told
    assert "make this directory" in told, "a results' directory is no hot folder: init would make one of it"
    assert not (tmp_path / "out").exists()


def _unreachable_by_output(folder: HotFolder) -> str:
    with pytest.raises(PlaceUnavailable) as caught:
        attach(folder)
    assert caught.value.reason == "unreachable"
    return str(caught.value)


def test_two_folders_that_meet_in_a_new_output_root_both_know_it_afterwards(tmp_path: Path) -> None:
    """Their threads attach at the same time: whoever is second takes the marker of the first."""
    (tmp_path / "out").mkdir()
    (tmp_path / "hot2").mkdir()
    second = _second_folder(tmp_path)
    met = []

    def meet(change: str, _: tuple[object, ...]) -> None:
        if change == "create" and _names(tmp_path / "out") and not met:
            met.append(True)
            attach(second)

    attach(_with_output_root(tmp_path, TellingDisk(meet)))
    assert met
    attach(_with_output_root(tmp_path))
    attach(_second_folder(tmp_path))
    assert _names(tmp_path / "out") == [".bshm-output.json"]


def _second_folder(base: Path) -> HotFolder:
    settings = _with_output_root(base).settings.model_copy(update={"name": "second", "path": base / "hot2"})
    return HotFolder(Disk(), settings, base / "state")


@pytest.mark.parametrize("directory", ["done", "review", "rejected", "failed", "drop"])
def test_a_directory_of_originals_on_another_file_system_is_for_the_operator_to_change(
    tmp_path: Path, directory: str
) -> None:
    with tmpfs(hot_folder(tmp_path).settings.path / directory), pytest.raises(ConfigError) as caught:
        attached(tmp_path)
    assert f"{directory} lies on another file system" in caught.value.problems[0]


def test_deleted_originals_need_no_directory(tmp_path: Path) -> None:
    folder = attached(tmp_path, originals={"done": "delete"})
    assert not (folder.settings.path / "done").exists()


@pytest.mark.contract("P6")
@pytest.mark.parametrize("name", ["drop", "done", ".bshm"])
def test_a_link_in_the_layout_is_not_followed(tmp_path: Path, name: str) -> None:
    folder = hot_folder(tmp_path)
    (tmp_path / "outside").mkdir()
    (folder.settings.path / name).symlink_to(tmp_path / "outside")
    with pytest.raises(PlaceUnavailable, match=f"{folder.settings.path}/{name}: .* move it away"):
        attach(folder)
    assert _names(tmp_path / "outside") == []


@pytest.mark.contract("L4")
def test_the_least_free_space_is_that_of_the_fullest_place_results_or_the_state_go_to(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "out", "size=2m") as out:
        folder = _with_output_root(tmp_path)
        attach(folder)
        assert folder.least_free().path == str(out)
        assert 0 < folder.least_free().free_bytes <= 2 << 20
    with tmpfs(tmp_path / "state", "size=1m") as state:
        folder = attached(tmp_path)
        assert folder.least_free().path == str(state)


@pytest.mark.contract("L4")
def test_a_full_state_directory_holds_the_folder_until_there_is_room_again(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "state", "size=4m") as state:
        studio = Studio(tmp_path, limits="{min_free_mib: 8}")
        studio.drop("a.png")
        with studio.start() as running:
            running.run(until=lambda: running.state.mode == "held")
            assert f"MiB are free at {state}, 8 MiB are kept in reserve" in running.state.reason
            assert studio.tree("drop") == ["a.png"]
            subprocess.run(["mount", "-o", "remount,size=64m", state], check=True)
            assert running.run() == EXIT_FINE
        assert studio.tree("results") == ["a.png"]


@pytest.mark.contract("P4")
def test_a_share_that_ignores_modes_is_said_once_or_fails_under_strict(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = attached(tmp_path / "a")
    for _ in range(3):
        folder.report_mismatch("result", "mode is 0777, not 0640")
    assert [record.message for record in caplog.records] == [
        "the file system did not take the permissions of a result: mode is 0777, not 0640"
    ]
    strict = attached(tmp_path / "b", permissions={"strict": True})
    with pytest.raises(PermissionsIgnored, match="mode is 0777"):
        strict.report_mismatch("result", "mode is 0777, not 0640")


def test_the_probe_leaves_nothing_and_finds_out_what_the_folder_does_not_take(tmp_path: Path) -> None:
    with tmpfs(hot_folder(tmp_path).settings.path, "size=64k"):
        folder = attached(tmp_path)
        folder.probe()
        assert _names(folder.settings.path / ".bshm") == ["folder.json", "work"]
        filler = folder.settings.path / "filler"
        with pytest.raises(OSError), filler.open("wb") as file:
            while True:
                file.write(os.urandom(4096))
                file.flush()
        with pytest.raises(PlaceUnavailable) as caught:
            attach(folder)
        assert caught.value.reason == "disk_full"
        filler.unlink()
        attach(folder)


def test_a_marker_is_a_random_id(tmp_path: Path) -> None:
    ids = {
        json.loads((attached(tmp_path / str(i)).settings.path / ".bshm/folder.json").read_text())["id"]
        for i in range(3)
    }  # fmt: skip
    assert len(ids) == 3


class _TwoAtOnce(Disk):
    """The first to find a directory missing waits until another one has made it."""

    def __init__(self, name: str, make_it: Callable[[], None]) -> None:
        self._name, self._make_it = name, make_it
        self.made: list[str] = []

    def exists(self, dir_fd: int, name: str) -> bool:
        there = super().exists(dir_fd, name)
        if name == self._name and self._make_it is not None:
            make_it, self._make_it = self._make_it, None  # type: ignore[assignment]
            make_it()
        return there

    def mkdir(self, dir_fd: int, name: str, mode: int) -> None:
        super().mkdir(dir_fd, name, mode)
        self.made.append(name)


@pytest.mark.contract("D4")
def test_a_directory_is_made_by_one_worker_alone(tmp_path: Path) -> None:
    """Else a kill could leave the second one's temporary, which nobody needs and nobody removes."""

    def other_worker() -> None:
        thread = threading.Thread(target=lambda: folder.directory(place).__enter__())
        thread.start()
        thread.join(30)
        assert not thread.is_alive()

    disk, place = _TwoAtOnce("new", other_worker), Place("", "results/new", "")
    folder = attached(tmp_path, disk)
    disk.made.clear()
    with folder.directory(place):
        pass
    assert len(disk.made) == 2, "results and new, each once"


@pytest.mark.contract("D2")
def test_a_directory_that_an_earlier_life_made_and_never_synced_outlives_a_power_cut(tmp_path: Path) -> None:
    """Killed between the directory's name and its parent's sync: the next life finds it, and may not believe in it."""
    place = Place("", "results/shoot", "")
    for at in range(12):
        base = tmp_path / str(at)
        power = PowerCutDisk(base / "attic")
        folder = attached(base, DyingDisk(-1, power))
        folder.disk = DyingDisk(at, power)
        with contextlib.suppress(Died), folder.directory(place):
            pass
        with attached(base, power).directory(place) as fd:
            os.fsync(os.open("a.png", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
            power.fsync(fd)
        power.cut()
        assert (base / "hot" / "results" / "shoot" / "a.png").exists(), f"killed at change {at}"
