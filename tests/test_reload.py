"""Reloading the configuration: all of it or nothing, and no photo notices."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bshm_watchd.daemon import EXIT_FINE
from bshm_watchd.disk.ops import Disk
from bshm_watchd.errors import ConfigError, ProgramEnding
from bshm_watchd.events import Asked, ReloadAsked, Reloaded, StopAsked
from bshm_watchd.folder_calls import Attached, FolderCalls
from bshm_watchd.folder_state import FolderState
from bshm_watchd.folders import Folders
from bshm_watchd.reloads import Reloading, Reloads
from bshm_watchd.status import FolderMode
from bshm_watchd.tally import Tally
from tests.support import invariants
from tests.support.clock import FakeClock
from tests.support.contracts import Evidence
from tests.support.crashes import TWO_OUTPUTS
from tests.support.disks import Died, DyingDisk
from tests.support.studio import HotTree, Running, Studio
from tests.support.workers import HeldHand, HeldWorkers

pytestmark = pytest.mark.contract("O4")


class CountingCalls(FolderCalls):
    """So that a test sees who was disturbed."""

    attachments: ClassVar[list[str]] = []

    def attach(self, *, adopt: bool = False, take: bool = False) -> Attached:
        self.attachments.append(self.settings.name)
        return super().attach(adopt=adopt, take=take)


def _watching(running: Running, *names: str) -> Callable[[], bool]:
    return lambda: all(running.states[name].mode is FolderMode.WATCHING for name in names)


def _status(running: Running) -> dict[str, Any]:
    asked = Asked("status", {}, Future())
    running.inbox.put(asked)
    running.step()
    return asked.answer.result(timeout=0)


def _stopped(running: Running) -> int:
    running.inbox.put(StopAsked(signal.SIGTERM))
    return running.run()


@pytest.mark.contract("I8")
def test_a_photo_in_work_keeps_the_plan_it_was_claimed_with_and_the_next_has_the_new_one(
    tmp_path: Path, evidence: Evidence
) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")
    with studio.start(once=None, workers=HeldWorkers) as running:
        running.run(until=lambda: bool(running.workers.started))
        studio.portraits.extra = TWO_OUTPUTS
        assert running.reload()["changes"] == "portraits: outputs changed; nothing else"
        studio.drop("b.png")
        running.run(until=lambda: studio.clock.monotonic() > 1100)
        assert [job.name for job in running.workers.started] == ["a.png"], "nothing is claimed beside the old plan"
        running.workers.finish(running.workers.started[0])
        running.run(until=lambda: bool(running.workers.started))
        running.workers.finish(running.workers.started[0])
        running.step()
        assert _status(running)["folders"][0]["done"] == 2
        assert _stopped(running) == EXIT_FINE
    assert (studio.tree("results"), studio.tree("mattes")) == (["a.png", "b.png"], ["b.png"])
    assert not (studio.hot / ".bshm" / "owner").exists()
    evidence(reloads=1, files_checked=3)


def test_a_folder_that_did_not_change_is_not_disturbed(tmp_path: Path) -> None:
    studio = Studio(tmp_path, others={"weddings": ""})
    CountingCalls.attachments = []
    with studio.start(once=None, calls=CountingCalls) as running:
        running.run(until=_watching(running, "portraits", "weddings"))
        weddings = running.states["weddings"]
        studio.trees["weddings"].drop("a.png")
        running.run(until=lambda: weddings.waiting == 1)
        first_seen = weddings.seen.looked.oldest_first_seen
        studio.portraits.extra = "    weight: 3\n"
        assert running.reload()["changes"] == "portraits: weight changed; nothing else"
        running.run(until=_watching(running, "portraits"))
        assert running.states["weddings"] is weddings
        assert weddings.seen.looked.oldest_first_seen == first_seen
        assert CountingCalls.attachments == ["portraits", "weddings", "portraits"]
        assert running.states["portraits"].settings.weight == 3
        running.run(until=lambda: weddings.waiting == 0 and not weddings.in_flight)
    invariants.check(studio)


def test_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    CountingCalls.attachments = []
    with studio.start(once=None, calls=CountingCalls) as running:
        running.run(until=_watching(running, "portraits"))
        assert running.reload() == {"changes": "nothing changed", "changed": False, "warnings": []}
        running.run(until=lambda: studio.clock.monotonic() > 1100)
        assert CountingCalls.attachments == ["portraits"]


def test_folders_come_and_go(tmp_path: Path, evidence: Evidence) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")
    with studio.start(once=None, workers=HeldWorkers) as running:
        running.run(until=lambda: bool(running.workers.started))
        studio.trees["weddings"] = HotTree(tmp_path / "weddings")
        portraits = studio.trees.pop("portraits")
        assert running.reload()["changes"] == "weddings: added; portraits: removed; nothing else"
        assert [(f["name"], f["state"], f["in_flight"]) for f in _status(running)["folders"]] == [
            ("weddings", "watching", 0),
            ("portraits", "leaving", 1),
        ]
        portraits.drop("late.png")
        studio.trees["weddings"].drop("b.png")
        running.workers.finish(running.workers.started[0])
        running.run(until=lambda: bool(running.workers.started))
        running.workers.finish(running.workers.started[0])
        running.step()
        assert [folder["name"] for folder in _status(running)["folders"]] == ["weddings"]
        assert not (portraits.path / ".bshm" / "owner").exists(), "somebody else may have it now"
        assert portraits.tree("results") == ["a.png"], "what was in work was finished"
        assert portraits.tree("drop") == ["late.png"]
        studio.trees = {"portraits": portraits, **studio.trees}
        assert running.reload()["changes"] == "portraits: added; nothing else"
        running.run(until=lambda: bool(running.workers.started))
        running.workers.finish(running.workers.started[0])
        running.step()
        assert [(f["name"], f["done"]) for f in _status(running)["folders"]] == [("portraits", 2), ("weddings", 1)]
        assert _stopped(running) == EXIT_FINE
    invariants.check(studio)
    evidence(reloads=2)


def test_a_folder_may_be_renamed_or_moved_while_photos_wait_for_another_attempt(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")
    failing = [True]

    def spoil(_: object) -> None:
        if failing[0]:
            raise ValueError("not now")

    with studio.start(once=None, spoil=spoil) as running:
        running.run(until=lambda: bool(running.state.backlog))
        failing[0] = False
        studio.trees = {"people": studio.portraits}
        assert running.reload()["changes"] == "people: added; portraits: removed; nothing else"
        running.run(until=lambda: studio.trees["people"].tree("results") == ["a.png"])
        running.step()
        moved = tmp_path / "moved"
        studio.trees["people"].path.rename(moved)
        studio.trees["people"].path = moved
        assert running.reload()["changes"] == "people: path changed; nothing else"
        studio.trees["people"].drop("b.png")
        running.run(until=lambda: studio.trees["people"].tree("results") == ["a.png", "b.png"])
        assert _stopped(running) == EXIT_FINE
    invariants.check(studio)


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
        running.run(until=_watching(running, "portraits"))
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
        configuration = _status(running)["configuration"]
        assert list(configuration["problems"]) == refused.value.problems
        assert configuration["refused"]
        del studio.trees["weddings"]
        studio.drop("a.png")
        running.run(until=lambda: studio.tree("results") == ["a.png"])
        assert running.reload()["changes"] == "portraits: weight changed; nothing else"
        assert _status(running)["configuration"]["refused"] is None
    evidence(reloads=2, refused=1)


def test_a_missing_file_is_refused_and_a_signal_alone_is_answered_in_the_status(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    with studio.start(once=None) as running:
        running.run(until=_watching(running, "portraits"))
        running.inbox.put(ReloadAsked())
        running.step()
        assert "No such file" in _status(running)["configuration"]["problems"][0]
        studio.config.write_text(studio.text())
        running.inbox.put(ReloadAsked())
        running.step()
        assert _status(running)["configuration"]["refused"] is None


def test_when_one_folder_can_t_be_prepared_none_is_replaced(tmp_path: Path) -> None:
    class Unstartable(HeldHand):
        def __init__(self, folder: str, put: Any) -> None:
            if folder == "weddings":
                raise RuntimeError("can't start new thread")
            super().__init__(folder, put)

    studio = Studio(tmp_path)
    with studio.start(once=None, hand=Unstartable) as running:
        running.run(until=_watching(running, "portraits"))
        before = running.state
        studio.portraits.extra = "    weight: 3\n"
        studio.trees["weddings"] = HotTree(tmp_path / "weddings")
        with pytest.raises(ConfigError, match="can't start new thread; try again"):
            running.reload()
        assert list(running.states.values()) == [before]
        assert not before.leaving


def test_a_folder_whose_directory_is_missing_is_added_as_unreachable_and_used_once_it_is_there(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    with studio.start(once=None) as running:
        running.run(until=_watching(running, "portraits"))
        studio.trees["weddings"] = HotTree(tmp_path / "weddings")
        (tmp_path / "weddings").rename(tmp_path / "away")
        assert running.reload()["changes"] == "weddings: added; nothing else"
        running.step()
        assert running.states["weddings"].mode is FolderMode.UNREACHABLE
        assert not (tmp_path / "weddings").exists()
        (tmp_path / "away").rename(tmp_path / "weddings")
        running.run(until=_watching(running, "weddings"))


def test_a_folder_that_can_t_work_as_configured_is_held_and_ends_nobody(tmp_path: Path) -> None:
    class Elsewhere(FolderCalls):
        def attach(self, *, adopt: bool = False, take: bool = False) -> Attached:
            if self.settings.originals.done == "elsewhere":
                raise ConfigError(["elsewhere lies on another file system"])
            return super().attach(adopt=adopt, take=take)

    studio = Studio(tmp_path)
    with studio.start(once=None, calls=Elsewhere) as running:
        running.run(until=_watching(running, "portraits"))
        studio.portraits.extra = "    originals: {done: elsewhere}\n"
        running.reload()
        assert running.daemon.exit_code is None
        assert (running.state.mode, running.state.reason) == (FolderMode.HELD, "elsewhere lies on another file system")
        studio.portraits.extra = ""
        running.reload()
        running.run(until=_watching(running, "portraits"))


def test_a_hung_folder_is_taken_out_without_waiting_for_it_and_comes_back_only_after_it(tmp_path: Path) -> None:
    studio = Studio(tmp_path, others={"weddings": ""})
    with studio.start(once=None, hand=HeldHand) as running:
        running.run(until=_watching(running, "portraits", "weddings"))
        hung = running.state
        hung.hand.held = True  # type: ignore[attr-defined]
        running.run(until=lambda: hung.call is not None)
        since = studio.clock.monotonic()
        hung.oldest_call = lambda: since
        portraits = studio.trees.pop("portraits")
        assert running.reload()["changes"] == "portraits: removed; nothing else"
        studio.trees["weddings"].drop("a.png")
        running.run(until=lambda: studio.trees["weddings"].tree("results") == ["a.png"])
        running.run(until=lambda: hung.mode is FolderMode.UNREACHABLE)
        studio.trees["portraits"] = portraits
        assert running.reload()["changes"] == "portraits: added; nothing else"
        running.run(until=lambda: running.state.mode is FolderMode.UNREACHABLE)
        assert "before the reload" in running.state.reason
        assert running.state.call is None, "nothing is asked while the old call may still do something"
        hung.oldest_call = lambda: None
        hung.hand.go_on()  # type: ignore[attr-defined]
        running.run(until=_watching(running, "portraits"))
        assert hung.gone
        assert hung.hand.ended  # type: ignore[attr-defined]
        assert _stopped(running) == EXIT_FINE
    invariants.check(studio)


def test_a_run_with_a_folder_that_left_and_hangs_still_ends(tmp_path: Path) -> None:
    studio = Studio(tmp_path, others={"weddings": ""})
    with studio.start(once=None, hand=HeldHand) as running:
        running.run(until=_watching(running, "portraits", "weddings"))
        hung = running.state
        hung.hand.held = True  # type: ignore[attr-defined]
        running.run(until=lambda: hung.call is not None)
        hung.oldest_call = lambda: 1000.0
        studio.trees.pop("portraits")
        running.reload()
        running.run(until=lambda: hung.mode is FolderMode.UNREACHABLE)
        begun = studio.clock.monotonic()
        assert _stopped(running) == EXIT_FINE
        assert studio.clock.monotonic() - begun < 1


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


def test_whoever_waits_for_a_reload_hears_of_the_end(tmp_path: Path) -> None:
    reading = _Reading(tmp_path)
    answers = [reading.ask(), reading.ask()]
    reading.reloads.close()
    assert [type(answer.exception(timeout=0)) for answer in answers] == [ProgramEnding] * 2
    reading.read()
    assert reading.begun == 1


@pytest.mark.contract("I8", "D4")
def test_dying_at_any_change_around_a_reload_converges(fast_path: Path, evidence: Evidence) -> None:
    """A photo in work, one that waits, a folder changed and another added, in one reload.

    At every eleventh change; BSHM_WATCHD_POINTS_APART=1 dies at each.
    """
    apart = int(os.environ.get("BSHM_WATCHD_POINTS_APART", "11"))
    killed = 0
    for at in itertools.count(0, apart):
        studio = Studio(fast_path / str(at), others={"weddings": ""})
        disk = DyingDisk(at)
        with contextlib.suppress(Died):
            _reload_under_load(studio, disk)
        for tree in studio.trees.values():
            invariants.each_original_is_in_one_place(tree)
        assert studio.run() == EXIT_FINE
        invariants.check(studio)
        shutil.rmtree(studio.base)
        if not disk.dead:
            break
        killed += 1
    assert killed > 150 // apart
    evidence(points_killed=killed, reloads=killed)


def _reload_under_load(studio: Studio, disk: Disk) -> None:
    weddings = studio.trees.pop("weddings")
    studio.drop("a.png")
    with studio.start(disk, once=None, workers=HeldWorkers) as running:
        running.run(until=lambda: bool(running.workers.started))
        studio.trees["weddings"] = weddings
        studio.portraits.extra = "    weight: 3\n    permissions: {strict: true}\n"
        weddings.drop("c.png")
        studio.drop("b.png")
        running.reload()
        for count in (1, 2, 3):
            running.run(until=lambda: bool(running.workers.started))
            running.workers.finish(running.workers.started[0])
            running.step()
            assert running.daemon.tally.count("done") == count  # type: ignore[arg-type]
        assert _stopped(running) == EXIT_FINE
