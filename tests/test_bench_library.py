"""The baseline library: always the same pictures, listed with their hashes, and nothing of anybody else's touched."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import cv2
import pytest
import yaml

from bshm_watchd.bench import library
from bshm_watchd.bench.library import QUALITY, RECORD, SPEED, Record, Wanted, build, read_record
from bshm_watchd.bench.pack import read_pack
from bshm_watchd.bench.pairs import find_pairs, refuse_unusable
from bshm_watchd.bench.scene_kinds import KINDS
from bshm_watchd.config import Limits
from bshm_watchd.errors import ConfigError
from tests.support.asked import typed
from tests.support.drawn_pack import LICENCE, drawn_pack

SMALL = Wanted(seed=7, each=1, photos_1080p=0, photos_24mp=0, longer=240, shorter=160)
OWN = "quality_test_set/own/anna.jpg"


def built(directory: Path, wanted: Wanted = SMALL, *, force: bool = False) -> Record:
    return build(directory, wanted, None, lambda *_: None, force=force)


def files_in(directory: Path) -> dict[str, str]:
    """By path below it; sha256."""
    paths = [path for path in directory.rglob("*") if path.is_file()]
    return {path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_every_scene_has_photos_with_their_mattes(tmp_path: Path) -> None:
    built(tmp_path / "lib", Wanted(each=2, photos_1080p=0, photos_24mp=0, longer=240, shorter=160))
    found = find_pairs(tmp_path / "lib" / QUALITY)
    refuse_unusable(found, Limits())
    assert sorted(scene.name for scene in found.scenes) == sorted(kind.name for kind in KINDS)
    assert all(len(scene.pairs) == 2 for scene in found.scenes)
    assert not found.left_out


def test_the_record_lists_every_file_with_its_hash_scene_and_source(tmp_path: Path) -> None:
    built(tmp_path / "lib")
    record = read_record(tmp_path / "lib" / RECORD)
    on_disk = files_in(tmp_path / "lib")
    del on_disk[RECORD]
    assert {name: file.sha256 for name, file in record.files.items()} == on_disk
    photo = record.files["quality_test_set/group/photos/group-01.jpg"]
    assert (photo.scene, photo.sources) == ("group", ("drawn",))
    assert record.seed == 7
    assert record.sources == {"drawn": "drawn by bshm-watchd itself; free to use"}
    assert record.libraries.keys() == {"numpy", "opencv-python-headless"}


def test_the_same_seed_builds_the_same_bytes_and_another_others(tmp_path: Path) -> None:
    built(tmp_path / "one")
    built(tmp_path / "two")
    built(tmp_path / "other", Wanted(seed=8, each=1, photos_1080p=0, photos_24mp=0, longer=240, shorter=160))
    one, two, other = (files_in(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert one.keys() == other.keys()
    assert not any(one[name] == other[name] for name in one)


def test_more_pictures_of_a_scene_leave_the_first_ones_as_they_were(tmp_path: Path) -> None:
    built(tmp_path / "one")
    built(tmp_path / "two", Wanted(seed=7, each=2, photos_1080p=0, photos_24mp=0, longer=240, shorter=160))
    one, two = files_in(tmp_path / "one"), files_in(tmp_path / "two")
    del one[RECORD]
    assert len(two) - 1 == 2 * len(one)
    assert one.items() <= two.items()


def test_the_speed_sets_have_the_sizes_that_they_are_named_by(tmp_path: Path) -> None:
    built(tmp_path / "lib", Wanted(each=1, photos_1080p=2, photos_24mp=1, longer=240, shorter=160))
    sizes = {
        path.relative_to(tmp_path / "lib").as_posix(): sorted(cv2.imread(str(path)).shape[:2])
        for path in (tmp_path / "lib" / SPEED).rglob("*.jpg")
    }
    assert sizes == {
        "speed_test_set/1080p/01-profile-close-up.jpg": [1080, 1920],
        "speed_test_set/1080p/02-hair-detail.jpg": [1080, 1920],
        "speed_test_set/24mp/01-profile-close-up.jpg": [4000, 6000],
    }


def test_photos_of_the_speed_sets_weigh_what_a_cameras_weigh(tmp_path: Path) -> None:
    built(tmp_path / "lib", Wanted(each=1, photos_1080p=6, photos_24mp=0, longer=240, shorter=160))
    for path in (tmp_path / "lib" / SPEED / "1080p").iterdir():
        assert 1.5 < path.stat().st_size * 8 / (1920 * 1080) < 3.5  # bits a pixel


def test_a_library_is_not_built_over_another_unasked(tmp_path: Path) -> None:
    built(tmp_path / "lib")
    before = files_in(tmp_path / "lib")
    with pytest.raises(ConfigError, match="a library is here already; --force builds its own pictures anew"):
        built(tmp_path / "lib", Wanted(seed=8, each=1, photos_1080p=0, photos_24mp=0))
    assert files_in(tmp_path / "lib") == before


def test_building_anew_replaces_its_own_pictures_and_leaves_those_of_others(tmp_path: Path) -> None:
    lib = tmp_path / "lib"
    built(lib, Wanted(seed=7, each=2, photos_1080p=0, photos_24mp=0, longer=240, shorter=160))
    (lib / OWN).parent.mkdir()
    (lib / OWN).write_bytes(b"anna")
    record = built(lib, force=True)
    assert (lib / OWN).read_bytes() == b"anna"
    assert files_in(lib).keys() == {RECORD, OWN, *record.files}


def test_a_picture_that_somebody_changed_is_not_written_over(tmp_path: Path) -> None:
    lib = tmp_path / "lib"
    built(lib)
    changed = lib / "quality_test_set/group/mattes/group-01.png"
    changed.write_bytes(b"retouched by hand")
    before = files_in(lib)
    with pytest.raises(ConfigError, match=f"{changed}: would be written over"):
        built(lib, force=True)
    assert files_in(lib) == before


def test_files_that_stand_where_pictures_would_go_stop_the_building(tmp_path: Path) -> None:
    for name in ("photos/group-01.jpg", "mattes/group-01.png"):
        path = tmp_path / QUALITY / "group" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(b"mine")
    with pytest.raises(ConfigError, match=r"group-01.png and 1 more: would be written over; move it"):
        built(tmp_path)
    assert len(files_in(tmp_path)) == 2


def test_what_fails_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(_: str, done: int, __: int) -> None:
        if done:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ConfigError, match=f"{tmp_path}/lib: No space left on device; mend that, and run it again"):
        build(tmp_path / "lib", SMALL, None, fail)
    assert list((tmp_path / "lib").iterdir()) == []


@pytest.mark.parametrize("content", ["kind: something else\n", "- a\n", "a: [\n", "\xff"])
def test_a_record_that_is_none_of_ours_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match="not the record of a library of this version"):
        built(tmp_path, force=True)


def test_of_a_pack_the_ids_and_licences_are_listed_and_no_file_is_copied(tmp_path: Path) -> None:
    pack = drawn_pack(tmp_path / "pack")
    build(tmp_path / "lib", SMALL, read_pack(pack, "held-back"), lambda *_: None)
    record = read_record(tmp_path / "lib" / RECORD)
    people = {name for name in record.sources if name.startswith("p_")}
    assert people and {record.sources[name] for name in people} == {LICENCE}
    assert all(record.sources[name].startswith("of the pack") for name in record.sources.keys() - people)
    assert not set(files_in(tmp_path / "lib").values()) & set(files_in(pack).values())


# -- the command -------------------------------------------------------------------------------------------


def test_the_command_builds_and_says_what_to_do_next(tmp_path: Path) -> None:
    told = typed("bench", "library", str(tmp_path / "lib"), "--each", "1", "--1080p", "1", "--24mp", "0", "--seed", "3")
    assert told.code == 0, told.err
    assert told.out.splitlines() == [
        f"13 files built, listed in {tmp_path}/lib/library.yaml",
        f"measure with all of them: bshm-watchd bench all {tmp_path}/lib",
    ]
    assert yaml.safe_load((tmp_path / "lib" / RECORD).read_text())["seed"] == 3


def test_the_default_library_is_small(tmp_path: Path) -> None:
    names = [name for one in library._plan(Wanted()) for name in (one.photo, one.matte) if name]
    assert len(names) == len(set(names)) == 6 * 8 * 2 + 12 + 4
