"""`bench report` with what others wrote: names that are only ever text, pictures, and the files that it makes."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from bshm_watchd.bench.report import write_report
from bshm_watchd.bench.results import SceneQuality
from bshm_watchd.errors import ConfigError
from tests.support.asked import typed
from tests.support.report_page import Page, quality_file, reported, speed_file
from tests.support.results import (
    a_picture,
    a_set,
    a_speed_result,
    a_stamp,
    quality_of,
    small_jpegs,
    stored,
)

_HOSTILE = "<script>alert(1)</script>\"'&|`*_[x](http://evil.example/)$a$\x1b\u202e"


# -- pictures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("gone-photo.jpg", "gone-photo.jpg: No such file or directory"),
        ("../secret-photo.jpg", "../secret-photo.jpg does not lie beside the result"),
        ("link-photo.jpg", "link-photo.jpg does not lie beside the result"),
        ("text-photo.jpg", "text-photo.jpg is no small JPEG"),
        ("nul\0-photo.jpg", "is no name of a file"),
    ],
)
def test_a_picture_that_can_t_be_shown_is_said(tmp_path: Path, file: str, why: str) -> None:
    secret = b"\xff\xd8\xffsecret"
    (tmp_path / "secret-photo.jpg").write_bytes(secret)
    beside = tmp_path / "results"
    beside.mkdir()
    (beside / "text-photo.jpg").write_text("no picture")
    (beside / "link-photo.jpg").symlink_to("../secret-photo.jpg")
    result = quality_of(shown={"group": [file]})
    page, markdown = reported(tmp_path / "report", stored(beside / "quality.json", result))
    assert why in page.text
    assert "not shown: " in markdown
    assert page.all("img") == []
    assert list((tmp_path / "report" / "report-plots").glob("*.jpg")) == []


# -- names of others ---------------------------------------------------------------------------------------


@pytest.fixture
def hostile(tmp_path: Path) -> tuple[Page, str]:
    stamp = a_stamp().model_copy(update={"bundle": _HOSTILE, "networks": {_HOSTILE: _HOSTILE}, "version": _HOSTILE})
    speed = stored(tmp_path / "speed.json", a_speed_result(a_set(_HOSTILE), a_set(_HOSTILE, 2.0), stamp=stamp))
    pictures = [a_picture(_HOSTILE), a_picture(_HOSTILE, failed=_HOSTILE)]
    scene = SceneQuality(scene=_HOSTILE, pictures=pictures)
    quality = quality_of(scene, stamp=stamp, shown={_HOSTILE: [f"{_HOSTILE}-photo.jpg"]})
    return reported(tmp_path / "report", speed, stored(tmp_path / "quality.json", quality))


def test_hostile_names_are_text_in_the_page(hostile: tuple[Page, str]) -> None:
    page, _ = hostile
    assert page.all("script") == []
    assert {tag for tag, names in page.elements for name in names if name.startswith("on")} == set()
    assert "<script>alert(1)</script>\"'&|`*_[x](http://evil.example/)$a$\\x1b\\u202e" in page.text


def test_hostile_names_are_text_in_markdown(hostile: tuple[Page, str]) -> None:
    _, markdown = hostile
    assert "<" not in markdown
    assert re.findall(r"(?<!\\)\]\(http", markdown) == []
    assert "\u202e" not in markdown
    tables = re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE)
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1, table


def test_names_in_other_scripts_and_with_dollars_can_be_drawn(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    scenes = [SceneQuality(scene=name, pictures=[a_picture(name)]) for name in ("人物 $\\frac$", "_лицо", 90 * "x")]
    page, _ = reported(tmp_path, quality_file(tmp_path, *scenes))
    assert "人物 $\\frac$" in page.text
    assert capfd.readouterr().err == ""


# -- files -------------------------------------------------------------------------------------------------


def test_markdown_s_pictures_lie_beside_it_under_names_of_ours(tmp_path: Path) -> None:
    shown = {"group": small_jpegs(tmp_path, "anna (1)")}
    quality = stored(tmp_path / "quality.json", quality_of(shown=shown))
    _, markdown = reported(tmp_path / "report", quality, speed_file(tmp_path))
    files = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", markdown)
    assert len(files) == 7 + 2 + 4
    assert all(re.fullmatch(r"report-plots/[a-z0-9-]+\.(svg|jpg)", file) for file in files)
    assert all((tmp_path / "report" / file).stat().st_size > 500 for file in files)
    assert sorted(files) == sorted(
        str(path.relative_to(tmp_path / "report")) for path in (tmp_path / "report" / "report-plots").iterdir()
    )


def test_pictures_are_in_the_page_as_they_are(tmp_path: Path) -> None:
    names = small_jpegs(tmp_path, "anna")
    quality = stored(tmp_path / "quality.json", quality_of(shown={"group": names}))
    page, _ = reported(tmp_path / "report", quality)
    embedded = [base64.b64decode(image["src"].partition(",")[2]) for image in page.all("img")]
    assert embedded == [(tmp_path / name).read_bytes() for name in names]


def test_the_same_results_make_the_same_report(tmp_path: Path) -> None:
    speed = speed_file(tmp_path)
    first = [path.read_bytes() for path in write_report([speed], tmp_path / "a")]
    assert [path.read_bytes() for path in write_report([speed], tmp_path / "b")] == first


def test_a_plot_s_file_has_its_own_paper(tmp_path: Path) -> None:
    write_report([speed_file(tmp_path)], tmp_path)
    for path in (tmp_path / "report-plots").glob("*.svg"):
        svg = path.read_text(encoding="utf-8")
        assert '<rect width="100%" height="100%" fill="#ffffff"/>' in svg
        assert "currentColor" not in svg


@pytest.mark.parametrize("content", ["{}", "no result", json.dumps({"kind": "speed", "format": 2})])
def test_a_file_that_is_no_result_is_named(tmp_path: Path, content: str) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text(content)
    told = typed("bench", "report", str(wrong), "-o", str(tmp_path / "report"))
    assert told.code == 78
    assert f"{wrong}: not a result of `bench`" in told.err
    assert not (tmp_path / "report").exists()


def test_a_report_of_fewer_results_leaves_nothing_of_the_earlier_one(tmp_path: Path) -> None:
    out = tmp_path / "report"
    shown = {"group": small_jpegs(tmp_path, "anna")}
    write_report([speed_file(tmp_path), stored(tmp_path / "quality.json", quality_of(shown=shown))], out)
    (out / "report-plots" / "notes.svg").write_text("somebody's own")
    made = write_report([speed_file(tmp_path)], out)
    assert set((out / "report-plots").iterdir()) == {*made[2:], out / "report-plots" / "notes.svg"}


@pytest.mark.contract("P2")
@pytest.mark.parametrize("name", ["report.html", "report.md", "report-plots/speed-1-1.svg"])
def test_what_is_no_report_of_ours_is_left_alone(tmp_path: Path, name: str) -> None:
    theirs = tmp_path / "out" / name
    theirs.parent.mkdir(parents=True)
    theirs.write_text("How fast we were: see bshm-watchd bench report")
    with pytest.raises(ConfigError, match=f"{name}: .* left alone; name another directory"):
        write_report([speed_file(tmp_path)], tmp_path / "out")
    assert theirs.read_text() == "How fast we were: see bshm-watchd bench report"
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [theirs]


def test_a_directory_that_can_t_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ConfigError, match=r"taken.*: .*; name a directory that you may write"):
        write_report([speed_file(tmp_path)], tmp_path / "taken")


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
def test_a_missing_library_is_said_with_how_to_install_it(tmp_path: Path, missing: str) -> None:
    def load(name: str) -> object:
        if name == missing:
            raise ImportError(f"No module named {name!r}")
        return name

    with pytest.raises(ConfigError, match=rf"{missing}.*pip install 'bshm-watchd\[bench\]'"):
        write_report([speed_file(tmp_path)], tmp_path, load)


def test_the_command_says_where_the_pages_are(tmp_path: Path) -> None:
    told = typed("bench", "report", str(speed_file(tmp_path)), "-o", str(tmp_path / "a" / "b"))
    assert (told.code, told.err) == (0, "")
    assert told.out.splitlines() == [str(tmp_path / "a" / "b" / name) for name in ("report.html", "report.md")]
