"""`bshm-watchd matte`: through pipes, without a configuration or a model, and where a daemon runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.cli.matte_ways import Means, open_way
from bshm_watchd.config import BatchSettings, Limits, ModelSettings
from bshm_watchd.events import Asked
from bshm_watchd.ops.asking import SOCKET_NAME, Busy, ControlError
from bshm_watchd.ops.control import ControlLimits
from bshm_watchd.output_settings import output_of
from tests.support.asked import Configured, configured, typed
from tests.support.matte import matted, names, photo
from tests.support.photos import a_maker, granting, green_of, opened, pixels_of, serving
from tests.support.studio import cutout_of, png
from tests.support.terminal import on_a_terminal


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configured:
    studio = configured(tmp_path, monkeypatch)
    assert typed("model", "fetch", "arithmetic").code == 0
    monkeypatch.chdir(tmp_path)
    return studio


# -- standard input and output -----------------------------------------------------------------------------


def piped(content: bytes, *words: str) -> tuple[int, bytes, str]:
    command = [sys.executable, "-m", "bshm_watchd.cli.main", "matte", *words]
    result = subprocess.run(command, input=content, capture_output=True, timeout=120, check=False)
    return result.returncode, result.stdout, result.stderr.decode()


def test_a_photo_may_come_through_a_pipe_and_leave_by_one(studio: Configured) -> None:
    content = png(1, 30, 40)
    code, out, err = piped(content, "-")
    assert (code, err) == (0, "")
    assert (pixels_of(out) == cutout_of(content)).all()


def test_a_named_photo_may_leave_by_a_pipe(studio: Configured) -> None:
    source = photo("anna.png")
    code, out, _ = piped(b"", "anna.png", "-o", "-", "--kind", "matte")
    assert code == 0
    assert (pixels_of(out) == green_of(source.read_bytes())).all()


def test_a_piped_photo_among_others_is_named_after_its_pipe(studio: Configured) -> None:
    photo("anna.png")
    assert piped(png(2, 30, 40), "anna.png", "-", "-o", "cut/")[0] == 0
    assert names("cut") == ["anna.png", "stdin.png"]


def test_a_photo_at_fault_leaves_standard_output_empty(studio: Configured) -> None:
    code, out, err = piped(b"no photo", "-")
    assert (code, out) == (1, b"")
    assert err.startswith("bshm-watchd: standard input: ")


def test_a_pipe_that_nobody_reads_any_more_is_told_as_such(studio: Configured) -> None:
    photo("anna.png")
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "bshm_watchd.cli.main", "matte", "anna.png", "-o", "-"]
    result = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=120, check=False)
    os.close(writing)
    assert result.returncode == 1
    assert b"the program that was to read it has ended" in result.stderr


def test_more_than_is_allowed_is_not_read_from_a_pipe(studio: Configured) -> None:
    studio.config.write_text(studio.config.read_text().replace("min_free_mib: 0", "min_free_mib: 0, max_file_mib: 1"))
    code, _, err = piped(png(1, 30, 40).ljust(5 << 20, b"\0"), "-")
    assert (code, "1 MiB allowed" in err) == (1, True)


# -- without what it needs -----------------------------------------------------------------------------------


def test_without_a_configuration_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in (("XDG_CONFIG_HOME", "no"), ("STATE_DIRECTORY", str(tmp_path / "state"))):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("BSHM_WATCHD_CONFIG", raising=False)
    photo("anna.png")
    told = typed("matte", "anna.png", "-o", "cut.png")
    assert told.code == 78
    assert "bshm-watchd model fetch portrait" in told.err
    assert names(".") == ["anna.png"]


def test_a_missing_model_says_how_to_fetch_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    photo("anna.png")
    told = typed("matte", "anna.png", "-o", "cut/")
    assert (told.code, "bshm-watchd model fetch arithmetic" in told.err) == (78, True)
    assert not Path("cut").exists()


# -- a daemon ----------------------------------------------------------------------------------------------


def test_a_daemon_that_runs_is_asked(studio: Configured) -> None:
    source = photo("anna.png")
    with serving(studio.state_dir / SOCKET_NAME, a_maker()):
        (one,) = matted("anna.png", "-o", "cut.png")["photos"]
        (here,) = matted("anna.png", "-o", "here.png", "--local")["photos"]
    assert (one["through"], here["through"]) == ("daemon", "process")
    assert (pixels_of(Path("cut.png").read_bytes()) == cutout_of(source.read_bytes())).all()
    assert {key: one[key] for key in ("width", "coverage", "doubt")} == {
        key: here[key] for key in ("width", "coverage", "doubt")
    }


def test_a_daemon_that_is_not_ready_is_waited_for_by_trying_again(studio: Configured) -> None:
    photo("anna.png")
    photo("bert.png")
    refused: list[Asked] = []

    def ready_in_a_while(asked: Asked) -> dict[str, Any]:
        if asked.verb == "photo_begins" and len(refused) < 4:
            refused.append(asked)
            raise Busy("the daemon is not ready yet; try again in a moment")
        return granting(asked)

    with serving(studio.state_dir / SOCKET_NAME, a_maker(), ready_in_a_while):
        told = typed("matte", "anna.png", "bert.png", "-o", "cut/")
    assert (told.code, told.err, len(refused)) == (0, "", 4)
    assert names("cut") == ["anna.png", "bert.png"]


def test_a_daemon_that_stops_ends_the_command(studio: Configured) -> None:
    photo("anna.png")
    photo("bert.png")

    def stopping(asked: Asked) -> dict[str, Any]:
        if asked.verb == "photo_begins":
            raise ControlError("the daemon is stopping; try again", 75)
        return granting(asked)

    with serving(studio.state_dir / SOCKET_NAME, a_maker(), stopping):
        told = typed("matte", "anna.png", "bert.png", "-o", "cut/")
    assert told.code == 75
    assert told.err == "bshm-watchd: the daemon is stopping; try again\n"
    assert "0 of 2 results made" in told.out
    assert names("cut") == []


@pytest.mark.parametrize("limits", [ControlLimits(photos=1), ControlLimits(connections=2)])
def test_a_daemon_with_too_many_clients_gets_to_all_photos(studio: Configured, limits: ControlLimits) -> None:
    for number in range(8):
        photo(f"shoot/{number}.png", number)
    with serving(studio.state_dir / SOCKET_NAME, a_maker(), limits=limits):
        told = typed("matte", "shoot", "-o", "cut/")
    assert (told.code, told.err) == (0, "")
    assert len(names("cut")) == 8


def test_it_waits_longer_each_time_that_a_daemon_is_too_busy(studio: Configured) -> None:
    waited: list[float] = []

    def busy(asked: Asked) -> dict[str, Any]:
        if asked.verb == "photo_begins" and len(waited) < 7:
            raise Busy("too many")
        return granting(asked)

    output = output_of("cutout", "png", colour=None, on_picture=False, quality=None, strip_gps=False)
    with (
        serving(studio.state_dir / SOCKET_NAME, a_maker(), busy),
        open_way(Means(studio.state_dir, ModelSettings(), BatchSettings(), Limits()), local=False, pause=waited.append)
        as way,
        opened(photo("anna.png")) as fd,
    ):  # fmt: skip
        assert way.make(output, fd, None).facts["width"] == 40
    assert waited == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]


# -- interrupts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_library_that_makes_an_error_of_an_interrupt_does_not_hide_it(
    studio: Configured, monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    @contextlib.contextmanager
    def interrupted(*_: Any) -> Iterator[Any]:
        try:
            os.kill(os.getpid(), number)
        except BaseException as error:
            raise ImportError("initialization failed") from error
        yield

    monkeypatch.setattr("bshm_watchd.in_process.open_in_process", interrupted)
    photo("anna.png")
    told = typed("matte", "anna.png", "-o", "cut.png")
    assert (told.code, told.err) == (code, "bshm-watchd: interrupted: each result that is there is whole\n")


def test_a_result_that_is_interrupted_while_it_is_written_leaves_nothing(
    studio: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("bshm_watchd.disk.ops.Disk.fsync", end)
    photo("anna.png")
    assert typed("matte", "anna.png", "-o", "cut/").code == 143
    assert names("cut") == []


def test_a_daemon_that_does_not_answer_may_be_passed_by(studio: Configured) -> None:
    photo("anna.png")

    def fail(asked: Asked) -> dict[str, Any]:
        raise ControlError("the daemon is busy", 75)

    with serving(studio.state_dir / SOCKET_NAME, a_maker(), fail):
        told = typed("matte", "anna.png", "-o", "cut.png")
    assert (told.code, "or use --local" in told.err) == (75, True)


def test_asking_a_daemon_needs_no_codec_and_no_model() -> None:
    code = (
        "import sys; import bshm_watchd.cli.matte_crew; "
        "print({'numpy', 'cv2', 'openvino', 'rich', 'PIL'} & {*sys.modules})"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


def test_a_complaint_above_the_bar_is_not_folded() -> None:
    code = (
        "from bshm_watchd.cli.matte_crew import shown_course; from bshm_watchd.cli.console import complain\n"
        "with shown_course(5): complain('word ' * 30 + 'end')"
    )
    output = on_a_terminal("-c", code, stream="stderr", kind="xterm")
    assert "word " * 30 + "end" in output
