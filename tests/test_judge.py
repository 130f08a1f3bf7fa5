"""Who is to blame when the process died while photos were in work. Pure."""

from __future__ import annotations

from pathlib import Path

import pytest

from bshm_watchd.jobs import Job, State
from bshm_watchd.recovery import judge
from tests.support.trees import a_job, settings_of

_SETTINGS = settings_of(Path("/srv/hot"))


def _ran(name: str, ran_in: str = "life 1", **changes: object) -> Job:
    return a_job(_SETTINGS, name, **{"state": State.RUNNING, "ran_in": ran_in, **changes})


def _judged(*jobs: Job, clean: str = "", max_attempts: int = 3) -> dict[str, tuple[State, int, bool]]:
    found = judge(jobs, lambda incarnation: incarnation == clean, max_attempts)
    return {job.name: (job.state, job.attempts, job.suspect) for job in found}


def test_a_photo_that_ran_alone_lost_an_attempt() -> None:
    assert _judged(_ran("a")) == {"a": (State.CLAIMED, 1, True)}


def test_photos_that_ran_together_lose_nothing_and_are_suspects() -> None:
    assert _judged(_ran("a"), _ran("b", attempts=1)) == {
        "a": (State.CLAIMED, 0, True),
        "b": (State.CLAIMED, 1, True),
    }


@pytest.mark.parametrize("jobs", [[_ran("a")], [_ran("a"), _ran("b")], [_ran("a", suspect=True, attempts=2)]])
def test_a_clean_stop_blames_nobody(jobs: list[Job]) -> None:
    for state, attempts, _ in _judged(*jobs, clean="life 1").values():
        assert (state, attempts) == (State.CLAIMED, jobs[0].attempts)


def test_a_clean_stop_leaves_a_suspect_a_suspect() -> None:
    assert _judged(_ran("a", suspect=True), clean="life 1") == {"a": (State.CLAIMED, 0, True)}


def test_beside_clients_photos_only_a_suspect_is_known_to_have_run_alone() -> None:
    jobs = [_ran("a"), _ran("b", "life 2", suspect=True)]
    found = judge(jobs, lambda _: False, 3, had_company=lambda incarnation: incarnation in ("life 1", "life 2"))
    assert [(job.attempts, job.suspect) for job in found] == [(0, True), (1, True)]


def test_a_suspect_always_ran_alone() -> None:
    """Whatever else was found: nothing runs beside it."""
    assert _judged(_ran("a", suspect=True), _ran("b"))["a"] == (State.CLAIMED, 1, True)


def test_photos_of_different_lives_did_not_run_together() -> None:
    assert _judged(_ran("a", "life 1"), _ran("b", "life 2")) == {
        "a": (State.CLAIMED, 1, True),
        "b": (State.CLAIMED, 1, True),
    }


def test_company_that_was_judged_before_a_crash_of_the_judging_still_counts_as_company() -> None:
    """Its record was written, the other's was not: the one that is left is no less innocent."""
    judged_already = _ran("a", state=State.CLAIMED, suspect=True)
    assert _judged(judged_already, _ran("b")) == {"b": (State.CLAIMED, 0, True)}


@pytest.mark.parametrize(("attempts", "state"), [(0, State.CLAIMED), (1, State.CLAIMED), (2, State.FAILING)])
def test_a_photo_that_ended_the_program_as_often_as_is_allowed_has_failed(attempts: int, state: State) -> None:
    (job,) = judge([_ran("a", attempts=attempts)], lambda _: False, 3)
    assert (job.state, job.attempts) == (state, attempts + 1)
    if state is State.FAILING:
        assert job.problem is not None
        assert job.problem.reason == "ended_the_program"
        assert job.problem.what_to_do


@pytest.mark.parametrize("state", [state for state in State if state is not State.RUNNING])
def test_only_what_was_running_is_judged(state: State) -> None:
    assert _judged(_ran("a", state=state)) == {}


def test_nobody_is_judged_twice() -> None:
    first = judge([_ran("a"), _ran("b")], lambda _: False, 3)
    assert judge(first, lambda _: False, 3) == []
