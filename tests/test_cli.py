"""The command line as a whole: exit codes, errors in plain words, where --config may stand; and whole runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bshm_watchd import __version__
from bshm_watchd.ops.asking import SOCKET_NAME, ControlError, NotRunning, ask
from tests.support.asked import Configured, a_daemon, configured, typed, typed_in_shell
from tests.support.studio import png

_MAIN = [sys.executable, "-m", "bshm_watchd.cli.main"]


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configured:
    return configured(tmp_path, monkeypatch)


# -- what is typed -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("statsu",),
        ("status", "--jsn"),
        ("init",),
        ("once", "--wait", "soon"),
        ("once", "--wait", "-1"),
        ("jobs",),
        ("jobs", "list", "--limit", "0"),
        ("jobs", "show"),
        ("folder", "take"),
        ("--config",),
    ],
)
def test_a_wrong_command_line_ends_with_64_and_helps(arguments: tuple[str, ...], studio: Configured) -> None:
    told = typed(*arguments)
    assert told.code == 64
    assert told.err.startswith(("Usage: bshm-watchd", "Error: "))


@pytest.mark.parametrize(
    "verb", ["init", "check", "run", "once", "status", "matte", "jobs", "folder", "model", "bench", "doctor"]
)
def test_every_verb_explains_itself(verb: str) -> None:
    told = typed(verb, "--help")
    assert told.code == 0
    assert told.out.startswith(f"Usage: bshm-watchd {verb}")


@pytest.mark.parametrize(
    "arguments",
    [(verb, "--help") for verb in ("init", "check", "run", "once", "status", "matte", "doctor")]
    + [("jobs", verb, "--help") for verb in ("list", "show", "requeue")]
    + [("folder", verb, "--help") for verb in ("take", "adopt")]
    + [("bench", verb, "--help") for verb in ("quality", "library", "all")],
    ids=" ".join,
)
def test_every_command_has_an_example(arguments: tuple[str, ...]) -> None:
    assert f"    bshm-watchd {' '.join(arguments[:-1])}" in typed(*arguments).out


def test_the_list_of_verbs_fits_into_80_columns_whole() -> None:
    told = typed("--help")
    assert max(map(len, told.out.splitlines())) <= 80
    assert "..." not in told.out.partition("Commands:")[2]


def test_version_is_one_line() -> None:
    assert typed("--version").out == f"bshm-watchd {__version__}\n"


def test_config_may_stand_before_the_verb_and_after_it(studio: Configured, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(studio.config.read_text().replace(str(studio.state_dir), str(tmp_path / "elsewhere")))
    for arguments in (
        ("--config", str(other), "status"),
        ("status", "--config", str(other)),
        ("jobs", "show", "01J9ZQ4T2V8W3X5Y6Z7A8B9C0D", f"--config={other}"),
        ("jobs", f"--config={other}", "show", "01J9ZQ4T2V8W3X5Y6Z7A8B9C0D"),
    ):
        assert str(tmp_path / "elsewhere") in typed(*arguments).err, arguments


def test_all_problems_of_a_configuration_are_said_plainly(studio: Configured) -> None:
    studio.add("limits_: {}\nbatch: {max_size: 0}\n")
    for verb in ("run", "once", "status"):
        told = typed(verb)
        assert told.code == 78
        assert "limits_" in told.err
        assert "batch.max_size" in told.err
        assert all(line.startswith("bshm-watchd: ") for line in told.err.splitlines())


def test_a_missing_configuration_says_how_to_make_one(tmp_path: Path) -> None:
    told = typed("run", "--config", str(tmp_path / "none.yaml"))
    assert told.code == 78
    assert "bshm-watchd init DIR" in told.err


def test_a_missing_model_says_how_to_fetch_it(studio: Configured) -> None:
    told = typed("once")
    assert told.code == 78
    assert "bshm-watchd model fetch arithmetic" in told.err


def test_an_unknown_folder_gets_a_close_name_suggested(studio: Configured) -> None:
    for arguments in (("folder", "take", "portrait"), ("jobs", "list", "--folder", "portrait")):
        told = typed(*arguments)
        assert told.code == 64
        assert "did you mean portraits?" in told.err


def test_a_folder_is_taken_by_the_running_daemon(studio: Configured) -> None:
    asked = []
    with a_daemon(studio.state_dir, lambda one: asked.append((one.verb, one.arguments)) or {}):
        assert typed("folder", "take", "portraits").code == 0
        assert typed("folder", "adopt", "portraits").code == 0
    assert asked == [("folder_take", {"name": "portraits"}), ("folder_adopt", {"name": "portraits"})]


def test_a_restored_folder_is_adopted_without_a_daemon(studio: Configured) -> None:
    assert typed("check").code == 78  # no model; but the folder is known now
    (studio.folder / ".bshm" / "folder.json").unlink()
    assert "folder adopt portraits" in typed("check").out
    assert typed("folder", "adopt", "portraits").code == 0
    assert "folder adopt" not in typed("check").out


# -- the process -------------------------------------------------------------------------------------------


def test_help_is_quick_to_import() -> None:
    code = (
        "import sys; import bshm_watchd.cli.main; print({'numpy', 'cv2', 'openvino', 'rich', 'PIL'} & {*sys.modules})"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


@pytest.mark.parametrize("arguments", ["--help", "--version"])
def test_a_reader_that_has_seen_enough_causes_no_traceback(arguments: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    buffered = os.environ | {"PYTHONUNBUFFERED": ""}
    command = [*_MAIN, arguments]
    result = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, env=buffered, check=False)
    os.close(writing)
    assert result.stderr == ""


def test_names_are_utf8_in_any_locale(tmp_path: Path) -> None:
    told = typed_in_shell(
        "init", str(tmp_path / "Porträts"), "--config-out", str(tmp_path / "c.yaml"),
        LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0", STATE_DIRECTORY=str(tmp_path / "state"),
    )  # fmt: skip
    assert told.code == 0, told.err
    assert "Porträts" in told.out
    assert (tmp_path / "Porträts" / "drop").is_dir()


def test_an_answer_with_a_hostile_name_does_not_touch_the_terminal(studio: Configured) -> None:
    def refuse(asked: object) -> None:
        raise ControlError("\x1b]0;gotcha\x07" + os.fsdecode(b"\xff") + ".jpg", 75)

    with a_daemon(studio.state_dir, refuse):
        told = typed("status")
    assert told.code == 75
    assert told.err == "bshm-watchd: \\x1b]0;gotcha\\x07\\xff.jpg\n"


# -- whole runs --------------------------------------------------------------------------------------------


@pytest.fixture
def ready(studio: Configured) -> Configured:
    """With a model, and a drop that takes photos."""
    assert typed("model", "fetch", "arithmetic").code == 0
    assert typed("check").code == 0
    return studio


def drop(studio: Configured, *names: str) -> None:
    for name in names:
        (studio.folder / "drop" / name).write_bytes(png(1))


@pytest.mark.e2e
def test_once_works_off_what_is_there_and_tells_it_in_json(ready: Configured) -> None:
    drop(ready, "anna.png", "bert.png")
    told = typed_in_shell("once", "--json")
    assert told.code == 0, told.err
    answer = json.loads(told.out)
    assert answer["exit"] == 0
    assert [(one["folder"], one["done"], one["left"]) for one in answer["folders"]] == [("portraits", 2, 0)]
    assert sorted(path.name for path in (ready.folder / "results").iterdir()) == ["anna.png", "bert.png"]


@pytest.mark.e2e
def test_once_ends_with_1_when_a_photo_was_rejected(ready: Configured) -> None:
    drop(ready, "anna.png")
    (ready.folder / "drop" / "no.jpg").write_bytes(b"no photo at all")
    told = typed_in_shell("once")
    assert told.code == 1
    assert told.out.splitlines()[1].split()[:5] == ["portraits", "1", "0", "1", "0"]
    assert "jobs list" in told.err
    assert "rejected: not_a_photo" in typed("jobs", "list").out


@pytest.mark.e2e
def test_once_ends_with_75_when_a_folder_is_away(ready: Configured) -> None:
    ready.folder.rename(ready.folder.with_name("unmounted"))
    told = typed_in_shell("once", "--wait", "0")
    assert told.code == 75
    assert "portraits is unreachable" in told.err


@pytest.fixture
def daemon(ready: Configured) -> Iterator[subprocess.Popen[str]]:
    """`bshm-watchd run`, ready."""
    process = subprocess.Popen([*_MAIN, "run"], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        assert any(line.endswith(" info ready\n") for line in process.stderr)
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.e2e
def test_run_answers_while_it_runs_and_ends_cleanly_when_told_to(
    ready: Configured, daemon: subprocess.Popen[str]
) -> None:
    status = ask(ready.state_dir / SOCKET_NAME, "status", {})
    assert status["pid"] == daemon.pid
    assert "watched by the running daemon" in typed("check").out
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(30) == 0
    with pytest.raises(NotRunning):
        ask(ready.state_dir / SOCKET_NAME, "status", {})


@pytest.mark.e2e
def test_a_second_daemon_ends_with_2_and_names_the_first(ready: Configured, daemon: subprocess.Popen[str]) -> None:
    for verb in ("run", "once"):
        told = typed_in_shell(verb)
        assert told.code == 2
        assert str(daemon.pid) in told.err
