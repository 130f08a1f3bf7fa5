"""One daemon owns a hot folder."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bshm_watchd.disk import owner
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.owner import Owner
from bshm_watchd.ending import EXIT_FINE, EXIT_OWNED
from bshm_watchd.errors import InstanceRunning, OwnershipLost
from tests.support import invariants
from tests.support.studio import Studio
from tests.support.trees import WALL, TellingDisk, attached

_US = Owner.this_process("01US", WALL)
_ALIVE = replace(_US, incarnation="01ALIVE", pid=os.getppid(), pid_started=owner._started(os.getppid()))


@pytest.fixture
def folder(tmp_path: Path) -> HotFolder:
    return attached(tmp_path)


def _record(folder: HotFolder) -> Path:
    return folder.settings.path / ".bshm" / "owner"


def _owned_by(folder: HotFolder, other: Owner) -> None:
    _record(folder).write_text(json.dumps(asdict(other)))


def _owner_in(folder: HotFolder) -> str:
    return str(json.loads(_record(folder).read_text())["incarnation"])


def test_a_folder_without_an_owner_is_ours(folder: HotFolder) -> None:
    owner.acquire(folder, _US)
    assert _owner_in(folder) == "01US"
    owner.check(folder, _US)


def test_acquiring_twice_changes_nothing(folder: HotFolder) -> None:
    owner.acquire(folder, _US)
    owner.acquire(folder, _US)
    owner.check(folder, _US)


@pytest.mark.parametrize(
    "changes",
    [{"pid": 2**22 + 1}, {"pid_started": "1"}, {"boot_id": "an earlier boot"}, {"boot_id": "b", "pid_namespace": 1}],
    ids=["no such process", "its number was used again", "before the last boot", "a container before the last boot"],
)
@pytest.mark.contract("I3")
def test_a_dead_owner_of_this_machine_is_replaced_at_once(folder: HotFolder, changes: dict[str, object]) -> None:
    _owned_by(folder, replace(_ALIVE, **changes))  # type: ignore[arg-type]
    owner.acquire(folder, _US)
    assert _owner_in(folder) == "01US"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"machine_id": "another", "pid": 2**22 + 1},
        {"machine_id": "another", "boot_id": "b"},
        {"pid_namespace": 1, "pid": 2**22 + 1},
    ],
    ids=["alive", "on another machine", "on another machine, booted since", "in another container"],
)
@pytest.mark.contract("I3")
def test_an_owner_that_may_be_alive_is_named_and_left_alone(folder: HotFolder, changes: dict[str, object]) -> None:
    other = replace(_ALIVE, host="studio-7", **changes)  # type: ignore[arg-type]
    _owned_by(folder, other)
    before = _record(folder).read_bytes()
    with pytest.raises(InstanceRunning, match=rf"process {other.pid} on studio-7 since .*folder take portraits"):
        owner.acquire(folder, _US)
    assert _record(folder).read_bytes() == before
    owner.acquire(folder, _US, take=True)
    owner.check(folder, _US)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"pid": 1}', b'{"incarnation": "01US"', b"\0" * 512])
@pytest.mark.contract("I3")
def test_a_damaged_record_belongs_to_nobody(folder: HotFolder, content: bytes) -> None:
    _record(folder).write_bytes(content)
    with pytest.raises(OwnershipLost, match="nobody"):
        owner.check(folder, _US)
    owner.acquire(folder, _US)
    owner.check(folder, _US)


def test_a_lost_owner_learns_who_has_the_folder_now(folder: HotFolder) -> None:
    owner.acquire(folder, _US)
    _owned_by(folder, replace(_ALIVE, host="studio-7"))
    with pytest.raises(OwnershipLost, match=r"portraits is owned by process \d+ on studio-7"):
        owner.check(folder, _US)


@pytest.mark.contract("I3")
def test_an_owner_that_was_killed_is_dead_also_while_nobody_asks_how_it_ended(folder: HotFolder) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        _owned_by(folder, replace(_ALIVE, pid=process.pid, pid_started=owner._started(process.pid)))
        with pytest.raises(InstanceRunning):
            owner.acquire(folder, _US)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it ended; it is not reaped
        owner.acquire(folder, _US)
    owner.check(folder, _US)


def test_giving_up_frees_the_folder_but_never_takes_it_from_another(folder: HotFolder) -> None:
    owner.acquire(folder, _US)
    owner.give_up(folder, _US)
    assert not _record(folder).exists()
    owner.give_up(folder, _US)
    _owned_by(folder, _ALIVE)
    owner.give_up(folder, _US)
    assert _owner_in(folder) == "01ALIVE"


def test_a_link_in_place_of_the_record_is_not_followed(folder: HotFolder, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text(json.dumps(asdict(_US)))
    _record(folder).symlink_to(tmp_path / "theirs")
    with pytest.raises(OSError, match="symbolic links"):
        owner.check(folder, _US)


def test_this_process_is_alive_to_itself_and_a_dead_one_of_another_machine_can_not_be_known() -> None:
    assert not _US.is_dead(_US)
    assert replace(_US, pid_started="1").is_dead(_US)
    assert not replace(_US, pid_started="1", machine_id="another").is_dead(_US)


@pytest.mark.contract("I3")
def test_a_daemon_that_loses_its_folder_before_publishing_lets_go_of_the_photo(tmp_path: Path) -> None:
    """And whoever has it then finishes the photo, once."""
    studio = Studio(tmp_path)
    taken = replace(_ALIVE, machine_id="another", host="studio-7")

    def take_once_rendered(change: str, _: tuple[object, ...]) -> None:
        record = studio.hot / ".bshm" / "owner"
        if change == "write" and list(studio.hot.rglob("*.part")) and '"studio-7"' not in record.read_text():
            record.write_text(json.dumps(asdict(taken)))

    studio.drop("a.png")
    assert studio.run(TellingDisk(take_once_rendered)) == EXIT_OWNED
    assert "a.png" not in studio.tree("results")
    assert studio.tree("done") == []
    assert studio.run(Disk()) == EXIT_OWNED
    (studio.hot / ".bshm" / "owner").unlink()
    assert studio.run(Disk()) == EXIT_FINE
    assert studio.tree("results") == ["a.png"]
    invariants.check(studio)
