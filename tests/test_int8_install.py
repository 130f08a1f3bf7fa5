"""Putting INT8 networks into a bundle: a kill at any moment leaves one that works, the old or the new."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bundle import Bundle
from bshm_watchd.matting.int8 import int8_damages, int8_path, read_int8
from bshm_watchd.matting.int8_install import install, refuse_unwritable
from bshm_watchd.matting.runtimes import make_runtime
from tests.support.disks import Died, DyingDisk, ErringDisk
from tests.support.small_network import made, small_bundle

INT8 = ModelSettings(precision="int8")


def names(bundle: Bundle) -> set[str]:
    return {path.name for path in bundle.path("int8").iterdir()}


def test_a_kill_at_any_moment_leaves_the_old_or_the_new_and_the_next_try_ends_well(tmp_path: Path) -> None:
    old_and_new = set()
    for at in range(100):
        bundle = small_bundle(tmp_path / str(at))
        old, new = (made(bundle, tmp_path / f"{at}{mark}", mark) for mark in ("old", "new"))
        install(bundle, old, tmp_path / f"{at}old")
        disk = DyingDisk(at)
        try:
            install(bundle, new, tmp_path / f"{at}new", disk)
        except Died:
            record = read_int8(bundle)
            assert record in (old, new)
            assert not int8_damages(bundle, record)
            old_and_new.add(record == new)
        install(bundle, new, tmp_path / f"{at}new")
        assert names(bundle) == {"net-new.xml", "net-new.bin"}
        if not disk.dead:
            assert at > 10
            break
    assert old_and_new == {True, False}


def test_a_kill_at_any_moment_of_the_first_time_leaves_a_bundle_that_runs_in_f32(tmp_path: Path) -> None:
    for at in range(100):
        bundle = small_bundle(tmp_path / str(at))
        new = made(bundle, tmp_path / f"{at}new", "new")
        disk = DyingDisk(at)
        try:
            install(bundle, new, tmp_path / f"{at}new", disk)
        except Died:
            make_runtime(bundle, ModelSettings()).start()
            assert read_int8(bundle) in (None, new)
        if not disk.dead:
            break
    make_runtime(bundle, INT8).start()


def test_a_full_disk_is_told_and_the_old_one_stays(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path)
    old, new = (made(bundle, tmp_path / mark, mark) for mark in ("old", "new"))
    install(bundle, old, tmp_path / "old")
    with pytest.raises(ConfigError, match=r"/small: No space left on device; .* free some space"):
        install(bundle, new, tmp_path / "new", ErringDisk(3, errno.ENOSPC))
    assert read_int8(bundle) == old


def test_another_user_may_read_what_was_installed(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path)
    install(bundle, made(bundle, tmp_path / "new", "new"), tmp_path / "new")
    assert stat.S_IMODE(bundle.path("int8").stat().st_mode) == 0o755
    for path in (bundle.path("int8.yaml"), *bundle.path("int8").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_a_bundle_that_may_not_be_written_is_refused_with_the_command_that_copies_it(tmp_path: Path) -> None:
    bundle = Bundle(Path("/proc/sys"), small_bundle(tmp_path).manifest)  # where not even root may write
    with pytest.raises(ConfigError, match=r"/proc/sys: .* cp -r /proc/sys /var/models/sys"):
        refuse_unwritable(bundle, Path("/var/models"))


def test_a_bundle_without_int8_says_how_to_make_it(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path)
    with pytest.raises(ConfigError, match=r"model\.precision: .* bshm-watchd model quantize small DIR$"):
        make_runtime(bundle, INT8)


def test_a_damaged_int8_network_is_refused_with_the_command_that_helps_and_f32_still_runs(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path)
    install(bundle, made(bundle, tmp_path / "new", "new"), tmp_path / "new")
    bundle.path("int8/net-new.bin").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"net-new.bin: has sha256 (.|\n)* bshm-watchd model quantize small DIR$"):
        make_runtime(bundle, INT8).start()
    make_runtime(bundle, ModelSettings()).start()


def test_a_network_made_from_another_one_is_refused(tmp_path: Path) -> None:
    bundle, other = small_bundle(tmp_path), small_bundle(tmp_path, "other", seed=1)
    install(bundle, made(other, tmp_path / "new", "new"), tmp_path / "new")
    with pytest.raises(ConfigError, match=r"its INT8 networks were made from another net\.xml"):
        int8_path(bundle)


def test_a_record_that_cannot_be_read_is_told_with_the_command_that_helps(tmp_path: Path) -> None:
    bundle = small_bundle(tmp_path)
    bundle.path("int8.yaml").write_text("networks: []\n")
    with pytest.raises(ConfigError, match=r"int8.yaml: was damaged, .* model quantize small DIR"):
        make_runtime(bundle, INT8)
    make_runtime(bundle, ModelSettings()).start()


def test_a_bundle_named_by_its_path_is_quantised_by_its_path(tmp_path: Path) -> None:
    bundle = Bundle(tmp_path / "here", small_bundle(tmp_path).manifest)
    with pytest.raises(ConfigError, match=f"model quantize {tmp_path}/here DIR"):
        make_runtime(bundle, INT8)
