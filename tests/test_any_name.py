"""Any name that a Linux file can have comes through, and none ever overwrites another; what is no file is refused."""

from __future__ import annotations

import base64
import errno
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from bshm_watchd import logs
from bshm_watchd.disk.filing import SIDECAR_SUFFIX
from bshm_watchd.disk.ops import Disk
from bshm_watchd.ending import EXIT_FINE, EXIT_LEFT, EXIT_SOME_REJECTED
from tests.support import invariants
from tests.support.contracts import Evidence
from tests.support.disks import InterruptedDisk, NarrowDisk, NoReplaceMissing
from tests.support.studio import Studio, png
from tests.support.trees import make_special

_SPECIAL = (
    b"new\nline.png", b"\x1b[31mred\x1b[0m.png", "\u202egnp.gpj.png".encode(), b"\xff\xfe\x80.png", b"-rf.png",
    b" .png", b"~.png", b"{stem}.png", b"%s%n.png", b"a\tb\rc\x07.png",
    "\U0001f469\u200d\U0001f3a8".encode() * 18 + b".png",
    "é".encode() * 125 + b".png", b"x" * 251 + b".png", b"~2.png", b"job.json.png", b"a'b\"c$(d)`e`.png",
    b"\xed\xa0\x80.png", b"CON.png", b"a.png.png", b"*.png", b"?.PNG", b"\\.png",
)  # fmt: skip


def _random_names(count: int) -> Iterator[bytes]:
    """255 bytes of anything but the two that no name may hold."""
    choice = random.Random(1)
    allowed = bytes(set(range(1, 256)) - {ord("/")})
    for _ in range(count):
        yield b"x" + bytes(choice.choices(allowed, k=250)) + b".png"


_NAMES = (*_SPECIAL, *_random_names(30))


@pytest.mark.contract("P9", "D1", "D3")
@pytest.mark.parametrize("disk", [Disk, NoReplaceMissing])
def test_any_name_comes_through_whole_also_when_all_its_names_are_taken(
    fast_path: Path, disk: type[Disk], evidence: Evidence
) -> None:
    """Dropped twice: the second time every name is taken, and gets a number."""
    studio = Studio(fast_path)
    for _ in range(2):
        for name in _NAMES:
            studio.drop(os.fsdecode(name))
        assert studio.run(disk()) == EXIT_FINE
    invariants.check(studio)
    done = [os.fsencode(path.name) for path in (studio.hot / "done").rglob("*") if path.is_file()]
    assert set(_NAMES) <= set(done) and len(done) == len(studio.tree("results")) == 2 * len(_NAMES)
    evidence(names_tried=2 * len(_NAMES))


@pytest.mark.contract("P9", "S4")
def test_any_name_of_what_is_rejected_stands_in_its_sidecar_to_the_byte(fast_path: Path, evidence: Evidence) -> None:
    studio = Studio(fast_path)
    for number, name in enumerate(_NAMES):
        studio.drop(os.fsdecode(name), b"no photo %d" % number)
    assert studio.run() == EXIT_SOME_REJECTED
    sidecars = [path for path in (studio.hot / "rejected").iterdir() if path.name.endswith(SIDECAR_SUFFIX)]
    told = [json.loads(path.read_bytes()) for path in sidecars]
    assert sorted(base64.b64decode(one["name_base64"]) for one in told) == sorted(_NAMES)
    assert all(one["name"].isprintable() for one in told)
    invariants.check(studio)
    evidence(names_tried=len(_NAMES))


@pytest.mark.contract("P9", "L2")
@pytest.mark.parametrize("looked_up", [False, True])
@pytest.mark.parametrize(("name", "code"), [("who?.png", errno.EINVAL), ("b\udcff.png", errno.EILSEQ)])
def test_a_name_that_the_place_of_the_results_refuses_is_that_photos_alone(
    fast_path: Path, name: str, code: int, looked_up: bool
) -> None:
    """As vfat, exfat and NTFS do of what Windows reserves, and others of what is no UTF-8."""
    studio = Studio(fast_path)
    odd = name.removesuffix(".png")[-1]
    disk = NarrowDisk(lambda path: code if "/results/" in path and odd in path else 0, looked_up=looked_up)
    studio.drop(name)
    studio.drop("neighbour.png")
    assert studio.run(disk) == EXIT_SOME_REJECTED
    assert studio.tree("results") == ["neighbour.png"]
    (row,) = [row for row in studio.rows() if row.name == name]
    assert (row.state, row.reason) == ("rejected", "name_refused")
    assert logs.shown(name) in (row.message or "") and logs.shown(odd) in (row.what_to_do or "")
    invariants.check(studio)


@pytest.mark.contract("P9", "L2")
def test_names_are_cut_to_what_the_file_system_takes(fast_path: Path) -> None:
    """As eCryptfs does, which takes 143 bytes. Dropped twice: a number makes a name longer, and so does a sidecar."""
    studio = Studio(fast_path)
    disk = NarrowDisk(lambda path: errno.ENAMETOOLONG * (len(Path(path).name) > 143), looked_up=True, name_bytes=143)
    for _ in range(2):
        studio.drop("x" * 139 + ".png")
        studio.drop("y" * 139 + ".png", b"no photo")
        assert studio.run(disk) == EXIT_SOME_REJECTED
    assert studio.tree("results") == ["x" * 139 + ".png", "x" * 137 + "~2.png"]
    assert len(studio.tree("rejected")) == 4
    invariants.each_original_is_in_one_place(studio.portraits)


@pytest.mark.contract("P10", "P2")
@pytest.mark.parametrize("kind", ["link", "magic link", "hard link", "fifo", "socket", "device", "directory"])
def test_what_is_no_file_of_its_own_stays_in_drop_untouched(fast_path: Path, kind: str, evidence: Evidence) -> None:
    studio = Studio(fast_path)
    special, elsewhere = studio.hot / "drop" / "a.png", fast_path / "elsewhere"
    make_special(kind, special, elsewhere)
    if not special.is_dir():
        elsewhere.write_bytes(png(7))
    before = special.lstat()
    studio.drop("b.png")
    assert studio.run() == (EXIT_LEFT if kind == "hard link" else EXIT_FINE)
    assert special.lstat() == before
    assert studio.tree("results") == ["b.png"]
    evidence(special_files_met=1)


@pytest.mark.contract("P10", "P2")
@pytest.mark.parametrize("kind", ["link", "magic link", "hard link", "fifo", "socket", "device", "directory"])
def test_what_is_swapped_in_for_a_photo_at_the_claim_goes_back_untouched(
    fast_path: Path, kind: str, evidence: Evidence
) -> None:
    """Between the last look and the rename: the worst moment."""
    studio, photo = Studio(fast_path), fast_path / "hot" / "drop" / "a.png"
    (fast_path / "elsewhere").write_bytes(b"theirs")

    def swap(change: str, name: str) -> None:
        if change == "replace" and name == "a.png" and photo.is_file() and not photo.is_symlink() and not swapped:
            photo.rename(fast_path / "taken back")
            make_special(kind, photo, fast_path / "elsewhere")
            swapped.append(photo.lstat())

    swapped: list[os.stat_result] = []
    studio.drop("a.png")
    studio.drop("b.png")
    assert studio.run(InterruptedDisk(swap)) in (EXIT_FINE, EXIT_LEFT)
    after = photo.lstat()
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (
        swapped[0].st_ino, swapped[0].st_mode, swapped[0].st_mtime_ns,
    )  # fmt: skip
    assert studio.tree("results") == ["b.png"]
    evidence(special_files_met=1)
