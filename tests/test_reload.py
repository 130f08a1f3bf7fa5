"""Reloading the configuration: folders come, go and change, and no photo notices."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bshm_watchd.ending import EXIT_FINE
from bshm_watchd.errors import ConfigError
from bshm_watchd.events import Asked
from bshm_watchd.folder_calls import Attached, FolderCalls
from bshm_watchd.folder_state import FolderState
from bshm_watchd.jobs import Job
from bshm_watchd.status import FolderMode
from tests.support import invariants
from tests.support.contracts import Evidence
from tests.support.crashes import TWO_OUTPUTS
from tests.support.reloading import status, stopped, watching
from tests.support.studio import HotTree, Running, Studio
from tests.support.workers import HeldHand, HeldWorkers

pytestmark = pytest.mark.contract("O4")


def _begin(running: Running) -> Job:
    """Until a job is in work."""
    running.run(until=lambda: bool(running.workers.started))
    return running.workers.started[0]


def _finish_next(running: Running) -> None:
    running.workers.finish(_begin(running))
    running.step()


def _hang(running: Running) -> FolderState:
    """The folder's next call does not come back."""
    hung = running.state
    hung.hand.held = True  # type: ignore[attr-defined]
    running.run(until=lambda: hung.call is not None)
    since = running.studio.clock.monotonic()
    hung.oldest_call = lambda: since
    return hung


def _come_back(hung: FolderState) -> None:
    hung.oldest_call = lambda: None
    hung.hand.go_on()  # type: ignore[attr-defined]


def _adopted(running: Running) -> str:
    asked = Asked("folder_adopt", {"name": "portraits"}, Future())
    running.inbox.put(asked)
    running.step()
    return str(asked.answer.exception(timeout=0))


def _folders(running: Running, *keys: str) -> list[tuple[Any, ...]]:
    return [tuple(folder[key] for key in keys) for folder in status(running)["folders"]]


def _is_owned(tree: HotTree) -> bool:
    return (tree.path / ".bshm" / "owner").exists()


class CountingCalls(FolderCalls):
    """So that a test sees who was disturbed."""

    attachments: ClassVar[list[str]] = []

    def attach(self, *, adopt: bool = False, take: bool = False) -> Attached:
        self.attachments.append(self.settings.name)
        return super().attach(adopt=adopt, take=take)


@pytest.mark.contract("I8")
def test_a_photo_in_work_keeps_the_plan_it_was_claimed_with_and_the_next_has_the_new_one(
    tmp_path: Path, evidence: Evidence
) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")
    with studio.start(once=None, workers=HeldWorkers) as running:
        _begin(running)
        studio.portraits.extra = TWO_OUTPUTS
        assert running.reload()["changes"] == "portraits: outputs changed; nothing else"
        studio.drop("b.png")
        running.run(until=lambda: studio.clock.monotonic() > 1100)
        assert [job.name for job in running.workers.started] == ["a.png"], "nothing is claimed beside the old plan"
        _finish_next(running)
        _finish_next(running)
        assert status(running)["folders"][0]["done"] == 2
        assert stopped(running) == EXIT_FINE
    assert (studio.tree("results"), studio.tree("mattes")) == (["a.png", "b.png"], ["b.png"])
    assert not _is_owned(studio.portraits)
    evidence(reloads=1, files_checked=3)


def test_a_folder_that_did_not_change_is_not_disturbed(tmp_path: Path) -> None:
    studio = Studio(tmp_path, others={"weddings": ""})
    CountingCalls.attachments = []
    with studio.start(once=None, calls=CountingCalls) as running:
        running.run(until=watching(running, "portraits", "weddings"))
        weddings = running.states["weddings"]
        studio.trees["weddings"].drop("a.png")
        running.run(until=lambda: weddings.waiting == 1)
        first_seen = weddings.seen.looked.oldest_first_seen
        studio.portraits.extra = "    weight: 3\n"
        assert running.reload()["changes"] == "portraits: weight changed; nothing else"
        running.run(until=watching(running, "portraits"))
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
        running.run(until=watching(running, "portraits"))
        assert running.reload() == {"changes": "nothing changed", "changed": False, "warnings": []}
        running.run(until=lambda: studio.clock.monotonic() > 1100)
        assert CountingCalls.attachments == ["portraits"]


def test_folders_come_and_go(tmp_path: Path, evidence: Evidence) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")
    with studio.start(once=None, workers=HeldWorkers) as running:
        _begin(running)
        studio.trees["weddings"] = HotTree(tmp_path / "weddings")
        portraits = studio.trees.pop("portraits")
        assert running.reload()["changes"] == "weddings: added; portraits: removed; nothing else"
        assert _folders(running, "name", "state", "in_flight") == [
            ("weddings", "watching", 0),
            ("portraits", "leaving", 1),
        ]
        portraits.drop("late.png")
        studio.trees["weddings"].drop("b.png")
        _finish_next(running)
        _finish_next(running)
        assert _folders(running, "name") == [("weddings",)]
        assert not _is_owned(portraits), "somebody else may have it now"
        assert portraits.tree("results") == ["a.png"], "what was in work was finished"
        assert portraits.tree("drop") == ["late.png"]
        studio.trees = {"portraits": portraits, **studio.trees}
        assert running.reload()["changes"] == "portraits: added; nothing else"
        _finish_next(running)
        assert _folders(running, "name", "done") == [("portraits", 2), ("weddings", 1)]
        assert stopped(running) == EXIT_FINE
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
        assert stopped(running) == EXIT_FINE
    invariants.check(studio)


def test_a_folder_whose_directory_is_missing_is_added_as_unreachable_and_used_once_it_is_there(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    with studio.start(once=None) as running:
        running.run(until=watching(running, "portraits"))
        studio.trees["weddings"] = HotTree(tmp_path / "weddings")
        (tmp_path / "weddings").rename(tmp_path / "away")
        assert running.reload()["changes"] == "weddings: added; nothing else"
        running.step()
        assert running.states["weddings"].mode is FolderMode.UNREACHABLE
        assert not (tmp_path / "weddings").exists()
        (tmp_path / "away").rename(tmp_path / "weddings")
        running.run(until=watching(running, "weddings"))


def test_a_folder_that_can_t_work_as_configured_is_held_and_ends_nobody(tmp_path: Path) -> None:
    class Elsewhere(FolderCalls):
        def attach(self, *, adopt: bool = False, take: bool = False) -> Attached:
            if self.settings.originals.done == "elsewhere":
                raise ConfigError(["elsewhere lies on another file system"])
            return super().attach(adopt=adopt, take=take)

    studio = Studio(tmp_path)
    with studio.start(once=None, calls=Elsewhere) as running:
        running.run(until=watching(running, "portraits"))
        studio.portraits.extra = "    originals: {done: elsewhere}\n"
        running.reload()
        assert running.daemon.exit_code is None
        assert (running.state.mode, running.state.reason) == (FolderMode.HELD, "elsewhere lies on another file system")
        studio.portraits.extra = ""
        running.reload()
        running.run(until=watching(running, "portraits"))


def test_a_hung_folder_is_taken_out_without_waiting_for_it_and_comes_back_only_after_it(tmp_path: Path) -> None:
    studio = Studio(tmp_path, others={"weddings": ""})
    with studio.start(once=None, hand=HeldHand) as running:
        running.run(until=watching(running, "portraits", "weddings"))
        hung = _hang(running)
        portraits = studio.trees.pop("portraits")
        assert running.reload()["changes"] == "portraits: removed; nothing else"
        studio.trees["weddings"].drop("a.png")
        running.run(until=lambda: studio.trees["weddings"].tree("results") == ["a.png"])
        running.run(until=lambda: hung.mode is FolderMode.UNREACHABLE)
        studio.trees["portraits"] = portraits
        assert running.reload()["changes"] == "portraits: added; nothing else"
        running.run(until=lambda: running.state.mode is FolderMode.UNREACHABLE)
        assert "before the reload" in running.state.reason
        assert "try again in a while" in _adopted(running)
        assert running.state.call is None, "nothing is asked while the old call may still do something"
        _come_back(hung)
        running.run(until=watching(running, "portraits"))
        assert hung.gone
        assert hung.hand.ended  # type: ignore[attr-defined]
        assert stopped(running) == EXIT_FINE
    invariants.check(studio)


def test_a_run_with_a_folder_that_left_and_hangs_still_ends(tmp_path: Path) -> None:
    studio = Studio(tmp_path, others={"weddings": ""})
    with studio.start(once=None, hand=HeldHand) as running:
        running.run(until=watching(running, "portraits", "weddings"))
        hung = _hang(running)
        studio.trees.pop("portraits")
        running.reload()
        running.run(until=lambda: hung.mode is FolderMode.UNREACHABLE)
        begun = studio.clock.monotonic()
        assert stopped(running) == EXIT_FINE
        assert studio.clock.monotonic() - begun < 1
