"""The real program, struck at one system call, and what must hold afterwards. For loops over all of its calls."""

from __future__ import annotations

import random
import re
import shutil
import signal
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml

from bshm_watchd.ending import EXIT_BROKEN, EXIT_CONFIG, EXIT_FINE, EXIT_LEFT, EXIT_SOME_REJECTED
from tests.e2e.program import Program
from tests.support import invariants
from tests.support.crashes import TWO_OUTPUTS
from tests.support.studio import Studio
from tests.support.syscalls import Call, Fail, Judge, Kill, Run, held

_WORKED_OFF = (EXIT_FINE, EXIT_SOME_REJECTED)
_SENSIBLE = (EXIT_SOME_REJECTED, EXIT_LEFT, EXIT_BROKEN, EXIT_CONFIG)
_WAIT_SECONDS = "20"  # for what can't be had: a place that erred is tried again after 1, 2, 4 seconds
_TRIES = 3  # threads take turns as they like: a call may be missing from one run and be in the next


@dataclass(frozen=True, slots=True)
class Blow:
    call: Call
    verdict: Kill | Fail


@dataclass(frozen=True, slots=True)
class Struck:
    """What became of a run in which one call met its blow."""

    blow: Blow
    met: bool  # whether the run had such a call
    exit_code: int = 0
    resumed: bool = False  # everything was done in the same life
    violation: str = ""


class Scene:
    """Two photos whose results want one name, where a file of somebody else's stands, and a file that is no photo.

    `warm`: its runs are forks of this process, not programs that have to be loaded each time.
    """

    def __init__(self, base: Path, *, warm: bool = False) -> None:
        self._warm = warm
        self.studio = Studio(base, TWO_OUTPUTS)
        outputs = yaml.safe_load(TWO_OUTPUTS)
        self.program = Program(base, settle_seconds=0.1, rescan_seconds=1, **outputs)
        self.studio.drop("a.jpg")
        self.studio.drop("a.png")
        self.studio.drop("text.jpg", b"this is no photo")
        self.studio.portraits.put_foreign("results/a.png")

    def run(self, judge: Judge = lambda _: None) -> Run:
        """A `once` to its end, or to where it is killed."""
        command = self.program.command("once", "--wait", _WAIT_SECONDS)
        program = partial(_once, command[command.index("--config") :]) if self._warm else command
        return held(program, self.program.base, judge)

    def check_now(self) -> None:
        """What holds at any moment, whoever died."""
        invariants.each_original_is_in_one_place(self.studio.portraits)
        invariants.what_is_foreign_survives(self.studio.portraits)

    def check_restarted(self) -> Run:
        """A healthy run by itself, then all that must hold after one."""
        healthy = self.run()
        assert healthy.exit_code in _WORKED_OFF, f"the restart ended with {healthy.exit_code}: {healthy.said}"
        self.check()
        return healthy

    def check(self) -> None:
        invariants.check(self.studio)
        assert not self.studio.tree("failed"), "an innocent photo failed"


def load() -> None:
    """Everything that a run imports, so that its forks need not."""
    from bshm_watchd import wiring
    from bshm_watchd.cli import course
    from bshm_watchd.delivery import background, render
    from bshm_watchd.matting import batcher, bundle, decoder, runtimes

    assert all((wiring, course, background, render, batcher, bundle, decoder, runtimes))


def _once(arguments: list[str]) -> int:
    from bshm_watchd.cli.main import run_command

    return run_command(arguments)


def calls_of_a_run(base: Path, runs: int = 2) -> list[Call]:
    """Every call that changes something, of a run that nobody disturbs; of some runs, as threads take turns."""
    found: dict[Call, None] = {}
    for _ in range(runs):
        with tempfile.TemporaryDirectory(dir=base) as directory:
            run = Scene(Path(directory)).run()
            assert run.exit_code == EXIT_SOME_REJECTED, run.said
            found.update(dict.fromkeys(run.calls))
    return list(found)


def sample(calls: Iterable[Call], count: int, seed: int) -> list[Call]:
    """Spread over all calls, so that each part of a run has its share."""
    all_calls, chance = list(calls), random.Random(seed)
    step = max(1.0, len(all_calls) / count)
    return [all_calls[min(int((n + chance.random()) * step), len(all_calls) - 1)] for n in range(count)]


def strike(base: Path, blow: Blow, *, warm: bool = False) -> Struck:
    """One life with a blow, a healthy one after it where it is needed, and the verdict on what lies there then."""
    for _ in range(_TRIES):
        directory = Path(tempfile.mkdtemp(dir=base))
        struck = _strike(Scene(directory, warm=warm), blow)
        if not struck.violation:
            shutil.rmtree(directory)
        if struck.met:
            return struck
    return Struck(blow, met=False)


def _strike(scene: Scene, blow: Blow) -> Struck:
    run = scene.run(lambda call: blow.verdict if call == blow.call else None)
    if blow.call not in run.calls:
        return Struck(blow, met=False)
    try:
        resumed = _killed(scene, run) if isinstance(blow.verdict, Kill) else _erred(scene, run)
    except (AssertionError, OSError) as error:
        return Struck(blow, True, run.exit_code, violation=f"{error}\n{run.said}\nkept in {scene.program.base}")
    return Struck(blow, True, run.exit_code, resumed)


def _killed(scene: Scene, run: Run) -> bool:
    assert run.exit_code == -signal.SIGKILL, f"not killed, but ended with {run.exit_code}"
    scene.check_now()
    scene.check_restarted()
    return False


def _erred(scene: Scene, run: Run) -> bool:
    """Whether everything was done without a restart."""
    assert run.exit_code in _SENSIBLE, f"ended with {run.exit_code}"
    assert not re.search(r"^Traceback", run.said, re.MULTILINE), "it ended in a bare traceback"
    scene.check_now()
    resumed = run.exit_code == EXIT_SOME_REJECTED
    if resumed:
        scene.check()
    else:
        scene.check_restarted()
    assert {row.attempts for row in scene.studio.rows()} <= {0}, "an attempt was counted"
    return resumed
