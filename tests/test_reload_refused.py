"""Reloads that are refused change nothing; several come one after the other."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.delivery.background import BackgroundFiles
from bshm_watchd.ending import EXIT_FINE
from bshm_watchd.errors import ConfigError, ProgramEnding
from bshm_watchd.events import Asked, Inbox, ReloadAsked, Reloaded, StopAsked
from bshm_watchd.folder_state import FolderState
from bshm_watchd.folders import Folders
from bshm_watchd.reloads import Reloading, Reloads
from bshm_watchd.tally import Tally
from bshm_watchd.wiring import _reader
from tests.support.clock import FakeClock
from tests.support.contracts import Evidence
from tests.support.decoders import InProcessDecoder
from tests.support.reloading import status, watching
from tests.support.studio import HotTree, Studio
from tests.support.threads import no_new_threads
from tests.support.workers import HeldHand, HeldWorkers

pytestmark = pytest.mark.contract("O4")


_WRONG: dict[str, tuple[Callable[[str], str], list[str]]] = {
    "no YAML": (lambda text: text + "hot_folders: [", ["not valid YAML"]),
    "unknown keys, two of them": (
        lambda text: text.replace("watch: poll", "wacht: poll", 1) + "limit: {}\n",
        ["hot_folders[0].wacht: unknown key; did you mean watch?", "limit: unknown key; did you mean limits?"],
    ),
    "overlapping trees": (
        lambda text: text + text[text.index("  - name") :].replace("portraits", "twin"),
        ["hot folders must be apart"],
    ),
    "another model, and limits that don't fit": (
        lambda text: (
            text.replace("min_free_mib: 0", "in_flight_mib: 64") + "model: {precision: bf16, bundle: u2netp}\n"
        ),
        [
            "raise in_flight_mib to",
            "model.bundle: is portrait since the start and u2netp in the file; restart",
            "model.precision: is auto since the start and bf16 in the file; restart",
            "limits.in_flight_mib: is 3072 since the start and 64 in the file; restart",
            "limits.min_free_mib: is 0 since the start and 512 in the file; restart",
        ],
    ),
    "another state directory": (lambda text: text.replace("/state\n", "/other\n"), ["state_dir: is /"]),
    "other batches": (lambda text: text + "batch: {max_size: 2}\n", ["batch.max_size: is 4 since the start and 2"]),
}


@pytest.mark.contract("I8")
@pytest.mark.parametrize("wrong", _WRONG)
def test_a_wrong_file_changes_nothing_and_all_that_is_wrong_is_told(
    tmp_path: Path, wrong: str, evidence: Evidence
) -> None:
    """Although the same file also adds a folder, and changes another in a way that would be right."""
    change, problems = _WRONG[wrong]
    studio = Studio(tmp_path)
    with studio.start(once=None) as running:
        running.run(until=watching(running, "portraits"))
        before, running_settings = running.state, running.daemon.reloads.settings
        studio.portraits.extra = "    weight: 3\n"
        studio.trees["weddings"] = HotTree(tmp_path / "weddings")
        with pytest.raises(ConfigError) as refused:
            running.reload(change(studio.text()))
        assert len(refused.value.problems) == len(problems)
        for problem in problems:
            assert problem in str(refused.value)
        assert list(running.states.values()) == [before]
        assert running.daemon.reloads.settings is running_settings
        configuration = status(running)["configuration"]
        assert list(configuration["problems"]) == refused.value.problems
        assert configuration["refused"]
        del studio.trees["weddings"]
        studio.drop("a.png")
        running.run(until=lambda: studio.tree("results") == ["a.png"])
        assert running.reload()["changes"] == "portraits: weight changed; nothing else"
        assert status(running)["configuration"]["refused"] is None
    evidence(reloads=2, refused=1)


def test_a_missing_file_is_refused_and_a_signal_alone_is_answered_in_the_status(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    with studio.start(once=None) as running:
        running.run(until=watching(running, "portraits"))
        running.inbox.put(ReloadAsked())
        running.step()
        assert "No such file" in status(running)["configuration"]["problems"][0]
        studio.config.write_text(studio.text())
        running.inbox.put(ReloadAsked())
        running.step()
        assert status(running)["configuration"]["refused"] is None


def test_when_one_folder_can_t_be_prepared_none_is_replaced(tmp_path: Path) -> None:
    class Unstartable(HeldHand):
        def __init__(self, folder: str, put: Any) -> None:
            if folder == "weddings":
                raise RuntimeError("can't start new thread")
            super().__init__(folder, put)

    studio = Studio(tmp_path)
    with studio.start(once=None, hand=Unstartable) as running:
        running.run(until=watching(running, "portraits"))
        before = running.state
        studio.portraits.extra = "    weight: 3\n"
        studio.trees["weddings"] = HotTree(tmp_path / "weddings")
        with pytest.raises(ConfigError, match="can't start new thread; try again"):
            running.reload()
        assert list(running.states.values()) == [before]
        assert not before.leaving


def test_a_reload_that_comes_before_the_last_end_was_judged_waits_for_that(tmp_path: Path) -> None:
    class Slow(HeldHand):
        def __init__(self, folder: str, put: Any) -> None:
            super().__init__(folder, put)
            self.held = True

    studio = Studio(tmp_path)
    with studio.start(once=None, hand=Slow) as running:
        studio.config.write_text(studio.text().replace("poll", "auto"))
        asked = Asked("reload", {}, Future())
        running.inbox.put(asked)
        running.step()
        running.step()
        assert not asked.answer.done()
        running.state.hand.go_on()  # type: ignore[attr-defined]
        running.step()
        assert asked.answer.result(timeout=0)["changes"] == "portraits: watch changed; nothing else"


def test_while_it_drains_a_reload_is_refused(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")
    with studio.start(once=None, workers=HeldWorkers) as running:
        running.run(until=lambda: bool(running.workers.started))
        running.inbox.put(StopAsked(signal.SIGTERM))
        running.step()
        with pytest.raises(Exception, match="is stopping") as refused:
            running.reload()
        assert getattr(refused.value, "exit_code", None) == 75
        running.inbox.put(Reloaded(None, ("too late",)))
        running.workers.finish(running.workers.started[0])
        running.step()
        assert running.daemon.exit_code == EXIT_FINE


class _Reading:
    """Reads when a test says so."""

    def __init__(self, base: Path) -> None:
        self.settings = Studio(base).settings()
        self.begun = 0
        self.reloads = Reloads(
            self.settings, Reloading(self._begin, self._make), Folders([]), Tally(), FakeClock()
        )  # fmt: skip

    def _begin(self, running: object) -> None:
        self.begun += 1

    def _make(self, folder: object) -> FolderState:
        raise AssertionError("nothing changes here")

    def ask(self) -> Future[dict[str, Any]]:
        answer: Future[dict[str, Any]] = Future()
        self.reloads.ask(answer)
        self.reloads.begin()
        return answer

    def read(self) -> None:
        self.reloads.read(Reloaded(None, ("it is wrong",)))
        self.reloads.begin()


def test_reloads_come_one_after_the_other_and_none_is_answered_by_a_file_read_before_it_was_asked(
    tmp_path: Path,
) -> None:
    reading = _Reading(tmp_path)
    first, second, third = reading.ask(), reading.ask(), reading.ask()
    assert reading.begun == 1
    reading.read()
    assert (first.done(), second.done(), third.done(), reading.begun) == (True, False, False, 2)
    reading.read()
    assert (second.done(), third.done(), reading.begun) == (True, True, 2)


def test_a_reload_that_no_thread_can_be_had_for_is_refused(tmp_path: Path) -> None:
    inbox = Inbox()
    read = _reader(tmp_path / "config.yaml", BackgroundFiles(InProcessDecoder().decode), inbox)
    with no_new_threads():
        read(Studio(tmp_path).settings())
    (event,) = inbox.take(0)
    assert isinstance(event, Reloaded)
    assert event.settings is None
    assert "can't be read: RuntimeError: can't start new thread" in event.problems[0]


def test_whoever_waits_for_a_reload_hears_of_the_end(tmp_path: Path) -> None:
    reading = _Reading(tmp_path)
    answers = [reading.ask(), reading.ask()]
    reading.reloads.close()
    assert [type(answer.exception(timeout=0)) for answer in answers] == [ProgramEnding] * 2
    reading.read()
    assert reading.begun == 1
