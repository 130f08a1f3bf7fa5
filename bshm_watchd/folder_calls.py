"""What a folder's thread does when the daemon asks: everything that may block on that folder's file system."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bshm_watchd import logs, recovery, rejecting
from bshm_watchd.clock import Clock
from bshm_watchd.config import HotFolderSettings, Limits
from bshm_watchd.disk import claim, owner
from bshm_watchd.disk.folder import DROP, HotFolder
from bshm_watchd.disk.ops import is_plain_file
from bshm_watchd.errors import PlaceUnavailable, RejectedPhoto
from bshm_watchd.intake import rejections
from bshm_watchd.intake.complete import inspect
from bshm_watchd.intake.file_systems import FileSystem, file_system
from bshm_watchd.intake.intake import Intake, Looked, Offer
from bshm_watchd.intake.left import Left
from bshm_watchd.intake.watcher import Watcher, WatcherUnavailable, make_watcher
from bshm_watchd.jobs import CostOf, Filed, Job, Place, Plan, Problem, Stamp, State, new_id
from bshm_watchd.journal import Journal, Row
from bshm_watchd.rejecting import Rejected

_WHY_NOT = {
    State.GONE: {"why": "its owner took it back"},
    State.RELEASED: {"why": "it changed after it had settled, or somebody still has it open"},
}
_LEFT_BY = {
    claim.Obstacle.RIGHTS: Left.NOT_WRITABLE,
    claim.Obstacle.STICKY: Left.STICKY,
    claim.Obstacle.MOUNT: Left.ELSEWHERE,
}


@dataclass(frozen=True, slots=True)
class Attached:
    jobs: tuple[Job, ...]  # found unfinished in the work directories
    events: bool  # whether the watcher gives hints
    network: bool
    taken_from: str = ""  # the incarnation of an owner that may be alive


@dataclass(frozen=True, slots=True)
class Seen:
    looked: Looked
    offers: tuple[Offer, ...]
    seconds: float
    events: bool


@dataclass(slots=True)
class _Watch:
    """What is made anew at each attachment: offers made before it are void."""

    intake: Intake
    watcher: Watcher
    heard_in: tuple[int, int] | None = None  # device and inode of the drop/ that the watcher was started on


class FolderCalls:
    """Belongs to one folder's thread: the daemon never calls these methods, it asks the thread to."""

    def __init__(
        self, folder: HotFolder, limits: Limits, hint: Callable[[str | None], None],
        journal: Journal, us: owner.Owner, clock: Clock, cost_of: CostOf,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._limits = limits
        self._hint = hint
        self._journal = journal
        self._us = us
        self._clock = clock
        self._cost_of = cost_of
        self._plan = Plan.of(folder.settings)
        self._watch: _Watch | None = None
        self._deaf_because = ""
        self._owned = False

    @property
    def folder(self) -> HotFolder:
        """For the jobs that are started in it. From any thread."""
        return self._folder

    @property
    def settings(self) -> HotFolderSettings:
        return self._folder.settings

    def attach(self, *, adopt: bool = False, take: bool = False) -> Attached:
        """Make sure of the root, own it, find its unfinished jobs, listen for hints."""
        taken_from = self.own(adopt=adopt, take=take)
        where = self._learn_file_system()
        self._check_space()
        with owner.held(self._folder, self._us):
            jobs = recovery.recover(self._folder, self._journal, self._clock, self._plan, self._measure)
        self._folder.attach_outputs(frozenset(root for job in jobs for root in job.plan.output_roots))
        self._begin_watch(where)
        return Attached(tuple(jobs), self._hears(), where.network, taken_from)

    def own(self, *, adopt: bool = False, take: bool = False) -> str:
        """Make sure of the root and own it; returns whom it was taken from, as `owner.acquire` does.

        Raises `PlaceUnavailable`, `InstanceRunning` or `ConfigError`.
        """
        taken_from = ""

        def acquire() -> None:
            nonlocal taken_from
            taken_from = owner.acquire(self._folder, self._us, take=take)
            self._owned = True

        self._folder.attach(frozenset(self._plan.output_roots), adopt=adopt, own=acquire)
        return taken_from

    def commit(self, jobs: tuple[Job, ...]) -> tuple[Job, ...]:
        """Make a judgement about recovered jobs durable."""
        with owner.held(self._folder, self._us):
            recovery.commit(self._folder, self._journal, jobs)
        return jobs

    def look(self, hints: frozenset[str | None], wanted: int, *, scan: bool, rejected: int = 0) -> Seen:
        """Apply hints, scan if asked, and offer up to `wanted` settled photos. Raises `OwnershipLost`.

        Up to `rejected` photos that are at fault are offered beside those.
        """
        started = self._clock.monotonic()
        owner.check(self._folder, self._us)
        with self._folder.root() as root_fd:
            moved = self._watch is not None and self._watch.heard_in != self._drop(root_fd)
            if moved or (scan and not self._listens()):
                self._listen()
            scan = scan or moved
            looked = self._intake.look(root_fd, hints, started, scan=scan)
            self._tell_news(looked)
            offers = self._intake.take(root_fd, wanted, self._clock.monotonic(), rejected)
        return Seen(looked, offers, self._clock.monotonic() - started, self._hears())

    def claim(self, offer: Offer, cost_bytes: int, too_large: Problem | None) -> Job:
        """Claim an offered photo. The job comes back CLAIMED, GONE or RELEASED."""
        self._check_space()
        wall = self._clock.wall()
        job = self._job(new_id(wall), offer, wall)
        job = replace(job, cost_bytes=cost_bytes, problem=offer.rejection or too_large)
        try:
            with owner.held(self._folder, self._us):
                job = claim.claim(self._folder, job)
        except claim.TakingForbidden as error:
            return self._set_aside(job, _LEFT_BY[error.obstacle])
        logs.moved(job, **_WHY_NOT.get(job.state, {}))
        if job.state is State.CLAIMED:
            self._journal.record(job)
        self._no_longer_offered(job)
        return job

    def reject(self, offers: Sequence[Offer]) -> Rejected:
        """Claim and reject photos of one directory, all of them offered with a rejection, in one go."""
        self._check_space()
        wall = self._clock.wall()
        ids = sorted(new_id(wall) for _ in offers)
        jobs = [self._job(job_id, offer, wall) for job_id, offer in zip(ids, offers, strict=True)]
        with owner.held(self._folder, self._us):
            rejected = rejecting.reject(self._folder, jobs, self._journal, self._clock)
        for job in rejected.lost:
            logs.moved(job, **_WHY_NOT.get(job.state, {}))
        for job in (*rejected.lost, *rejected.ended, *rejected.unfinished):
            self._no_longer_offered(job)
        for job, obstacle in rejected.kept:
            self._set_aside(job, _LEFT_BY[obstacle])
        return rejected

    def _job(self, job_id: str, offer: Offer, wall: float) -> Job:
        directory, _, name = offer.relative.rpartition("/")
        return Job(
            job_id, self.settings.name, name, directory, offer.stamp, wall, self._plan, problem=offer.rejection
        )  # fmt: skip

    def _no_longer_offered(self, job: Job) -> None:
        if job.state is State.RELEASED:
            self._intake.put_back(job.relative, self._clock.monotonic())
        else:
            self._intake.taken(job.relative, self._clock.monotonic())

    def _set_aside(self, job: Job, why: Left) -> Job:
        with self._folder.root() as root_fd:
            self._intake.set_aside(root_fd, job.relative, why, self._clock.monotonic())
        job = job.moved(State.RELEASED)
        logs.moved(job, why=why.value)
        return job

    def requeue(self, row: Row) -> Job:
        """A new job, attempts 0 and today's plan, for an original that was filed; our sidecar goes.

        Raises `RejectedPhoto` when there is no such original any more, or it may be somebody else's file too. After
        any other exception the work directory says how far it came, as after a claim.
        """
        self._check_space()
        if row.filed_as is None:
            raise RejectedPhoto("deleted", "the original was deleted when it was done", "drop the photo again")
        place, wall = row.filed_as, self._clock.wall()
        stamp, cost, problem = self._measure_filed(place)
        job = Job(
            new_id(wall), self.settings.name, row.name, row.relative_dir, stamp, wall, self._plan,
            cost_bytes=cost, problem=problem, requeue_of=Filed(row.id, place),
        )  # fmt: skip
        with owner.held(self._folder, self._us):
            job = claim.claim(self._folder, job, place)
            logs.moved(job, requeue_of=row.id)
            if job.state is not State.CLAIMED:
                raise _gone(place)
            self._journal.record(job)
            recovery.finish_requeue(self._folder, self._journal, job)
        return job

    def _measure_filed(self, place: Place) -> tuple[Stamp, int, Problem | None]:
        try:
            with self._folder.below(place.directory) as dir_fd:
                _must_be_ours_alone(self._folder.disk.lstat(dir_fd, place.name), place)
                return self._measure(dir_fd, place.name)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _gone(place) from error

    def _measure(self, dir_fd: int, name: str) -> tuple[Stamp, int, Problem | None]:
        """What an original is now, what it will cost to process, and why it is rejected (at no cost), as at intake."""
        disk = self._folder.disk
        stamp = Stamp.of(disk.lstat(dir_fd, name))
        fd = disk.open_file(dir_fd, name)
        try:
            found = inspect(lambda offset, length: disk.read_at(fd, length, offset), stamp.size)
        finally:
            os.close(fd)
        cost = self._cost_of(found.height, found.width, self._plan.outputs) + stamp.size
        problem = rejections.too_many_bytes(stamp.size, self._limits) or rejections.by_structure(found, self._limits)
        if problem is None and cost > self._limits.in_flight_bytes:
            problem = rejections.too_much_memory(found.width, found.height, cost, self._limits)
        return stamp, 0 if problem else cost, problem

    def stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.watcher.stop()

    def detach(self) -> None:
        self.stop_watching()
        if self._owned:
            owner.give_up(self._folder, self._us)

    @property
    def _intake(self) -> Intake:
        if self._watch is None:
            raise RuntimeError("looked into before it was attached")
        return self._watch.intake

    def _learn_file_system(self) -> FileSystem:
        """Each time: another one may have been mounted there."""
        where = file_system(str(self.settings.path))
        self._folder.stable_inodes, self._folder.lasting_inodes = where.stable_inodes, where.lasting_inodes
        self._folder.network = where.network
        return where

    def _begin_watch(self, where: FileSystem) -> None:
        """A new intake and a new watcher for the root that was just attached."""
        if self._watch is not None:
            self._watch.watcher.stop()
        self._watch = _Watch(
            Intake(
                self._folder.disk, self.settings, self._limits, self._clock,
                network=where.network, stable_inodes=where.stable_inodes,
            ),
            make_watcher(self.settings.watch, network=where.network),
        )  # fmt: skip
        self._listen()

    def _listens(self) -> bool:
        return self._watch is not None and self._watch.watcher.alive()

    def _hears(self) -> bool:
        """Whether hints come in. A polled folder has none, however well it is."""
        return self._watch is not None and self._watch.watcher.gives_hints and self._watch.watcher.alive()

    def _listen(self) -> None:
        """(Re)start the watcher. Without one, scanning alone finds the photos; that is said once."""
        assert self._watch is not None
        self._watch.watcher.stop()
        with self._folder.root() as root_fd:
            self._watch.heard_in = self._drop(root_fd)
        try:
            self._watch.watcher.start(str(self.settings.path / DROP), self._hint)
            self._deaf_because = ""
        except WatcherUnavailable as error:
            if str(error) != self._deaf_because:
                self._deaf_because = str(error)
                logs.warning("no events: scanning alone finds photos", HOT_FOLDER=self.settings.name, why=error)

    def _drop(self, root_fd: int) -> tuple[int, int] | None:
        """Which directory drop/ is now; None where it is missing, or where inode numbers are made up."""
        if not self._folder.stable_inodes:
            return None
        try:
            status = self._folder.disk.lstat(root_fd, DROP)
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _check_space(self) -> None:
        """Enough room must be left for the results and for everybody else."""
        free, kept = self._folder.least_free(), self._limits.min_free_bytes
        if free.free_bytes < kept:
            where = f"only {free.free_bytes >> 20} MiB are free at {free.path}, {kept >> 20} MiB are kept in reserve"
            raise PlaceUnavailable("disk_full", f"{where}; free some space, work resumes by itself")

    def _tell_news(self, looked: Looked) -> None:
        for directory, count in looked.other_news:
            logs.info("not photos, left alone", HOT_FOLDER=self.settings.name, directory=directory or ".", count=count)
        for path, why in looked.left_news:
            logs.warning("left in drop", HOT_FOLDER=self.settings.name, photo=path, why=why.value)
        for path, why in looked.unreadable_news:
            logs.warning("a directory is left in drop", HOT_FOLDER=self.settings.name, directory=path, why=why.value)


def _gone(place: Place) -> RejectedPhoto:
    return RejectedPhoto("gone", f"the original is no longer at {place.path}; drop the photo again", "drop it again")


def _must_be_ours_alone(status: os.stat_result, place: Place) -> None:
    if not is_plain_file(status):
        raise RejectedPhoto("not_a_file", f"{place.path} is not a file any more; drop the photo again", "drop it again")
    if status.st_nlink > 1:
        message = f"{place.path} has another hard link, so it may be somebody else's file too; drop a copy of it"
        raise RejectedPhoto("hard_linked", message, "drop a copy of it")
