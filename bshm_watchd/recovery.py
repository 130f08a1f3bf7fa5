"""What a start finds in the work directories, and who is to blame for the last end. Runs before anything else.

Every work directory is brought to a state that `pipeline.process` can go on from; a second recovery changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from bshm_watchd import logs, retry
from bshm_watchd.clock import Clock
from bshm_watchd.delivery.names import names
from bshm_watchd.disk import claim, filing, lot, publish, record
from bshm_watchd.disk.folder import WORK, HotFolder
from bshm_watchd.errors import PlaceUnavailable
from bshm_watchd.jobs import Job, Plan, Problem, Stamp, State, end_of, is_id
from bshm_watchd.journal import Journal, Row

Measure = Callable[[int, str], tuple[Stamp, int, Problem | None]]
"""Of an original in an open directory, by its name: what it is, what it costs, why it is rejected."""


class Past:
    """What the journal remembers of earlier processes, by their incarnations; `us` is this one. Main thread only."""

    def __init__(self, journal: Journal, us: str) -> None:
        self._journal = journal
        self._us = us
        self._photos_noted = False
        self._spared = {us}

    def spare(self, incarnation: str) -> None:
        """That process lost its folder, not its life: whatever ran in it is not to blame."""
        self._spared.add(incarnation)

    def is_blameless(self, incarnation: str) -> bool:
        """Whether that process can't have died of a photo: it is this one, lives, or stopped in good order."""
        try:
            return incarnation in self._spared or self._journal.stopped_cleanly(incarnation)
        except PlaceUnavailable as error:
            logs.warning("who stopped cleanly can't be told: nobody is blamed", why=error)
            return True

    def had_company(self, incarnation: str) -> bool:
        """Whether it ran more than can be found: photos of clients, or jobs that were judged before."""
        try:
            return self._journal.had_company(incarnation)
        except PlaceUnavailable as error:
            logs.warning("who ran in company can't be told: as if all did", why=error)
            return True

    def note_photos(self) -> None:
        """Durably, before the first photo of a client begins. Raises `PlaceUnavailable`."""
        if not self._photos_noted:
            self._journal.mark_company(self._us)
            self._photos_noted = True

    def note_judged(self, found: Iterable[Job]) -> None:
        """Whoever is found later of the processes that these ran in has had company, wherever that is by then."""
        try:
            for incarnation in {job.ran_in for job in found if job.state is State.RUNNING}:
                self._journal.mark_company(incarnation)
        except PlaceUnavailable as error:
            logs.warning("who ran in company can't be noted", why=error)


def recover(folder: HotFolder, journal: Journal, clock: Clock, today: Plan, measure: Measure) -> list[Job]:
    """The unfinished jobs of a folder, none of which runs. Raises `OSError` and the like.

    `today` and `measure` are for those whose record was lost.
    """
    lot.unpack_all(folder, clock.wall())
    with folder.below(WORK) as work_fd:
        found = [
            entry.name
            for entry in folder.disk.entries(work_fd)
            if is_id(entry.name) and entry.is_dir(follow_symlinks=False)
        ]
    recovered = (_recover_one(folder, journal, clock, today, measure, job_id) for job_id in sorted(found))
    jobs = [job for job in recovered if job is not None]
    for job in jobs:
        journal.record(job)
        finish_requeue(folder, journal, job)
        logs.info("recovered", JOB_ID=job.id, HOT_FOLDER=job.folder, photo=job.relative, state=job.state)
    _close_rows(folder, journal, clock, {job.id for job in jobs})
    return jobs


def finish_requeue(folder: HotFolder, journal: Journal, job: Job) -> None:
    """Once a requeue's claim is durable: the earlier job's sidecar goes, its row tells of this one. May be repeated."""
    if job.requeue_of is not None:
        filing.remove_sidecar(folder, job.requeue_of.job_id, job.requeue_of.place)
        journal.record_requeued(job.requeue_of.job_id, job.id)


def judge(
    jobs: Iterable[Job], blameless: Callable[[str], bool], max_attempts: int, *, all_seen: bool = True,
    had_company: Callable[[str], bool] = lambda incarnation: False,
) -> list[Job]:  # fmt: skip
    """Pure: who is to blame when the process died while jobs ran.

    An incarnation that stopped cleanly, or is alive, blames nobody. A job that ran alone lost an attempt. Of several
    that ran together each becomes a suspect, which costs nothing but that it runs alone from now on. Where not all
    folders could be seen, or more ran than was found (`had_company`), nobody is known to have run alone
    but a suspect. Returns the jobs that changed.
    """
    found = list(jobs)
    return [
        _blamed(
            job,
            blameless(job.ran_in),
            _ran_alone(job, found, all_seen=all_seen and not had_company(job.ran_in)),
            max_attempts,
        )
        for job in found
        if job.state is State.RUNNING
    ]


def commit(folder: HotFolder, journal: Journal, jobs: Iterable[Job]) -> None:
    """Make a judgement durable, before any of these jobs runs again."""
    for job in jobs:
        publish.discard_temporaries(folder, job, names(job, 1).targets)
        with folder.work(job.id) as work_fd:
            record.write(folder.disk, work_fd, job)
        logs.moved(job, attempts=job.attempts, suspect=job.suspect)
        journal.record(job)


def _blamed(job: Job, clean: bool, alone: bool, max_attempts: int) -> Job:
    if clean:
        return job.moved(State.CLAIMED)
    if not alone:
        return job.moved(State.CLAIMED, suspect=True)
    attempts = job.attempts + 1
    if not retry.given_up(attempts, max_attempts):
        return job.moved(State.CLAIMED, attempts=attempts, suspect=True)
    problem = Problem(
        "ended_the_program",
        "the program ended unexpectedly each time while it processed this photo, and nothing else",
        "open the photo and save it again under a new name; if that one fails too, report it with the photo",
    )
    return job.moved(State.FAILING, attempts=attempts, problem=problem)


def _ran_alone(job: Job, found: list[Job], *, all_seen: bool) -> bool:
    """A suspect always runs alone. Others: nobody else ran in that process when it died (or is marked for it)."""
    if job.suspect or not all_seen:
        return job.suspect
    together = [one for one in found if one.ran_in == job.ran_in and (one.state is State.RUNNING or one.suspect)]
    return len(together) == 1


def _recover_one(
    folder: HotFolder, journal: Journal, clock: Clock, today: Plan, measure: Measure, job_id: str
) -> Job | None:  # fmt: skip
    with folder.work(job_id) as work_fd:
        try:
            job = record.read(folder.disk, work_fd)
            if job is not None and job.id != job_id:
                raise record.TornRecord(f"it is the one of job {job.id}")
        except record.TornRecord as error:
            logs.warning("a job's record is damaged", JOB_ID=job_id, why=error)
            job = None
        if job is None:
            job = _adopted(folder, journal, clock, today, measure, job_id, work_fd)
        else:
            job = _found(folder, job, work_fd)
    if job is None or job.state in (State.CLAIMING, State.RELEASED):
        claim.drop_work(folder, job or _nameless(folder, today, job_id))
        return None
    return job if job.folder == folder.settings.name else replace(job, folder=folder.settings.name)


def _found(folder: HotFolder, job: Job, work_fd: int) -> Job:
    """Where a job stands whose last move may have got further than its record says."""
    there = folder.disk.exists(work_fd, claim.original_name(job))
    if job.state is State.CLAIMING and there:
        job = claim.confirm(folder, job, work_fd)
        logs.moved(job)
    elif job.state in (State.CLAIMED, State.RUNNING) and not there:  # before it is published only a release takes it
        publish.discard_temporaries(folder, job, names(job, 1).targets)
        job = job.moved(State.RELEASED)
        logs.moved(job)
    return job


def _adopted(
    folder: HotFolder, journal: Journal, clock: Clock, today: Plan, measure: Measure, job_id: str, work_fd: int
) -> Job | None:  # fmt: skip
    """A work directory without a readable record: its original goes on as the index remembers it, with today's plan."""
    row = journal.find(job_id)
    originals = sorted(
        entry.name
        for entry in folder.disk.entries(work_fd)
        if entry.is_file(follow_symlinks=False) and entry.name not in (record.NAME, f".{record.NAME}.tmp")
    )
    if not originals:
        return None
    job = replace(_nameless(folder, today, job_id), claimed_wall=clock.wall(), state=State.CLAIMED)
    if row is not None and claim.original_name(remembered := _remembered(job, row)) in originals:
        job = remembered
    else:
        job = replace(job, name=originals[0])
    stamp, cost, problem = measure(work_fd, claim.original_name(job))
    if job.state is State.CLAIMED and job.problem is None:
        job = replace(job, problem=problem)
    job = replace(job, stamp=stamp, cost_bytes=cost)
    record.make_way(folder.disk, work_fd)
    record.write(folder.disk, work_fd, job)
    logs.moved(job, why=f"its record was missing or damaged; the journal {'knows it' if row else 'does not know it'}")
    return job


def _remembered(job: Job, row: Row) -> Job:
    """The job as the index has it, which is written before any result gets its name, and before the next one does.

    Results that were under way are those whose temporaries are still there (see `publish`); where they can't be told,
    or none were, the work is done again.
    """
    problem = Problem(row.reason, row.message or "", row.what_to_do or "") if row.reason is not None else None
    job = replace(
        job, name=row.name, relative_dir=row.relative_dir, claimed_wall=row.claimed_wall, attempts=row.attempts,
        suspect=row.suspect or row.state == State.RUNNING, ran_in=row.ran_in, sha256=row.sha256, problem=problem,
    )  # fmt: skip
    if row.state in (State.REJECTING, State.FAILING) and problem is not None:
        return replace(job, state=State(row.state), filed_as=row.filed_as)
    if row.state in (State.PUBLISHING, State.PUBLISHED):
        results = publish.results_at(job, row.results)
        if results is None:
            return replace(job, problem=None)
        return replace(job, state=State(row.state), results=results, filed_as=row.filed_as)
    return job


def _nameless(folder: HotFolder, today: Plan, job_id: str) -> Job:
    return Job(job_id, folder.settings.name, "", "", Stamp(0, 0, 0, 0, 0), 0.0, today)


def _close_rows(folder: HotFolder, journal: Journal, clock: Clock, present: set[str]) -> None:
    """Rows of jobs whose work directory is gone: only their last line of history was lost."""
    for job_id in journal.unfinished(folder.settings.name):
        if job_id in present:
            continue
        row = journal.find(job_id)
        if row is not None and row.state in (State.PUBLISHING, State.PUBLISHED, State.REJECTING, State.FAILING):
            state = end_of(row.state, row.reason)
            journal.set_state(job_id, state, clock.wall())
        else:
            state = State.RELEASED
            journal.forget(job_id)
        if row is not None:
            logs.info(str(state), JOB_ID=job_id, HOT_FOLDER=row.folder, photo=row.relative)
