from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bshm_watchd import retry
from bshm_watchd.backlog import Backlog
from bshm_watchd.jobs import Job, State
from tests.support.calls import calls_of
from tests.support.trees import a_job, settings_of

_SETTINGS = settings_of(Path("/srv/hot"))
_WALL = 1000.0


def _job(number: int, name: str = "", *, suspect: bool = False, retry_wall: float = 0.0) -> Job:
    """Jobs whose ids sort by their number."""
    return a_job(
        _SETTINGS, name or f"{number}.png", state=State.CLAIMED, id=f"{number:026d}", suspect=suspect,
        retry_wall=retry_wall,
    )  # fmt: skip


def _by_the_rule(backlog: list[Job], running: dict[str, Job], wall: float) -> Job | None:
    """The oldest of each name, unless it runs or has to wait; of these the suspects first."""
    first: dict[str, Job] = {}
    for job in sorted([*backlog, *running.values()], key=lambda job: job.id):
        first.setdefault(job.relative, job)
    ready = [job for job in first.values() if job.id not in running and retry.is_due(job.retry_wall, wall)]
    return min(ready, key=lambda job: (not job.suspect, job.id), default=None)


_any_jobs = st.lists(
    st.builds(
        _job,
        st.integers(0, 30),
        st.sampled_from(["a.png", "b.png", "c.png", "d.png"]),
        suspect=st.booleans(),
        retry_wall=st.sampled_from([0.0, _WALL - 1, _WALL + 60, _WALL + 10_000]),
    ),
    unique_by=lambda job: job.id,
)


@given(_any_jobs, st.integers(0, 4))
def test_the_next_is_the_oldest_of_its_name_that_may_run_and_suspects_come_first(jobs: list[Job], runs: int) -> None:
    running = {job.id: job for job in jobs[:runs]}
    backlog = Backlog(jobs[runs:])
    assert backlog.next(running, _WALL) == _by_the_rule(jobs[runs:], running, _WALL)


@given(_any_jobs, _any_jobs)
def test_what_is_dropped_leaves_no_trace(some: list[Job], others: list[Job]) -> None:
    backlog = Backlog([*some, *others])
    for job in some:
        backlog.drop(job.id)
    left = sorted((job for job in others if job.id not in {one.id for one in some}), key=lambda job: job.id)
    assert list(backlog) == left
    assert repr(backlog) == repr(Backlog(left))
    assert all(backlog.has_name(name) == any(job.relative == name for job in left) for name in ("a.png", "b.png"))
    assert sorted(backlog.retries_after(_WALL)) == sorted(job.retry_wall for job in left if job.retry_wall > _WALL)
    backlog.clear()
    assert (len(backlog), repr(backlog)) == (0, repr(Backlog()))


def test_the_same_job_again_replaces_what_it_was() -> None:
    backlog = Backlog([_job(1), _job(2)])
    backlog.append(_job(1, suspect=True, retry_wall=_WALL + 5))
    assert [job.suspect for job in backlog] == [True, False]
    assert backlog.retries_after(_WALL) == [_WALL + 5]


def test_the_next_of_ten_thousand_is_as_little_work_as_of_ten() -> None:
    few, many = (Backlog(map(_job, range(count))) for count in (10, 10_000))
    assert calls_of(lambda: many.next({}, _WALL)) == calls_of(lambda: few.next({}, _WALL))
