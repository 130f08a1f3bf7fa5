from __future__ import annotations

from pathlib import Path

import pytest

from bshm_watchd.intake.file_systems import UNKNOWN, FileSystem, file_system, file_system_of, parse_mounts

TABLE = rb"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:30 / /run rw - tmpfs tmpfs rw
40 22 0:40 / /srv/hot rw shared:5 master:2 - nfs4 nas:/hot rw,vers=4.2
41 22 0:41 / /srv/smb\040share rw - cifs //nas/hot rw,vers=3.1.1,serverino,soft
42 22 0:42 / /srv/old rw - cifs //nas/old rw,vers=1.0
43 22 0:43 / /mnt/auto rw - autofs systemd-1 rw
44 43 8:2 / /mnt/auto rw - xfs /dev/sdb rw
45 22 0:45 / /mnt/fuse rw - fuse.sshfs me@host:/ rw
46 22 0:46 / /mnt/new rw - shinyfs x rw
this line is not one
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/home/x", FileSystem("ext4", network=False, stable_inodes=True)),
        ("/", FileSystem("ext4", network=False, stable_inodes=True)),
        ("/run/hot", FileSystem("tmpfs", network=False, stable_inodes=True)),
        ("/runner", FileSystem("ext4", network=False, stable_inodes=True)),
        ("/srv/hot/portraits", FileSystem("nfs4", network=True, stable_inodes=True)),
        ("/srv/hotter", FileSystem("ext4", network=False, stable_inodes=True)),
        ("/srv/smb share/a", FileSystem("cifs", network=True, stable_inodes=True)),
        ("/srv/old", FileSystem("cifs", network=True, stable_inodes=False)),
        ("/mnt/auto/x", FileSystem("xfs", network=False, stable_inodes=True)),
        ("/mnt/fuse/x", FileSystem("fuse.sshfs", network=True, stable_inodes=True)),
        ("/mnt/new", FileSystem("shinyfs", network=True, stable_inodes=True)),
    ],
)
def test_the_innermost_mount_decides(path: str, expected: FileSystem) -> None:
    assert file_system_of(path, parse_mounts(TABLE)) == expected


def test_inode_numbers_are_trusted_over_a_remount_only_where_they_are_known_to_last() -> None:
    mounts = parse_mounts(TABLE)
    assert file_system_of("/srv/hot", mounts).lasting_inodes
    assert file_system_of("/srv/smb share", mounts).lasting_inodes
    for path in ("/srv/old", "/mnt/fuse", "/mnt/new", "/x"):
        found = file_system_of(path, mounts) if path != "/x" else UNKNOWN
        assert not found.lasting_inodes, path


def test_what_no_mount_holds_is_treated_as_a_network() -> None:
    assert file_system_of("/x", []) == UNKNOWN
    assert UNKNOWN.network


def test_this_machines_own_paths_are_found(tmp_path: Path) -> None:
    assert file_system("/proc").type == "proc"
    assert file_system(str(tmp_path / "not" / "there")) == file_system(str(tmp_path))
    (tmp_path / "link").symlink_to("/proc")
    assert file_system(str(tmp_path / "link")).type == "proc"
