"""`bshm-watchd check`: each problem is found, named by where it is, and ends with 78."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd import config
from bshm_watchd.cli import checks
from bshm_watchd.delivery.render import cost_bytes
from bshm_watchd.matting.int8_install import install
from bshm_watchd.ops.asking import SOCKET_NAME
from bshm_watchd.reconfigure import largest_photo_mib, limits_problems
from tests.support.asked import Configured, a_daemon, configured, typed
from tests.support.small_network import made, small_bundle
from tests.support.studio import png

_MIB = 1 << 20


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configured:
    studio = configured(tmp_path, monkeypatch)
    assert typed("model", "fetch", "arithmetic").code == 0
    return studio


def problems() -> dict[str, str]:
    told = typed("check", "--json")
    answer = json.loads(told.out)
    found = {one["subject"]: one["message"] for one in answer["findings"] if one["level"] == "problem"}
    assert answer["ok"] == (not found)
    assert told.code == (78 if found else 0)
    return found


def settings_with(limits: str, outputs: str = "") -> config.Settings:
    return config.parse(
        f"version: 1\nstate_dir: /state\nlimits: {limits}\nhot_folders:\n- name: a\n  path: /hot\n{outputs}"
    )


def test_a_good_configuration_is_called_good(studio: Configured) -> None:
    assert problems() == {}
    assert "Everything is right." in typed("check").out


def test_check_leaves_nothing_behind_but_the_tree(studio: Configured) -> None:
    typed("check")
    left = sorted(str(path.relative_to(studio.folder)) for path in studio.folder.rglob("*"))
    assert left == [
        ".bshm",
        ".bshm/folder.json",
        ".bshm/work",
        "done",
        "drop",
        "failed",
        "rejected",
        "results",
        "review",
    ]


def test_check_does_not_own_the_folder(studio: Configured) -> None:
    typed("check")
    assert not (studio.folder / ".bshm" / "owner").exists()


def test_every_problem_of_the_configuration_is_a_line(studio: Configured) -> None:
    studio.add("model_: {}\nbatch: {max_size: 0}\n")
    told = typed("check")
    assert told.code == 78
    assert [line.split()[1] for line in told.out.splitlines() if line.startswith("problem")] == ["configuration"] * 2


def test_a_missing_model_is_a_problem_with_its_command(studio: Configured) -> None:
    studio.config.write_text(studio.config.read_text().replace("arithmetic", "u2netp"))
    assert problems()["model"].endswith(": bshm-watchd model fetch u2netp")
    studio.config.rename(studio.config.with_name("other.yaml"))
    told = typed("check", "--config", str(studio.config.with_name("other.yaml")))
    assert f"bshm-watchd --config {studio.config.with_name('other.yaml')} model fetch u2netp" in " ".join(
        told.out.split()
    )


def test_a_damaged_model_is_found_by_its_hash(studio: Configured) -> None:
    manifest = studio.state_dir / "models" / "arithmetic" / "bundle.yaml"
    (manifest.parent / "readme").write_text("changed")
    manifest.write_text(manifest.read_text() + f"files: [{{path: readme, sha256: '{'0' * 64}'}}]\n")
    assert "fetch it anew" in problems()["model"]


def test_int8_that_is_missing_or_damaged_is_a_problem_with_its_command(studio: Configured, tmp_path: Path) -> None:
    bundle = small_bundle(studio.state_dir / "models")
    studio.config.write_text(studio.config.read_text().replace("arithmetic", "small, precision: int8"))
    assert problems()["model"].endswith(": bshm-watchd model quantize small DIR")
    install(bundle, made(bundle, tmp_path / "new", "new"), tmp_path / "new")
    assert "model" not in problems()
    bundle.path("int8/net-new.bin").write_bytes(b"")
    assert "the INT8 network is damaged" in problems()["model"]


def test_a_missing_hot_folder_is_a_problem(studio: Configured) -> None:
    studio.folder.rmdir()
    assert "mount the share" in problems()["hot folder portraits"]


def test_a_replaced_hot_folder_is_a_problem(studio: Configured) -> None:
    assert problems() == {}
    studio.folder.rename(studio.folder.with_name("away"))
    studio.folder.mkdir()
    assert "folder adopt portraits" in problems()["hot folder portraits"]


def test_a_file_where_a_directory_must_be_is_a_problem(studio: Configured) -> None:
    (studio.folder / "done").write_text("in the way")
    assert "hot folder portraits" in problems()


def test_an_unknown_group_is_a_problem(studio: Configured) -> None:
    studio.add("    permissions: {group: no-such-group-here}\n")
    assert "no-such-group-here" in problems()["hot folder portraits"]


def test_too_little_free_space_is_a_problem(studio: Configured) -> None:
    studio.config.write_text(studio.config.read_text().replace("min_free_mib: 0", "min_free_mib: 999999999"))
    found = problems()
    assert set(found) == {"state_dir", "hot folder portraits"}
    assert "999999999" in found["state_dir"]


def test_a_state_directory_that_cannot_be_is_a_problem(studio: Configured, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    text = studio.config.read_text()
    studio.config.write_text(text.replace(str(studio.state_dir), str(tmp_path / "file" / "state")))
    assert "state_dir" in problems()


def test_results_show_the_mode_they_will_get(studio: Configured) -> None:
    studio.add('    permissions: {mode: "0640"}\n')
    assert "cutout results get mode 0640" in typed("check").out


@pytest.mark.parametrize(
    ("limits", "outputs", "level"),
    [
        ("{max_pixels: 120000000, in_flight_mib: 3072}", "", "ok"),
        ("{max_pixels: 120000000, in_flight_mib: 1000}", "", "problem"),
        ("{max_pixels: 40000000, in_flight_mib: 1000}", "", "ok"),
        ("{max_pixels: 10000000, in_flight_mib: 9000}", "", "note"),
    ],
)
def test_limits_must_fit_each_other_and_should_fit_the_machine(limits: str, outputs: str, level: str) -> None:
    (found,) = checks.limits(settings_with(limits, outputs), memory_bytes=8000 * _MIB)
    assert found.level == level


def test_the_limit_to_raise_is_said_with_a_number_that_does(studio: Configured) -> None:
    (found,) = checks.limits(settings_with("{in_flight_mib: 100}"), memory_bytes=8000 * _MIB)
    needed = int(found.message.partition("raise in_flight_mib to ")[2].split(",")[0])
    (mended,) = checks.limits(settings_with(f"{{in_flight_mib: {needed}}}"), memory_bytes=8000 * _MIB)
    assert mended.level == "ok"


@pytest.mark.contract("L3")
@pytest.mark.parametrize(("height", "width"), [(1, 2_000_000), (1000, 2000), (1200, 1666), (1414, 1414), (1666, 1200)])
def test_limits_that_are_called_good_hold_a_photo_of_any_shape(height: int, width: int) -> None:
    settings = settings_with("{max_pixels: 2000000}")
    limits = settings.limits.model_copy(update={"in_flight_mib": largest_photo_mib(settings)})
    assert not limits_problems(settings.model_copy(update={"limits": limits}))
    assert cost_bytes(height, width, settings.hot_folders[0].outputs) <= limits.in_flight_bytes


def status_with(state: str, studio: Configured) -> dict[str, Any]:
    folder = {"name": "portraits", "path": str(studio.folder), "state": state, "reason": "disk full; free some space"}
    return {"pid": 4711, "folders": [folder]}


def test_a_folder_that_a_daemon_watches_is_not_written_to(studio: Configured) -> None:
    with a_daemon(studio.state_dir, lambda _: status_with("watching", studio)):
        told = typed("check")
    assert told.code == 0
    assert "watched by the running daemon (process 4711)" in told.out
    assert list(studio.folder.iterdir()) == []


def test_a_folder_that_the_daemon_holds_is_a_problem_with_its_reason(studio: Configured) -> None:
    with a_daemon(studio.state_dir, lambda _: status_with("held", studio)):
        assert problems()["hot folder portraits"] == "disk full; free some space"


def test_a_daemon_that_does_not_answer_leaves_the_trying_to_check(studio: Configured) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(studio.state_dir / SOCKET_NAME))
    assert problems() == {}


def test_every_background_picture_is_tried(studio: Configured) -> None:
    outputs = "".join(
        f'      - {{kind: composite, background: {studio.folder.parent / name}, path: "{name}/{{stem}}.jpg"}}\n'
        for name in ("loft.png", "gone.png", "words.png")
    )
    (studio.folder.parent / "loft.png").write_bytes(png(1))
    (studio.folder.parent / "words.png").write_text("words")
    studio.add(f"    outputs:\n{outputs}")
    answer = json.loads(typed("check", "--json").out)
    found = {one["message"].split(":")[0]: one["level"] for one in answer["findings"] if one["subject"] == "background"}
    assert sorted(found.values()) == ["ok", "problem", "problem"]
    assert "ok" in found[str(studio.folder.parent / "loft.png")]
