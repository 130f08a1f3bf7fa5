"""The real program is killed, or its disk errs, at a sample of its system calls. All of them: see `killing`."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bshm_watchd.ending import EXIT_SOME_REJECTED
from tests.faults.killing import ERRORS, strike_all
from tests.support import syscalls
from tests.support.contracts import Evidence
from tests.support.struck import Blow, Scene, Struck, calls_of_a_run, sample
from tests.support.syscalls import CALLS, WRITES, Call, Fail, Kill

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.skipif(bool(syscalls.missing()), reason=syscalls.missing()),
]

_KILLS, _ERRORS, _SEED = 24, 21, 11


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[Call]:
    return calls_of_a_run(tmp_path_factory.mktemp("calls"))


def _all_fine(struck: list[Struck]) -> int:
    """How many calls were met; not more than a few may be missing, as threads take turns."""
    violations = [f"{one.blow}: {one.violation}" for one in struck if one.violation]
    assert not violations, "\n".join(violations)
    met = sum(one.met for one in struck)
    assert met >= 0.8 * len(struck)
    return met


@pytest.mark.contract("D1", "D3", "D4", "D5", "D8", "P1", "P2")
def test_sigkill_at_any_system_call_loses_nothing_and_doubles_nothing(
    fast_path: Path, calls: list[Call], evidence: Evidence
) -> None:
    blows = [
        Blow(call, Kill(half=call.name in WRITES and number % 2 == 0))
        for number, call in enumerate(sample(calls, _KILLS, _SEED))
    ]
    evidence(points_killed=_all_fine(list(strike_all(fast_path, blows))))


@pytest.mark.contract("D1", "D3", "D5", "D6", "O7")
def test_an_error_at_any_system_call_costs_no_photo_and_the_folder_goes_on_unaided(
    fast_path: Path, calls: list[Call], evidence: Evidence
) -> None:
    chosen = sample(calls, _ERRORS, _SEED + 1)
    blows = [Blow(call, Fail(ERRORS[number % len(ERRORS)])) for number, call in enumerate(chosen)]
    struck = list(strike_all(fast_path, blows))
    met = _all_fine(struck)
    assert sum(one.resumed for one in struck) > met / 2
    evidence(errors_injected=met, resumed_unaided=sum(one.resumed for one in struck))


@pytest.mark.contract("D1", "D3", "D4")
def test_sigkill_ahead_of_each_commit_and_each_result_on_the_disk_that_is_there(
    tmp_path: Path, calls: list[Call], evidence: Evidence
) -> None:
    """On the file system of the tests, mostly ext4, with the program started anew for each: the moments that matter."""
    moments = [call for call in calls if _is_a_commit(call, "<1>") or _names_a_result(call)]
    assert len(moments) >= 6
    struck = list(strike_all(tmp_path, [Blow(call, Kill()) for call in moments], warm=False))
    evidence(points_killed=_all_fine(struck))


def _is_a_commit(call: Call, job: str) -> bool:
    return call.name == "renameat" and call.paths[-1].endswith(f"{job}/job.json")


def _names_a_result(call: Call) -> bool:
    return call.name == "renameat2" and call.paths[0].endswith("<1>-0.part") and call.nth == 1


# -- the order on the disk ---------------------------------------------------------------------------------


@pytest.mark.contract("D2", "D8", "L1")
def test_results_and_sidecars_are_durable_before_the_original_leaves_the_work_directory(fast_path: Path) -> None:
    run = Scene(fast_path).run()
    assert run.exit_code == EXIT_SOME_REJECTED, run.said
    filed = [number for number, call in enumerate(run.calls) if _files_an_original(call)]
    assert len(filed) == 3
    for moved in filed:
        job = run.calls[moved].paths[0].split("/")[-2]
        done = run.calls[moved].paths[-1].startswith("hot/done")
        for temporary in (f"{job}-0.part", f"{job}-1.part") if done else (f"{job}-sidecar.part",):
            assert _is_durable(run.calls[:moved], temporary), f"{temporary} was not durable: {run.calls[:moved]}"


def _is_durable(calls: tuple[Call, ...], temporary: str) -> bool:
    """Its bytes were synced, then it got its name, then the name was synced."""
    synced = _first(calls, lambda call: call.name == "fsync" and call.paths[0].endswith(temporary))
    named = _first(calls, lambda call: call.name == "renameat2" and call.paths[0].endswith(temporary))
    if named >= len(calls):
        return False
    directory = str(Path(calls[named].paths[-1]).parent)
    return synced < named and ("fsync", (directory,)) in [(call.name, call.paths) for call in calls[named:]]


def _first(calls: tuple[Call, ...], what: Callable[[Call], bool]) -> int:
    return next((number for number, call in enumerate(calls) if what(call)), len(calls))


def _files_an_original(call: Call) -> bool:
    return call.name == "renameat2" and re.fullmatch(r"hot/.bshm/work/<\d>/[at][^/]*", call.paths[0]) is not None


# -- no call is missed -------------------------------------------------------------------------------------


@pytest.mark.contract("D1")
def test_strace_sees_no_call_that_was_not_met(fast_path: Path, evidence: Evidence) -> None:
    """Another tool, told of the same run: as many calls of each name below the hot folder and the state directory."""
    if subprocess.run(["which", "strace"], capture_output=True).returncode:
        pytest.skip("strace is missing: apt-get install strace")
    scene, log = Scene(fast_path / "scene"), fast_path / "log"
    command = scene.program.command("once", "--wait", "20")
    traced = ["strace", "-f", "-y", "-s", "0", "-o", str(log), "-e", f"trace={','.join(CALLS)}", *command]
    run = syscalls.held(traced, scene.program.base, lambda _: None)
    assert run.exit_code == EXIT_SOME_REJECTED, run.said
    lines = [line for line in log.read_text().splitlines() if _is_a_change(line, str(scene.program.base))]
    seen, met = _counted(map(_name_in, lines)), _counted(call.name for call in run.calls)
    assert seen == met
    evidence(calls_witnessed=len(lines))


def _is_a_change(line: str, base: str) -> bool:
    if "resumed>" in line or base not in line:
        return False
    return not _name_in(line).startswith("open") or "O_CREAT" in line or "O_TRUNC" in line


def _name_in(line: str) -> str:
    return line.split("(", 1)[0].split()[-1]


def _counted(names: object) -> dict[str, int]:
    found = list(names)  # type: ignore[call-overload]
    return {name: found.count(name) for name in sorted(set(found))}


def test_a_program_that_is_killed_ends_by_that_signal(fast_path: Path) -> None:
    run = Scene(fast_path).run(lambda call: Kill() if call.name == "mkdirat" else None)
    assert run.exit_code == -signal.SIGKILL
    assert run.calls[-1].name == "mkdirat"
