"""`bshm-watchd init`, as a studio's administrator types it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bshm_watchd import config
from tests.support.asked import Told, typed


@pytest.fixture(autouse=True)
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    monkeypatch.setenv("BSHM_WATCHD_CONFIG", str(tmp_path / "etc" / "config.yaml"))
    return tmp_path / "state"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "etc" / "config.yaml"


def init(*arguments: object) -> Told:
    return typed("init", *map(str, arguments))


def test_init_writes_the_four_lines_and_makes_the_tree(tmp_path: Path, written: Path) -> None:
    told = init(tmp_path / "portraits")
    assert told.code == 0
    lines = [line for line in written.read_text().splitlines() if not line.startswith("#")]
    assert lines == ["version: 1", "hot_folders:", "  - name: portraits", f"    path: {tmp_path / 'portraits'}"]
    made = {path.name for path in (tmp_path / "portraits").iterdir()}
    assert made == {".bshm", "drop", "results", "done", "review", "rejected", "failed"}


def test_what_init_made_needs_only_a_model(tmp_path: Path) -> None:
    init(tmp_path / "portraits")
    told = typed("check")
    assert told.code == 78
    assert [line.split()[1] for line in told.out.splitlines() if line.startswith("problem")] == ["model"]


def test_init_says_what_to_do_next(tmp_path: Path) -> None:
    told = init(tmp_path / "portraits")
    for command in ("bshm-watchd model fetch portrait", "bshm-watchd check", "bshm-watchd run"):
        assert command in told.out
    assert f"{tmp_path}/portraits/drop" in told.out


def test_commands_to_type_name_a_configuration_that_is_not_the_default(tmp_path: Path) -> None:
    told = init(tmp_path / "portraits", "--config-out", tmp_path / "mine.yaml")
    assert f"bshm-watchd --config {tmp_path}/mine.yaml check" in told.out
    assert not (tmp_path / "etc").exists()


def test_config_says_where_it_goes_when_nothing_else_does(tmp_path: Path) -> None:
    init(tmp_path / "portraits", "--config", tmp_path / "named.yaml")
    assert (tmp_path / "named.yaml").exists()


def test_a_state_directory_can_be_named(tmp_path: Path, written: Path) -> None:
    init(tmp_path / "portraits", "--state-dir", tmp_path / "other")
    assert config.load(written).state_dir == tmp_path / "other"
    assert (tmp_path / "other" / "folders" / "portraits.json").exists()


def test_a_relative_directory_is_written_absolute(
    tmp_path: Path, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    init("./a/../hot")
    assert config.load(written).hot_folders[0].path == tmp_path / "hot"


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        ("Weihnachten 2026", "Weihnachten-2026"),
        (".hidden", "hidden"),
        ("été", "ete"),
        ("true", "true"),
        ("2026", "2026"),
        ("a: b #c", "a-b-c"),
        ("'\"", "photos"),
        ("写真", "photos"),
    ],
)
def test_any_directory_name_is_written_so_that_it_reads_back(
    tmp_path: Path, written: Path, directory: str, name: str
) -> None:
    assert init(tmp_path / directory).code == 0
    folder = config.load(written).hot_folders[0]
    assert (folder.name, folder.path) == (name, tmp_path / directory)


def test_an_existing_configuration_is_left_alone_and_the_lines_to_add_are_printed(
    tmp_path: Path, written: Path
) -> None:
    init(tmp_path / "portraits")
    before = written.read_bytes()
    told = init(tmp_path / "school")
    assert told.code == 0
    assert written.read_bytes() == before
    entry = f"  - name: school\n    path: {tmp_path}/school\n"
    assert entry in told.out
    written.write_text(written.read_text() + entry)
    assert [folder.name for folder in config.load(written).hot_folders] == ["portraits", "school"]
    assert (tmp_path / "school" / "drop").is_dir()


def test_init_again_mends_the_tree_and_says_that_it_is_configured(tmp_path: Path, written: Path) -> None:
    init(tmp_path / "portraits")
    (tmp_path / "portraits" / "drop").rmdir()
    told = init(tmp_path / "portraits")
    assert told.code == 0
    assert "in the configuration already" in told.out
    assert (tmp_path / "portraits" / "drop").is_dir()


def test_force_replaces_a_configuration(tmp_path: Path, written: Path) -> None:
    init(tmp_path / "portraits")
    assert init(tmp_path / "school", "--force").code == 0
    assert [folder.name for folder in config.load(written).hot_folders] == ["school"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("portraits/drop",), "hot folders must be apart"),
        (("other", "--name", "portraits"), "two hot folders are named portraits"),
        (("other", "--name", "no/slash"), "hot_folders[0].name"),
    ],
)
def test_what_would_not_fit_is_refused_before_anything_is_made(
    tmp_path: Path, arguments: tuple[str, ...], why: str
) -> None:
    init(tmp_path / "portraits")
    told = init(tmp_path / arguments[0], *arguments[1:])
    assert told.code == 78
    assert why in told.err
    assert not (tmp_path / "other").exists()
    assert list((tmp_path / "portraits" / "drop").iterdir()) == []


def test_a_state_directory_inside_the_hot_folder_is_refused(tmp_path: Path, written: Path) -> None:
    told = init(tmp_path / "portraits", "--state-dir", tmp_path / "portraits" / "state")
    assert told.code == 78
    assert "state_dir" in told.err
    assert not (tmp_path / "portraits").exists()
    assert not written.exists()


def test_a_file_in_the_way_is_named(tmp_path: Path, written: Path) -> None:
    (tmp_path / "file").write_text("x")
    told = init(tmp_path / "file" / "portraits")
    assert told.code == 78
    assert "file/portraits" in told.err
    assert not written.exists()


def test_a_path_that_is_no_utf8_is_refused_in_words(tmp_path: Path) -> None:
    told = init(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    assert told.code == 78
    assert "caf\\xe9" in told.err


def test_the_tree_takes_its_rights_from_the_hot_folder(tmp_path: Path) -> None:
    folder = tmp_path / "portraits"
    folder.mkdir()
    folder.chmod(0o2770)
    init(folder)
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in ("drop", "results", "done")} == {0o2770}
