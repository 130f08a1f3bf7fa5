"""Which photos and mattes belong together, and what a user is told about those that do not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bshm_watchd.bench.drawn import compose, save
from bshm_watchd.bench.pairs import Found, find_pairs, refuse_unusable
from bshm_watchd.config import Limits
from bshm_watchd.errors import ConfigError


def picture(path: Path, height: int = 64, width: int = 80) -> Path:
    save(path, np.zeros((height, width, 3), np.uint8))
    return path


def names(found: Found) -> dict[str, list[str]]:
    return {scene.name: [pair.name for pair in scene.pairs] for scene in found.scenes}


def problem(directory: Path) -> str:
    with pytest.raises(ConfigError) as error:
        refuse_unusable(find_pairs(directory), Limits())
    return str(error.value)


@pytest.mark.parametrize(("photos", "mattes"), [("photos", "mattes"), ("images", "alpha"), ("image", "matte")])
def test_photos_and_mattes_of_one_name_in_two_directories_are_pairs(photos: str, mattes: str, tmp_path: Path) -> None:
    for name in ("b10", "b9"):
        picture(tmp_path / "set" / photos / f"{name}.jpg")
        picture(tmp_path / "set" / mattes / f"{name}.png")
    found = find_pairs(tmp_path / "set")
    assert names(found) == {"set": ["b9", "b10"]}
    assert found.scenes[0].pairs[0].matte == tmp_path / "set" / mattes / "b9.png"
    assert not found.left_out


def test_a_matte_may_lie_beside_its_photo(tmp_path: Path) -> None:
    photo, matte = picture(tmp_path / "anna.jpeg"), picture(tmp_path / "anna.matte.png")
    (pair,) = find_pairs(tmp_path).scenes[0].pairs
    assert (pair.name, pair.photo, pair.matte) == ("anna", photo, matte)


def test_directories_are_scenes_of_their_own(tmp_path: Path) -> None:
    for scene in ("studio", "outdoors"):
        picture(tmp_path / scene / "photos" / "a.jpg")
        picture(tmp_path / scene / "mattes" / "a.png")
    (tmp_path / "notes").mkdir()
    assert names(find_pairs(tmp_path)) == {"outdoors": ["a"], "studio": ["a"]}


def test_a_photo_without_a_matte_is_left_out_and_said(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.matte.png", "b.jpg"):
        picture(tmp_path / name)
    found = find_pairs(tmp_path)
    assert [pair.name for pair in found.scenes[0].pairs] == ["a"]
    assert found.left_out == (f"{tmp_path}/b.jpg: it has no matte, so it does not count",)


def test_a_matte_without_a_photo_is_said(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.matte.png", "b.matte.png"):
        picture(tmp_path / name)
    assert find_pairs(tmp_path).left_out == (f"{tmp_path}/b.matte.png: it has no photo",)


def test_of_two_photos_with_one_matte_the_first_counts(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "a.matte.png"):
        picture(tmp_path / name)
    found = find_pairs(tmp_path)
    assert [pair.photo.name for pair in found.scenes[0].pairs] == ["a.jpg"]
    assert found.left_out == (f"{tmp_path}/a.png: a.matte.png is the matte of a.jpg already",)


def test_a_jpeg_is_not_taken_for_an_exact_matte(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.matte.png", "b.jpg", "b.matte.jpg"):
        picture(tmp_path / name)
    (said,) = find_pairs(tmp_path).left_out
    assert "b.matte.jpg: a JPEG is no exact matte" in said


def test_where_there_is_no_pair_it_is_said_how_to_lay_them_out(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg")
    with pytest.raises(ConfigError, match=r"no photo with its matte is here; put photos into photos/"):
        find_pairs(tmp_path)


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such directory"):
        find_pairs(tmp_path / "gone")


def test_a_matte_of_another_size_is_refused_with_both_sizes(tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg", 64, 80)
    picture(tmp_path / "a.matte.png", 32, 40)
    told = problem(tmp_path)
    assert "the photo has 80 x 64 pixels, its matte a.matte.png 40 x 32" in told


def test_every_file_that_can_not_be_used_is_named_at_once(tmp_path: Path) -> None:
    drawn = compose(1, 200, 160)
    for name in ("a", "b", "c"):
        save(tmp_path / f"{name}.jpg", drawn.pixels)
        save(tmp_path / f"{name}.matte.png", drawn.alpha)
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c.matte.png").write_bytes(b"no picture at all")
    told = problem(tmp_path).splitlines()
    assert [line.partition(":")[0] for line in told] == [f"{tmp_path}/a.jpg", f"{tmp_path}/c.matte.png"]
    assert "the file ends before its picture does" in told[0]


def test_many_problems_are_cut_short_and_counted(tmp_path: Path) -> None:
    for number in range(25):
        picture(tmp_path / f"{number}.jpg", 64, 80)
        picture(tmp_path / f"{number}.matte.png", 32, 40)
    told = problem(tmp_path).splitlines()
    assert len(told) == 21
    assert told[-1] == "... and 5 more"
