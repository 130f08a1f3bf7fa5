"""A photo that its owner renames or removes before it is claimed is left alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.contracts import Evidence
from tests.support.disks import MeddledDisk
from tests.support.studio import Studio


def _remove(photo: Path, back: Path) -> None:
    photo.unlink()


def _take(photo: Path, back: Path) -> None:
    photo.rename(back / "a.png")


def _take_its_directory(photo: Path, back: Path) -> None:
    photo.parent.rename(back / "sub")


def _give_another_ending(photo: Path, back: Path) -> None:
    """So that it is no photo any more."""
    photo.rename(photo.with_name("a.png.part"))


@pytest.mark.contract("I4")
@pytest.mark.parametrize("take_back", [_remove, _take, _take_its_directory, _give_another_ending])
def test_a_photo_taken_back_at_any_moment_is_left_alone(
    fast_path: Path, evidence: Evidence, take_back: Callable[[Path, Path], None]
) -> None:
    ways = [_remove, _take, _take_its_directory, _give_another_ending]
    taken_back, moments = 0, range(ways.index(take_back), _calls_of_a_run(fast_path / "count"), len(ways))
    for at in moments:
        studio, back = Studio(fast_path / str(at)), fast_path / f"{at} back"
        back.mkdir()
        studio.drop("sub/a.png")
        photo = studio.hot / "drop" / "sub" / "a.png"
        before, kept = photo.stat(), os.open(photo, os.O_RDONLY)

        def meddle(photo: Path = photo, back: Path = back) -> None:
            if photo.exists():
                take_back(photo, back)

        with studio.start(MeddledDisk(at, meddle)) as running:
            assert running.run() == 0
            assert running.state.failures == 0, "it was taken for trouble with the place"
        if studio.rows():
            assert [row.state for row in studio.rows()] == ["done"]
        else:
            taken_back += 1
            _is_untouched(os.fstat(kept), before)
            assert [path for path in studio.tree() if path != "drop/sub/a.png.part"] == []
        os.close(kept)
    assert 10 < taken_back < len(moments), "it was taken back both before and after its claim"
    evidence(moments_meddled_with=len(moments), photos_taken_back=taken_back)


def _is_untouched(after: os.stat_result, before: os.stat_result) -> None:
    for field in ("st_ino", "st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns"):
        assert getattr(after, field) == getattr(before, field), field


def _calls_of_a_run(base: Path) -> int:
    studio, disk = Studio(base), MeddledDisk(-1, lambda: None)
    studio.drop("sub/a.png")
    assert studio.run(disk) == 0
    return disk.calls
