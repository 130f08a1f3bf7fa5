"""`bshm-watchd matte` without a daemon: what goes in, where results go, and what is said when something is wrong."""

from __future__ import annotations

import json
import os
import resource
import socket
import stat
from pathlib import Path

import cv2
import numpy as np
import pytest

from bshm_watchd.cli.matte_files import write_result
from tests.support.asked import Configured, Told, configured, typed
from tests.support.matte import matted, names, photo
from tests.support.photos import green_of, pixels_of
from tests.support.studio import cutout_of, png


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configured:
    studio = configured(tmp_path, monkeypatch)
    assert typed("model", "fetch", "arithmetic").code == 0
    monkeypatch.chdir(tmp_path)
    return studio


# -- results -----------------------------------------------------------------------------------------------


def test_one_photo_becomes_one_result(studio: Configured) -> None:
    source = photo("anna.png")
    told = typed("matte", "anna.png", "-o", "cut.png")
    assert told.code == 0, told.err
    assert told.out.startswith("cut.png: 40 x 30 pixels, ")
    assert "with the model loaded here" in told.out
    assert (pixels_of(Path("cut.png").read_bytes()) == cutout_of(source.read_bytes())).all()


def test_the_kind_is_chosen(studio: Configured) -> None:
    source = photo("anna.png")
    assert typed("matte", "anna.png", "-o", "alpha.png", "--kind", "matte").code == 0
    assert (pixels_of(Path("alpha.png").read_bytes()) == green_of(source.read_bytes())).all()


def test_people_are_put_on_a_colour_or_a_picture(studio: Configured) -> None:
    source = photo("anna.png")
    cv2.imwrite("sea.png", np.full((10, 10, 3), 77, np.uint8))
    nobody = green_of(source.read_bytes()) < 3
    for background, value in (("#4d4d4d", 77), ("sea.png", 77)):
        told = typed("matte", "anna.png", "-o", "on.png", "--background", background, "--force")
        assert told.code == 0, told.err
        found = pixels_of(Path("on.png").read_bytes())[nobody].astype(int)
        assert np.abs(found - value).max() <= 3


def test_json_tells_everything_of_each_photo(studio: Configured) -> None:
    photo("anna.png")
    (one,) = matted("anna.png", "-o", "cut.png")["photos"]
    assert {"input", "output", "ok", "width", "height", "coverage", "pages", "doubt", "seconds", "through"} == set(one)
    assert (one["input"], one["output"], one["ok"], one["through"]) == ("anna.png", "cut.png", True, "process")
    assert (one["width"], one["height"]) == (40, 30)
    assert set(one["seconds"]) == {"decode", "matte", "render", "whole"}


def test_a_directory_is_its_photos_in_natural_order_and_no_others(studio: Configured) -> None:
    for name in ("img10.png", "img2.png", "IMG1.PNG", ".hidden.png", "notes.txt", "below/deep.png"):
        photo(f"shoot/{name}")
    found = matted("shoot", "-o", "cut/")["photos"]
    assert [Path(one["input"]).name for one in found] == ["IMG1.PNG", "img2.png", "img10.png"]
    assert names("cut") == ["IMG1.png", "img10.png", "img2.png"]


def test_photos_with_one_stem_never_share_a_result(studio: Configured) -> None:
    for number, name in enumerate(("a/anna.png", "b/anna.png", "b/ANNA.png", "c/anna~2.png")):
        photo(name, number)
    Path("cut").mkdir()
    matted("a/anna.png", "b/anna.png", "b/ANNA.png", "c/anna~2.png", "-o", "cut")
    assert names("cut") == ["ANNA~3.png", "anna.png", "anna~2.png", "anna~2~2.png"]
    assert (pixels_of(Path("cut/anna~2.png").read_bytes()) == cutout_of(png(1, 30, 40))).all()


def test_a_result_has_the_mode_that_the_umask_leaves(studio: Configured) -> None:
    photo("anna.png")
    before = os.umask(0o027)
    try:
        matted("anna.png", "-o", "cut.png")
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path("cut.png").stat().st_mode) == 0o640


# -- what is wrong with a photo ----------------------------------------------------------------------------


def test_a_photo_at_fault_is_told_and_the_others_are_made(studio: Configured) -> None:
    photo("anna.png")
    Path("bad.jpg").write_bytes(b"no photo at all")
    Path("half.png").write_bytes(png(1, 30, 40)[:-30])
    told = typed("matte", "bad.jpg", "half.png", "anna.png", "-o", "cut/")
    assert told.code == 1
    assert "1 of 3 results made" in told.out
    assert sorted(line.split(": ")[1] for line in told.err.splitlines()) == ["bad.jpg", "half.png"]
    assert names("cut") == ["anna.png"]


def test_json_has_a_sidecars_words_for_a_photo_at_fault(studio: Configured) -> None:
    Path("half.png").write_bytes(png(1, 30, 40)[:-30])
    told = typed("matte", "half.png", "-o", "cut.png", "--json")
    (one,) = json.loads(told.out)["photos"]
    assert (told.code, one["ok"], one["reason"], one["output"]) == (1, False, "incomplete", None)
    assert one["message"]
    assert one["what_to_do"]


def test_a_photo_that_can_not_be_read_is_told(studio: Configured) -> None:
    photo("anna.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.png")
        told = typed("matte", "anna.png", "socket.png", "-o", "cut/")
    assert told.code == 1
    assert "socket.png: it can't be read: " in told.err
    assert names("cut") == ["anna.png"]


def test_a_device_is_no_photo_and_is_not_read(studio: Configured) -> None:
    told = typed("matte", "/dev/zero", "-o", "cut.png")
    assert (told.code, told.err) == (
        1,
        "bshm-watchd: /dev/zero: it is neither a file nor a pipe; name a photo, or pipe one in\n",
    )


def test_a_matte_to_doubt_is_made_and_said(studio: Configured) -> None:
    cv2.imwrite("nobody.png", np.zeros((50, 50, 3), np.uint8))
    told = typed("matte", "nobody.png", "-o", "cut.png")
    assert (told.code, "nobody was found" in told.err) == (0, True)


def test_a_hostile_name_does_not_touch_the_terminal(studio: Configured) -> None:
    name = "\x1b]0;gotcha\x07" + os.fsdecode(b"\xff") + ".jpg"
    Path(name).write_bytes(b"no photo")
    told = typed("matte", name, "-o", "cut.png")
    assert told.err.startswith("bshm-watchd: \\x1b]0;gotcha\\x07\\xff.jpg: ")


# -- what is there already ---------------------------------------------------------------------------------


def refused(*words: str) -> Told:
    told = typed("matte", *words)
    assert told.code == 64, told
    return told


def test_a_result_that_is_there_is_kept_unless_forced(studio: Configured) -> None:
    source = photo("anna.png")
    Path("cut.png").write_bytes(b"precious")
    assert "--force" in refused("anna.png", "-o", "cut.png").err
    assert Path("cut.png").read_bytes() == b"precious"
    assert typed("matte", "anna.png", "-o", "cut.png", "--force").code == 0
    assert (pixels_of(Path("cut.png").read_bytes()) == cutout_of(source.read_bytes())).all()


def test_many_results_are_looked_for_before_any_work(studio: Configured) -> None:
    for name in ("a.png", "b.png"):
        photo(name)
    Path("cut").mkdir()
    Path("cut/b.png").write_bytes(b"precious")
    refused("a.png", "b.png", "-o", "cut")
    assert names("cut") == ["b.png"]


def test_a_photo_never_becomes_its_own_result(studio: Configured) -> None:
    before = photo("anna.png").read_bytes()
    Path("link.png").hardlink_to("anna.png")
    for target in ("anna.png", "link.png", "./anna.png"):
        assert "is one of the photos" in refused("anna.png", "-o", target, "--force").err
    assert "is one of the photos" in refused(".", "-o", "./", "--force").err
    assert Path("anna.png").read_bytes() == before


def test_what_is_no_ordinary_file_is_not_written_over(studio: Configured) -> None:
    photo("anna.png")
    Path("cut.png").symlink_to("elsewhere.png")
    refused("anna.png", "-o", "cut.png", "--force")
    assert not Path("elsewhere.png").exists()


def test_a_result_that_can_not_be_written_whole_leaves_nothing(studio: Configured) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_result("cut.png", bytes(5000), force=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert names(".") == ["config.yaml", "portraits", "state"]


def test_a_name_that_was_taken_meanwhile_is_left_alone(studio: Configured) -> None:
    Path("cut.png").write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        write_result("cut.png", b"x", force=False)
    assert Path("cut.png").read_bytes() == b"precious"
    assert names(".") == ["config.yaml", "cut.png", "portraits", "state"]


# -- what makes no sense -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "IN"),
        (("anna.png",), "-o OUT"),
        (("anna.png", "-o", "cut"), "must end in"),
        (("anna.png", "-o", "cut.bmp"), "must end in"),
        (("anna.png", "-o", "no/cut.png"), "there is no such directory"),
        (("none.png", "-o", "cut.png"), "there is no such file"),
        (("portraits", "-o", "cut/"), "no photos are in that directory"),
        (("anna.png", "bert.png", "-o", "cut.png"), "name a directory: -o OUT/"),
        (("anna.png", "bert.png", "-o", "-"), "name a directory: -o OUT/"),
        (("-", "-", "-o", "cut/"), "only once"),
        (("anna.png", "-o", "cut.png", "--kind", "ghost"), "no kind is named"),
        (("anna.png", "-o", "cut.png", "--kind", "cutot"), "did you mean cutout?"),
        (("anna.png", "-o", "cut.png", "--format", "webp"), "leave out --format webp"),
        (("anna.png", "-o", "cut.jpg"), "must not lose a value"),
        (("anna.png", "-o", "cut.png", "--kind", "composite"), "needs a background"),
        (("anna.png", "-o", "cut.jpg"), "--kind composite"),
        (("anna.png", "-o", "cut.png", "--background", "#fff"), "has six digits"),
        (("anna.png", "-o", "cut.png", "--background", "portraits"), "that is no file"),
        (("anna.png", "-o", "cut.png", "--background", "/dev/zero"), "that is no file"),
        (("anna.png", "-o", ""), "-o OUT"),
        (("anna.png", "-o", "anna.png/"), "Not a directory"),
        (("anna.png", "-o", "anna.png/cut.png"), "Not a directory"),
        (("anna.png", "-o", "/proc/cut/"), "can't be made"),
        (("anna.png", "-o", "x" * 260 + ".png"), "name too long"),
        (("anna.png", "-o", "x" * 260 + "/"), "name too long"),
        (("anna.png", "-o", "cut.png", "--background", "none.jpg"), "a colour is written as"),
        (("anna.png", "-o", "cut.png", "--kind", "matte", "--background", "#ffffff"), "background is for composites"),
        (("anna.png", "-o", "cut.png", "--quality", "90"), "quality is for .jpg"),
        (("anna.png", "-o", "-", "--json"), "can't both go to standard output"),
    ],
)
def test_what_makes_no_sense_ends_with_64_before_any_work(
    studio: Configured, words: tuple[str, ...], said: str
) -> None:
    photo("anna.png")
    photo("bert.png")
    assert said in " ".join(refused(*words).err.split())
    assert names(".") == ["anna.png", "bert.png", "config.yaml", "portraits", "state"]
