"""The settings: what the shipped files say, and what a wrong file is told."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from bshm_watchd import config
from bshm_watchd.errors import ConfigError
from bshm_watchd.output_settings import OutputSettings

CONFIG_DIR = Path(__file__).parent.parent / "config"
MINIMAL = "version: 1\nhot_folders:\n  - name: portraits\n    path: /srv/hot/portraits\n"


@pytest.fixture(autouse=True)
def _as_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/bshm-watchd")


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.parse(text, source="config.yaml")
    return caught.value.problems


def folder(**changes: Any) -> str:
    """A whole configuration whose one folder has these keys changed, as YAML."""
    return yaml.safe_dump(
        {"version": 1, "hot_folders": [{"name": "portraits", "path": "/srv/hot/portraits"} | changes]}
    )


# -- the shipped files -------------------------------------------------------------------------------------


def addresses(model: type[BaseModel], at: str = "") -> set[str]:
    """Every key there is, as `limits.max_pixels` or `hot_folders[].outputs[].kind`."""
    found = set()
    for name, field in model.model_fields.items():
        found.add(f"{at}{name}")
        for inner, is_list in _models_in(field.annotation):
            found |= addresses(inner, f"{at}{name}{'[]' if is_list else ''}.")
    return found


def _models_in(annotation: Any, is_list: bool = False) -> list[tuple[type[BaseModel], bool]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [(annotation, is_list)]
    origin = get_origin(annotation)
    if origin in (Union, UnionType, tuple, list):
        return [
            found for part in get_args(annotation) for found in _models_in(part, is_list or origin in (tuple, list))
        ]
    return []


def written(content: Any, at: str = "") -> set[str]:
    """The addresses of the keys that stand in a parsed YAML file."""
    if isinstance(content, list):
        return set().union(*(written(item, at) for item in content))
    if not isinstance(content, dict):
        return set()
    found = {f"{at}{key}" for key in content}
    for key, value in content.items():
        found |= written(value, f"{at}{key}{'[].' if isinstance(value, list) else '.'}")
    return found


def test_the_full_file_shows_every_key_that_exists() -> None:
    shown = written(yaml.safe_load((CONFIG_DIR / "bshm-watchd.yaml").read_text()))
    assert shown == addresses(config.Settings)


def test_the_full_file_shows_the_defaults() -> None:
    assert config.load(CONFIG_DIR / "bshm-watchd.yaml") == config.load(CONFIG_DIR / "minimal.yaml")


def test_each_key_of_the_full_file_says_why_it_is_there() -> None:
    lines = (CONFIG_DIR / "bshm-watchd.yaml").read_text().splitlines()
    for above, line in zip(["", *lines], lines, strict=False):
        if re.match(r"\s*(- )?\w+:", line):
            assert " # " in line or above.startswith("# "), f"no word about: {line}"


def test_the_minimal_file_is_complete_and_says_nothing_that_is_not_needed() -> None:
    content = yaml.safe_load((CONFIG_DIR / "minimal.yaml").read_text())
    assert config.load(CONFIG_DIR / "minimal.yaml").hot_folders[0].path == Path("/srv/hot/portraits")
    assert written(content) == {"version", "hot_folders", "hot_folders[].name", "hot_folders[].path"}


# -- what a wrong file is told -----------------------------------------------------------------------------


@pytest.mark.contract("S2")
def test_all_problems_are_told_at_once_and_by_address() -> None:
    told = problems(
        """
version: 1
limits: {max_pixels: 0}
hot_folders:
  - {name: portraits, path: /srv/hot/portraits}
  - {name: second, path: not/absolute, setle_seconds: 3}
"""
    )
    assert len(told) == 3
    assert any(line.startswith("config.yaml: limits.max_pixels: ") for line in told)
    assert "config.yaml: hot_folders[1].path: must be an absolute path" in told
    assert "config.yaml: hot_folders[1].setle_seconds: unknown key; did you mean settle_seconds?" in told


@pytest.mark.contract("S2")
def test_an_unknown_key_that_resembles_none_is_told_what_is_known() -> None:
    (told,) = problems("version: 1\nbatch: {xyz: 1}\n" + MINIMAL.partition("\n")[2])
    assert told == "config.yaml: batch.xyz: unknown key; known here: max_size, max_wait_ms"


@pytest.mark.contract("S2")
def test_a_key_that_stands_twice_is_an_error_and_not_a_silent_choice() -> None:
    (told,) = problems("version: 1\n" + MINIMAL)
    assert "key 'version' stands twice" in told


@pytest.mark.contract("S2")
def test_yaml_can_not_make_python_objects() -> None:
    (told,) = problems("version: !!python/object/apply:os.getcwd []\n")
    assert "not valid YAML" in told


@pytest.mark.parametrize("text", ["", "just words", "- 1\n- 2\n", "5"])
def test_a_file_that_is_no_mapping_is_told_so(text: str) -> None:
    assert "must be a mapping" in problems(text)[0]


@pytest.mark.contract("S2")
@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\tx: 1", "? [a, {b: c}]\n: 1\n", "{[1]: 2}", "&a [*a]", "a: *b"])
def test_broken_yaml_is_a_problem_and_never_a_traceback(text: str) -> None:
    assert problems(text)


@pytest.mark.parametrize(
    "missing", ["version: 1\n", "hot_folders: [{name: a, path: /a}]\n", "version: 1\nhot_folders: []\n"]
)
def test_version_and_one_hot_folder_are_needed(missing: str) -> None:
    assert problems(missing)


def test_a_missing_file_is_told_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="bshm-watchd init DIR"):
        config.load(tmp_path / "none.yaml")


def test_a_file_that_is_not_text_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"version: \xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        config.load(tmp_path / "config.yaml")


# -- paths that must not meet ------------------------------------------------------------------------------


def two_folders(first: str, second: str) -> str:
    return f"version: 1\nhot_folders:\n  - {{name: a, path: {first}}}\n  - {{name: b, path: {second}}}\n"


@pytest.mark.parametrize("second", ["/srv/hot", "/srv/hot/drop", "/srv/hot/x/..", "/srv"])
def test_hot_folders_inside_each_other_are_refused(second: str) -> None:
    assert "hot folders must be apart" in problems(two_folders("/srv/hot", second))[0]


def test_hot_folders_beside_each_other_are_fine() -> None:
    assert len(config.parse(two_folders("/srv/hot", "/srv/hot2")).hot_folders) == 2


def test_two_hot_folders_of_one_name_are_refused() -> None:
    text = two_folders("/srv/a", "/srv/b").replace("name: b", "name: a")
    assert "two hot folders are named a" in problems(text)[0]


@pytest.mark.parametrize("state_dir", ["/srv/hot/portraits", "/srv/hot/portraits/state"])
def test_a_state_directory_inside_a_hot_folder_is_refused(state_dir: str) -> None:
    assert "choose another state_dir" in problems(f"state_dir: {state_dir}\n{MINIMAL}")[0]


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        ("drop/{stem}.png", "must not be below drop/"),
        ("/srv/hot/portraits/drop/{stem}.png", "lies inside"),
        (".bshm/{stem}.png", "must not be below .bshm/"),
        ("../{stem}.png", "must not contain .."),
        ("results/{stem}.gif", "must end in one of .png, .webp, .tif"),
        ("results/{stem}", "must end in one of"),
        ("results/{stem}.jpg", "a cutout must not lose a value: write it as .png, .webp or .tif"),
        ("results/all.png", "must contain {stem}"),
        ("{relative_dir}/{stem}.png", "must begin with a directory of its own"),
        ("results/{nonsense}/{stem}.png", "unknown field {nonsense}; known are date, relative_dir, stem"),
        ("results/.bshm-{stem}.png", "the daemon's own"),
    ],
)
def test_a_path_of_results_that_would_do_harm_is_refused(path: str, complaint: str) -> None:
    assert complaint in problems(folder(outputs=[{"kind": "cutout", "path": path}]))[0]


def test_no_output_and_two_outputs_of_one_path_are_refused() -> None:
    same = {"kind": "cutout", "path": "results/{stem}.png"}
    assert "at least one output" in problems(folder(outputs=[]))[0]
    assert "two outputs have the same path" in problems(folder(outputs=[same, same | {"kind": "matte"}]))[0]


@pytest.mark.parametrize(
    ("path", "root"),
    [("results/{stem}.png", "/srv/hot/portraits"), ("/mnt/out/{date}/{stem}.png", "/mnt/out"), ("/{stem}.png", "/")],
)
def test_results_start_from_the_folder_or_from_an_absolute_path_s_fixed_part(path: str, root: str) -> None:
    settings = config.parse(folder(outputs=[{"kind": "cutout", "path": path}])).hot_folders[0]
    assert config.output_root(settings, settings.outputs[0]) == Path(root)


def test_originals_are_filed_below_the_folder_or_deleted() -> None:
    assert config.parse(folder(originals={"done": "delete"})).hot_folders[0].originals.done == "delete"
    assert "below the hot folder" in problems(folder(originals={"done": "/mnt/done"}))[0]


# -- values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mode"), [("0664", 0o664), ("664", 0o664), ("0o640", 0o640), ("2775", 0o2775), (None, None)]
)
def test_a_mode_is_quoted_octal(text: str | None, mode: int | None) -> None:
    assert config.parse(folder(permissions={"mode": text})).hot_folders[0].permissions.mode == mode


@pytest.mark.parametrize("value", [664, 436, "rw-rw-r--", "0888", "77777", True])
def test_a_mode_that_could_be_misread_is_refused(value: object) -> None:
    assert "quoted octal digits" in problems(folder(permissions={"mode": value}))[0]


@pytest.mark.parametrize("name", ["", "a/b", "-x", "a b", "été", "x" * 65])
def test_a_folder_s_name_fits_in_logs_and_commands(name: str) -> None:
    assert "hot_folders[0].name" in problems(folder(name=name))[0]


@pytest.mark.parametrize("seconds", [0, -1, 4000, "soon"])
def test_a_settle_time_is_auto_or_a_sensible_number(seconds: object) -> None:
    assert any("settle_seconds" in told for told in problems(folder(settle_seconds=seconds)))


def test_settings_do_not_change_once_read() -> None:
    settings = config.parse(MINIMAL)
    with pytest.raises(ValueError, match="frozen"):
        settings.limits.max_pixels = 1  # type: ignore[misc]


# -- where things lie --------------------------------------------------------------------------------------


def test_the_state_directory_is_the_service_s_else_the_user_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")
    assert config.default_state_dir() == Path("/var/lib/a")
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    expected = Path("/var/lib/bshm-watchd") if os.geteuid() == 0 else tmp_path / "bshm-watchd"
    assert config.default_state_dir() == expected


def test_the_configuration_is_the_named_one_else_the_user_s_else_the_system_s(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("BSHM_WATCHD_CONFIG", raising=False)
    assert config.default_config_path() == Path("/etc/bshm-watchd/config.yaml")
    own = tmp_path / "bshm-watchd" / "config.yaml"
    own.parent.mkdir()
    own.write_text(MINIMAL)
    assert config.default_config_path() == own
    monkeypatch.setenv("BSHM_WATCHD_CONFIG", "/somewhere/else.yaml")
    assert config.default_config_path() == Path("/somewhere/else.yaml")


# -- outputs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        ({"kind": "composite", "path": "w/{stem}.png"}, "a composite needs a background"),
        ({"kind": "composite", "path": "w/{stem}.png", "background": "white"}, 'a colour such as "#ffffff"'),
        ({"kind": "composite", "path": "w/{stem}.png", "background": "beach.jpg"}, "the absolute path of a picture"),
        ({"kind": "matte", "path": "m/{stem}.png", "background": "#ffffff"}, "a matte has none"),
        ({"kind": "trimap", "path": "t/{stem}.jpg"}, "a trimap must not lose a value"),
        ({"kind": "cutout", "path": "c/{stem}.webp", "quality": 80}, "quality is for .jpg"),
        (
            {"kind": "composite", "path": "w/{stem}.jpg", "background": "#fff000", "quality": 101},
            "less than or equal to 100",
        ),
    ],
)
def test_an_outputs_keys_must_fit_each_other(output: dict[str, Any], complaint: str) -> None:
    (problem,) = problems(folder(outputs=[output]))
    assert "hot_folders[0].outputs[0]" in problem and complaint in problem


def test_the_extension_says_the_format_and_the_background_is_a_colour_or_a_picture() -> None:
    def composite(path: str, background: str) -> OutputSettings:
        return OutputSettings.model_validate({"kind": "composite", "path": path, "background": background})

    white, beach = composite("w/{stem}.JPG", "#fFfe00"), composite("w/{stem}.tif", "/srv/beach.jpg")
    assert (white.format, white.background_colour, white.background_picture) == ("jpeg", (255, 254, 0), None)
    assert (beach.format, beach.background_colour, beach.background_picture) == ("tiff", None, Path("/srv/beach.jpg"))
