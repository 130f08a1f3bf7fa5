"""The journal or the records of jobs are damaged while the program is dead: no photo is lost, no result doubled.

Each damage at some moments; every one at every moment:
`BSHM_WATCHD_EVERY_DAMAGE=1 pytest tests/faults/test_damage.py`.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest

from bshm_watchd.ending import EXIT_FINE, EXIT_SOME_REJECTED
from tests.support import syscalls
from tests.support.contracts import Evidence
from tests.support.damage import journal_damages, record_damages
from tests.support.lanes import in_lanes
from tests.support.struck import Scene, load
from tests.support.syscalls import Call, Kill

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(bool(syscalls.missing()), reason=syscalls.missing()),
]

_EVERY = "BSHM_WATCHD_EVERY_DAMAGE" in os.environ
_FLIPS, _LENGTHS = (40, 20) if _EVERY else (6, 4)
_JOURNAL, _RECORDS = journal_damages(seed=1, flips=_FLIPS), record_damages(_LENGTHS)
_SAID_OF_THE_JOURNAL = {"garbage", "of another program"}  # what else there is may still be read in part


def _renamed(call: Call, ending: str) -> bool:
    return call.name == "renameat2" and call.paths[0].endswith(ending)


# Where the program dies: in which state that leaves a job.
_MOMENTS: dict[str, Callable[[Call], bool]] = {
    "claiming": lambda call: call.name == "renameat" and call.paths[0].startswith("hot/drop/a."),
    "claimed": lambda call: call.name == "write" and call.paths[0].endswith(".job.json.tmp") and call.nth == 3,
    "running": lambda call: call.name == "openat" and call.paths[0].endswith("-0.part"),
    "publishing": lambda call: _renamed(call, "-0.part"),
    "one of two published": lambda call: _renamed(call, "-1.part"),
    "published": lambda call: call.name == "renameat2" and call.paths[-1].startswith("hot/done/2") and call.nth == 1,
    "filed": lambda call: call.name == "unlinkat" and call.paths[0].endswith("/job.json"),
    "rejecting": lambda call: _renamed(call, "-sidecar.part"),
}


def _killed(base: Path, moment: str) -> Scene:
    scene = Scene(Path(tempfile.mkdtemp(dir=base)), warm=True)
    dies = _MOMENTS[moment]
    run = scene.run(lambda call: Kill() if dies(call) else None)
    assert run.exit_code == -9, f"{moment}: not killed, but ended with {run.exit_code}"
    return scene


def _with_a_damaged_journal(base: Path, case: tuple[str, str]) -> None:
    moment, damage = case
    scene = _killed(base, moment)
    _JOURNAL[damage](scene.program.state_dir)
    healthy = scene.run()
    said = healthy.said
    assert healthy.exit_code in (EXIT_FINE, EXIT_SOME_REJECTED), said
    if damage.startswith("bits"):  # nobody can tell what is wrong with a history of which some words changed
        journal_damages(0, 0)["deleted"](scene.program.state_dir)
    with _told(moment, damage):
        scene.check()
    assert damage not in _SAID_OF_THE_JOURNAL or "the journal was damaged: a new one is begun" in said, said


def _with_damaged_records(base: Path, case: tuple[str, str]) -> None:
    moment, damage = case
    scene = _killed(base, moment)
    for work in _work(scene):
        if (work / "job.json").exists():
            _RECORDS[damage](work)
    healthy = scene.run()
    assert healthy.exit_code in (EXIT_FINE, EXIT_SOME_REJECTED), healthy.said
    if damage in ("a directory", "a full directory"):
        _put_away_what_was_found(scene)
    with _told(moment, damage):
        scene.check()


@contextlib.contextmanager
def _told(moment: str, damage: str) -> Iterator[None]:
    """What failed says after what."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{damage} while {moment}: {error}") from error


def _put_away_what_was_found(scene: Scene) -> None:
    """A directory is not ours: it stays, under another name where its own was needed."""
    for work in _work(scene):
        for found in work.iterdir():
            assert found.is_dir() and found.name.startswith("job.json")
            for note in found.iterdir():
                assert note.read_text() == "mine"
                note.unlink()
            found.rmdir()
        work.rmdir()


def _work(scene: Scene) -> list[Path]:
    return [path for path in (scene.studio.hot / ".bshm/work").iterdir() if path.is_dir()]


def _cases(damages: Iterable[str]) -> list[tuple[str, str]]:
    """Moments and damages; each damage at two moments, and each moment with its share of them, where not all."""
    moments = list(_MOMENTS)
    return [
        (moment, damage)
        for number, damage in enumerate(damages)
        for place, moment in enumerate(moments)
        if _EVERY or place in (number % len(moments), (3 * number + 5) % len(moments))
    ]


@pytest.mark.contract("D1", "D3", "D4", "D7")
def test_a_journal_damaged_in_any_way_and_at_any_moment_costs_history_alone(
    fast_path: Path, evidence: Evidence
) -> None:
    done = list(in_lanes(partial(_with_a_damaged_journal, fast_path), _cases(_JOURNAL), load))
    evidence(damages_done=len(done))


@pytest.mark.contract("D1", "D3", "D4", "D7")
def test_records_damaged_in_any_way_and_at_any_moment_lose_and_double_nothing(
    fast_path: Path, evidence: Evidence
) -> None:
    done = list(in_lanes(partial(_with_damaged_records, fast_path), _cases(_RECORDS), load))
    evidence(damages_done=len(done))
