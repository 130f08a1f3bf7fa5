"""A random studio: people drop, change and remove photos while the disk fills, the power fails and the daemon restarts.

The model is the list of originals that must exist. What an owner does to a photo in drop/ is the owner's affair, and
changes the list; nothing that the daemon does may.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from bshm_watchd.ending import EXIT_FINE, EXIT_SOME_REJECTED
from bshm_watchd.events import Hinted
from bshm_watchd.jobs import ENDED
from bshm_watchd.journal import JOURNAL_NAME, Row
from bshm_watchd.matting.photo import Photo
from bshm_watchd.pipeline import Pipeline
from tests.faults.test_deliberate_break import PublishesBeforeItCommits
from tests.support import invariants
from tests.support.contracts import Evidence
from tests.support.disks import NO_SPACE, Died, DyingDisk, ErringDisk
from tests.support.power_cut import PowerCutDisk
from tests.support.reload_rules import BASE, ReloadRules
from tests.support.studio import Running, Studio, cutout_of, png, sha256
from tests.support.witness import Witness

_NAMES = st.sampled_from(["a.png", "b.png", "A.PNG", "a.jpg", "sub/a.png", "sub/deep/c.png"])
_PHOTOS = [png(1_000_000 + number) for number in range(6)]
_CURSED = [png(2_000_000 + number) for number in range(2)]
_NO_PHOTOS = [b"this is no photo", _PHOTOS[0][:-20], _PHOTOS[1][:40]]
_CONTENTS = st.sampled_from([*_PHOTOS, *_CURSED, *_NO_PHOTOS])
_PATHS = st.sampled_from([None, "", "a.png", "sub", "sub/a.png", "../a.png", "nowhere/b.png", "a.png/b.png"])
_CURSED_PIXELS = {cutout_of(content)[:, :, 2::-1].tobytes() for content in _CURSED}
_WHICH = st.integers(0, 11)
_SECONDS = st.sampled_from([0.3, 1.5, 3.0, 10.0, 70.0])
_ALL = 1 << 30


def _curse(photo: Photo) -> None:
    if photo.pixels.tobytes() in _CURSED_PIXELS:
        raise ValueError("it can't be matted")


def _pick(which: int, of: list[Any]) -> list[Any]:
    """One of them, if there is any. What is drawn may not depend on what the daemon has done."""
    return [of[which % len(of)]] if of else []


class HotFolderMachine(ReloadRules):
    base = Path()  # set by the test, as is the next
    pipeline: ClassVar[type[Pipeline]] = Pipeline
    happened: ClassVar[Counter[str]] = Counter()  # in all examples, so that a test can see that enough did

    @initialize()
    def begin(self) -> None:
        self.happened["examples"] += 1
        self.studio = Studio(self.base / str(self.happened["examples"]), BASE)
        self.tree = self.studio.portraits
        self.witness = Witness()
        self.growing: dict[str, bytes] = {}  # name -> what it will be when it is whole
        self.full = False
        self.ends = 0  # how often the process has died
        self.lives = 0
        self.running: Running | None = None
        self._start()
        self.running.live(1)  # from now on it is a known folder

    def teardown(self) -> None:
        if hasattr(self, "studio"):
            try:
                if self.running is not None:  # else it has failed already
                    self.all_is_worked_off()
                    self._stop()
            finally:
                shutil.rmtree(self.studio.base)

    # -- what people do --------------------------------------------------------------------------------

    @rule(name=_NAMES, content=_CONTENTS)
    def drop(self, name: str, content: bytes) -> None:
        """A new photo, or over one that is still there; the same bytes may have been dropped before."""
        self.growing.pop(name, None)
        self.tree.drop(name, content)

    @rule(name=_NAMES, content=st.sampled_from(_PHOTOS), begun=st.sampled_from([0, 1, 30, 100]))
    def drop_slowly(self, name: str, content: bytes, begun: int) -> None:
        self.drop(name, content[:begun])
        self.growing[name] = content

    @rule(which=_WHICH, more=st.sampled_from([1, 50, _ALL]))
    def grow(self, which: int, more: int) -> None:
        for name in _pick(which, sorted(self.growing)):
            self._grow(name, more)

    @rule(which=_WHICH)
    def delete(self, which: int) -> None:
        for name in _pick(which, self._waiting):
            self.tree.forget(name)
            (self.tree.path / "drop" / name).unlink()

    @rule(which=_WHICH, new_name=_NAMES)
    def rename(self, which: int, new_name: str) -> None:
        """Also over another one."""
        for name in _pick(which, [name for name in self._waiting if name != new_name]):
            content = (self.tree.path / "drop" / name).read_bytes()
            self.drop(new_name, content)
            self.tree.forget(name)
            if name in self.growing:
                self.growing[new_name] = self.growing.pop(name)
            os.replace(self.tree.path / "drop" / name, self.tree.path / "drop" / new_name)

    @rule(contents=st.lists(_CONTENTS, min_size=1, max_size=3))
    def move_a_folder_in(self, contents: list[bytes]) -> None:
        name = f"shoot {self.happened['folders moved in']}"
        self.happened["folders moved in"] += 1
        outside = self.studio.base / "outside"
        (outside / "raw").mkdir(parents=True)
        for number, content in enumerate(contents):
            (outside / "raw" / f"{number}.png").write_bytes(content)
            self.tree.originals.setdefault(sha256(content), []).append(f"{name}/raw/{number}.png")
        outside.rename(self.tree.path / "drop" / name)

    # -- what happens to the daemon --------------------------------------------------------------------

    @rule(seconds=_SECONDS)
    def time_passes(self, seconds: float) -> None:
        self._let_pass(seconds)

    def _let_pass(self, seconds: float) -> None:
        self._survive(lambda running: running.live(seconds))

    @rule(path=_PATHS)
    def false_hint(self, path: str | None) -> None:
        self._survive(lambda running: running.inbox.put(Hinted("portraits", path)))

    @rule(full=st.booleans())
    def the_disk_fills_or_is_freed(self, full: bool) -> None:
        self.full = full
        self.erring.mended = not full

    @rule(
        name=_NAMES, content=st.sampled_from(_PHOTOS), change=st.sampled_from(["create", "rename", "replace"]),
        nth=st.integers(1, 4), later=st.integers(0, 6), survivors=st.sampled_from([0, 1, 5, _ALL]),
    )  # fmt: skip
    def it_dies(self, name: str, content: bytes, change: str, nth: int, later: int, survivors: int) -> None:
        """On the way of a photo. `survivors`: how many changes that were never synced outlast it, all of them where no
        power fails."""
        self.drop(name, content)
        self.survivors = survivors
        self.dying.light(change, nth, later)
        self._let_pass(10)

    @rule()
    def it_is_restarted(self) -> None:
        self._stop()
        self._start()

    @rule(damage=st.sampled_from(["removed", "garbage", "cut"]))
    def the_journal_is_lost(self, damage: str) -> None:
        self._stop()
        path = self.studio.base / "state" / JOURNAL_NAME
        if damage == "removed":
            path.unlink()
        else:
            path.write_bytes(b"no database" * 100 if damage == "garbage" else path.read_bytes()[:5000])
        self.happened["journals lost"] += 1
        self._start()

    @rule()
    def the_share_is_gone_for_a_while(self) -> None:
        """Its empty mount point stays empty."""
        away = self.tree.path.rename(self.studio.base / "away")
        self.tree.path.mkdir()
        try:
            self._survive(lambda running: running.live(15))
            assert list(self.tree.path.iterdir()) == []
        finally:
            self.tree.path.rmdir()
            away.rename(self.tree.path)

    @rule(which=_WHICH)
    def requeue(self, which: int) -> None:
        self._let_pass(2)  # it may just have started, or been held
        rows = [row for row in self.studio.rows() if row.state in ENDED and not row.requeued_as]
        for row in _pick(which, rows):
            self._requeue(row)

    def _requeue(self, row: Row) -> None:
        filed = self.tree.path / row.filed_as.path
        was_there = filed.exists() and sha256(filed.read_bytes()) == row.sha256
        self._survive(lambda running: running.requeue(row.id))
        if was_there and row.state == "done" and not filed.exists():
            self.tree.sets_again[row.sha256] += 1
            self.happened["requeued"] += 1

    # -- what must hold --------------------------------------------------------------------------------

    @invariant()
    def every_original_is_in_one_place(self) -> None:
        self.happened["steps"] += 1
        invariants.each_original_is_in_one_place(self.tree)

    @rule()
    def all_is_worked_off(self) -> None:
        """Everybody has finished, and a healthy daemon runs until there is nothing to do."""
        for name in list(self.growing):
            self._grow(name, _ALL)
        self._stop()
        self.full = False
        healthy = self.witness.pipeline(Pipeline)
        assert self.studio.run(spoil=_curse, pipeline=healthy) in (EXIT_FINE, EXIT_SOME_REJECTED)
        assert self.tree.tree("drop") == []
        invariants.check(self.studio)
        self._nobody_failed_without_a_cause()
        self._each_photo_has_the_outputs_it_was_claimed_for()
        self._start()

    def _each_photo_has_the_outputs_it_was_claimed_for(self) -> None:
        """The cutouts are counted with all other invariants; of mattes there are as many as plans that say so."""
        mattes = [path for path in (self.tree.path / "matte").rglob("*") if path.is_file()]
        assert len(mattes) == sum(kinds.count("matte") for kinds in self.witness.published.values())
        self.happened["mattes"] += len(mattes)

    def _nobody_failed_without_a_cause(self) -> None:
        for path in (self.tree.path / "failed").rglob("*.png"):
            self.happened["failed"] += 1
            assert path.read_bytes() in _CURSED or self.ends >= 3, f"{path.name} failed after {self.ends} ends"

    # -- within ----------------------------------------------------------------------------------------

    @property
    def _waiting(self) -> list[str]:
        return [name for name in self.tree.tree("drop") if not name.startswith(".")]

    def _grow(self, name: str, more: int) -> None:
        """As long as the daemon has not given up waiting for it."""
        path, whole = self.tree.path / "drop" / name, self.growing[name]
        if not path.exists() or not whole.startswith(begun := path.read_bytes()):
            del self.growing[name]
            return
        self.tree.forget(name)
        with path.open("ab") as file:
            file.write(whole[len(begun) : len(begun) + more])
        self.tree.originals.setdefault(sha256(path.read_bytes()), []).append(name)
        if path.read_bytes() == whole:
            del self.growing[name]

    def _start(self) -> None:
        self.lives += 1
        self.power = PowerCutDisk(self.studio.base / "attic" / str(self.lives))
        self.erring = ErringDisk(0, NO_SPACE, once=False, disk=self.power)
        self.erring.mended = not self.full
        self.dying = DyingDisk(-1, self.erring)
        self.survivors = _ALL
        self.running = self.studio.start(
            self.dying, spoil=_curse, pipeline=self.witness.pipeline(self.pipeline), calls=self.witness.calls(),
            once=None,
        )  # fmt: skip
        self.running.__enter__()

    def _stop(self) -> None:
        """In good order, unless it dies of that."""
        running, self.running = self.running, None
        try:
            running.__exit__(None)
            self.power.cut(survivors=_ALL)
        except Died:
            self._bury(running)

    def _survive(self, act: Callable[[Running], object]) -> None:
        try:
            act(self.running)
        except Died:
            self._bury(self.running)
            self._start()

    def _bury(self, running: Running) -> None:
        self.happened["ends"] += 1
        self.ends += 1
        running.__exit__(Died)
        self.happened["changes lost"] += self.power.cut(self.survivors)


_COMMON = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


def _run(base: Path, pipeline: type[Pipeline] = Pipeline, **options: object) -> Counter[str]:
    HotFolderMachine.base, HotFolderMachine.pipeline = base, pipeline
    HotFolderMachine.happened.clear()
    run_state_machine_as_test(HotFolderMachine, settings=settings(**_COMMON, **options))
    print(dict(HotFolderMachine.happened))
    return HotFolderMachine.happened


@pytest.mark.contract("D1", "D3", "D4", "P1")
@pytest.mark.slow
@pytest.mark.contract("I8", "O4")
def test_whatever_happens_nothing_is_lost_doubled_or_half(fast_path: Path, evidence: Evidence) -> None:
    happened = _run(fast_path, max_examples=120, stateful_step_count=25, derandomize=True)
    assert happened["steps"] > 1500
    often = ("ends", "changes lost", "requeued", "journals lost", "folders moved in", "failed", "reloads", "refused")
    for what in often:
        assert happened[what] >= 5, f"{what}: {happened[what]} times only"
    assert happened["mattes"] >= 3
    evidence(**{what.replace(" ", "_"): happened[what] for what in ("steps", "ends", "reloads", "refused")})


def test_the_machine_sees_a_deliberate_break(fast_path: Path) -> None:
    with pytest.raises(AssertionError, match="results"):
        _run(
            fast_path, PublishesBeforeItCommits, max_examples=300, stateful_step_count=25, derandomize=True,
            phases=[Phase.generate], report_multiple_bugs=False,
        )  # fmt: skip


@pytest.mark.contract("D1", "D3", "D4", "P1")
@pytest.mark.soak
def test_whatever_happens_for_long_nothing_is_lost_doubled_or_half(fast_path: Path) -> None:
    _run(fast_path, max_examples=int(os.environ.get("BSHM_WATCHD_SOAK_EXAMPLES", "1500")), stateful_step_count=60)
