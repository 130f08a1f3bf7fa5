"""The photos that are measured with: somebody's own, built ones, and how they get into the hot folder and out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bshm_watchd.bench.photo_set import MOST_DIFFERENT, PhotoSet, Size, built_set, own_set
from bshm_watchd.bench.staging import Staging
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.golden import read_picture

_SMALL = Size("small one", 640, 480)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return list(built_set(tmp_path_factory.mktemp("built"), _SMALL, 4).photos)


def test_a_built_set_has_photos_of_its_size(built: list[Path]) -> None:
    assert [read_picture(photo).pixels.shape for photo in built] == [(480, 640, 3)] * 4


def test_built_photos_all_differ_and_are_the_same_each_time(built: list[Path], tmp_path: Path) -> None:
    assert len({photo.read_bytes() for photo in built}) == 4
    again = built_set(tmp_path, _SMALL, 4).photos
    assert [photo.read_bytes() for photo in again] == [photo.read_bytes() for photo in built]


def test_built_photos_take_as_many_bits_as_a_camera_s(built: list[Path]) -> None:
    bits = [photo.stat().st_size * 8 / (640 * 480) for photo in built]
    assert all(2 <= one <= 4.5 for one in bits), bits


def test_built_photos_show_a_person_not_noise(built: list[Path]) -> None:
    """Neighbours are alike: the picture is there below its grain."""
    pixels = read_picture(built[0]).pixels.astype(np.float64)
    assert np.corrcoef(pixels[:-8].ravel(), pixels[8:].ravel())[0, 1] > 0.8


def test_of_a_large_burst_only_some_photos_are_built_and_dropped_again(tmp_path: Path) -> None:
    found = built_set(tmp_path, Size("tiny", 64, 48), 20)
    assert len(found.photos) == MOST_DIFFERENT
    assert found.burst(20)[MOST_DIFFERENT] == found.photos[0]


def test_a_place_that_takes_no_photos_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--on DIR"):
        built_set(tmp_path / "missing", _SMALL, 1)


def test_somebody_s_own_photos_are_taken_in_the_order_people_expect(built: list[Path], tmp_path: Path) -> None:
    for name in ("10.jpg", "9.jpg", "notes.txt"):
        (tmp_path / name).write_bytes(built[0].read_bytes())
    found = own_set(tmp_path)
    assert [photo.name for photo in found.photos] == ["9.jpg", "10.jpg"]
    assert found.name == tmp_path.name
    assert found.megapixels == pytest.approx(0.3072)


def test_what_is_broken_is_left_out_and_told(built: list[Path], tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(built[0].read_bytes())
    (tmp_path / "2.jpg").write_bytes(built[0].read_bytes()[:1000])
    (tmp_path / "3.jpg").write_text("hello")
    found = own_set(tmp_path)
    assert [photo.name for photo in found.photos] == ["1.jpg"]
    assert found.left_out == ("2.jpg: not whole", "3.jpg: not a photo")


@pytest.mark.parametrize(
    ("directory", "advice"),
    [("empty", "put JPEG, PNG, WebP or TIFF photos into it"), ("missing", "name a directory of")],
)
def test_a_directory_without_photos_is_told_with_what_to_do(directory: str, advice: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=advice):
        own_set(tmp_path / directory)


@pytest.fixture
def hot(tmp_path: Path) -> Path:
    for name in ("drop", "done", "review", "results/a"):
        (tmp_path / "hot" / name).mkdir(parents=True)
    return tmp_path / "hot"


def test_photos_are_brought_as_copies_with_names_of_their_own(built: list[Path], hot: Path, tmp_path: Path) -> None:
    staging = Staging(tmp_path / "staging", hot)
    names = staging.bring([built[0], built[0]])
    assert len(set(names)) == 2
    assert all((tmp_path / "staging" / name).stat().st_nlink == 1 for name in names)  # a linked one is left in drop/


def test_a_photo_with_the_longest_name_there_is_can_be_brought(built: list[Path], hot: Path, tmp_path: Path) -> None:
    long = tmp_path / ("a" * 251 + ".jpg")
    long.write_bytes(built[0].read_bytes())
    assert Staging(tmp_path / "staging", hot).bring([long]) == ["0001-.jpg"]


def test_a_sample_is_spread_over_all_photos(built: list[Path], tmp_path: Path) -> None:
    found = built_set(tmp_path, Size("tiny", 64, 48), 8)
    assert found.sample(2, burst=8) == [found.photos[0], found.photos[4]]
    assert found.sample(16, burst=8) == found.burst(16)


def test_photos_that_are_in_no_burst_are_in_no_sample(tmp_path: Path) -> None:
    found = PhotoSet("shoot", tuple(tmp_path / f"{number}.jpg" for number in range(100)), 2.0)
    assert set(found.sample(7, burst=20)) < set(found.photos[:20])
    assert set(found.sample(7, burst=3)) == set(found.photos[:3])


def test_a_drop_is_a_rename(built: list[Path], hot: Path, tmp_path: Path) -> None:
    staging = Staging(tmp_path / "staging", hot)
    (name,) = staging.bring(built[:1])
    inode = (tmp_path / "staging" / name).stat().st_ino
    staging.drop([name])
    assert (hot / "drop" / name).stat().st_ino == inode


def test_what_was_filed_is_taken_back_and_what_was_made_of_it_is_gone(
    built: list[Path], hot: Path, tmp_path: Path
) -> None:
    staging = Staging(tmp_path / "staging", hot)
    names = staging.bring(built[:2])
    for name, place in zip(names, ("done", "review"), strict=True):
        (tmp_path / "staging" / name).rename(hot / place / name)
    (hot / "review" / f"{names[1]}.error.json").write_text("{}")
    (hot / "results" / "a" / "1.png").write_text("result")
    staging.take_back(names)
    assert sorted(path.name for path in (tmp_path / "staging").iterdir()) == sorted(names)
    assert [path for path in hot.rglob("*") if path.is_file()] == []
    assert (hot / "results" / "a").is_dir()
