"""SPINE 2. One photo, top to bottom: decode, matte, render, publish, file.

`process` starts wherever the job's record says it stands, so the way after a crash is the ordinary way. Whatever goes
wrong with a photo is that photo's: `run` sorts it into one outcome and raises nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bshm_watchd import logs, retry
from bshm_watchd.clock import Clock
from bshm_watchd.course import Course
from bshm_watchd.delivery import sidecar
from bshm_watchd.delivery.matted import Matted
from bshm_watchd.delivery.names import names
from bshm_watchd.delivery.numbering import Numbering
from bshm_watchd.disk import filing, original, owner, publish
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.errors import (
    OwnershipLost,
    PermissionsIgnored,
    PhotoChanged,
    PhotoWithheld,
    PlaceUnavailable,
    ProgramEnding,
    RejectedPhoto,
    RuntimeBroken,
    place_error,
)
from bshm_watchd.jobs import Job, Place, Problem, Result, State
from bshm_watchd.journal import Journal
from bshm_watchd.matting.decoder import Decoder
from bshm_watchd.matting.doubt import doubt
from bshm_watchd.matting.photo import Photo
from bshm_watchd.output_settings import OutputSettings
from bshm_watchd.stages import Observe, Stopwatch


class Matter(Protocol):
    """Makes mattes: the one place where photos meet in batches. Called from many threads."""

    def matte(self, photo: Photo) -> NDArray[np.uint8]:
        """Alpha, uint8 H x W of the photo's own size. Raises this photo's own error, or `RuntimeBroken`."""
        ...


Render = Callable[[OutputSettings, Matted], publish.Content]


@dataclass(frozen=True, slots=True)
class Ended:
    """The job is over: done, for review, rejected, failed or released."""

    job: Job


@dataclass(frozen=True, slots=True)
class Retry:
    """An attempt failed of the photo's own; it is tried again at `job.retry_wall`."""

    job: Job


@dataclass(frozen=True, slots=True)
class Waiting:
    """The place failed, not the photo: the folder is held, the job goes on where its record stands.

    One that is over is over: only its empty work directory could not be removed.
    """

    job: Job
    error: PlaceUnavailable


@dataclass(frozen=True, slots=True)
class LetGo:
    """The folder has another owner now: the job is theirs."""

    job: Job
    message: str


@dataclass(frozen=True, slots=True)
class Broken:
    """The model or the decoder is broken: the process must end. The job goes on after a restart."""

    job: Job
    error: RuntimeBroken


Outcome = Ended | Retry | Waiting | LetGo | Broken


class Pipeline:
    """Shared by all workers; holds no state of a job (that is in its record) but the names it has spoken for.

    `observe`: is told how long each stage of each job took; called from the workers.
    """

    def __init__(
        self, decoder: Decoder, matter: Matter, render: Render, journal: Journal, us: owner.Owner, clock: Clock,
        max_attempts: int, observe: Observe | None = None,
    ) -> None:  # fmt: skip
        self._decoder = decoder
        self._matter = matter
        self._render = render
        self._journal = journal
        self._us = us
        self._clock = clock
        self._max_attempts = max_attempts
        self._numbering = Numbering()
        self._stopwatch = Stopwatch(clock, observe)

    def run(self, job: Job, folder: HotFolder) -> Outcome:
        """Process a job of this folder and say how it went. Never raises: one photo never fails another."""
        course = Course(
            folder.with_rights(job.plan.permissions), job, self._journal, self._us, self._clock, self._stopwatch
        )
        try:
            return self._run(course)
        except OwnershipLost as error:
            return self._let_go(course, error)
        except RuntimeBroken as error:
            return Broken(course.job, error)
        except PlaceUnavailable as error:
            return Waiting(self._refunded(course), error)
        except ProgramEnding as error:
            return Waiting(self._refunded(course), PlaceUnavailable("ending", str(error)))
        except OSError as error:
            unexpected = PlaceUnavailable("unexpected", f"{job.folder}: {error}")
            return Waiting(self._refunded(course), place_error(error) or unexpected)
        except Exception as error:  # noqa: BLE001  even while a failure was being filed: it holds its folder, no more
            logs.error("a failed attempt could not be put in order", error, **course.fields)
            return Waiting(self._refunded(course), PlaceUnavailable("unexpected", f"{job.folder}: {error}"))
        finally:
            self._numbering.let_go(job.id)

    def process(self, course: Course) -> None:
        if course.job.state is State.CLAIMED:
            self._make(course)
        if course.job.state is State.PUBLISHING:
            self._publish(course)
        self._file(course)

    def _make(self, course: Course) -> None:
        if course.job.problem is not None:  # seen at intake: nothing of it is decoded
            return course.move(State.REJECTING)
        self._discard(course)  # of a life that may have ended before it had cleared away: they bear its name
        photo = self._decoded(course)
        if photo.metadata.pages > 1:
            logs.info("only the first picture is used", **course.fields, pictures=photo.metadata.pages)
        with course.timed("matte"):
            matted = Matted(photo.pixels, self._matter.matte(photo), photo.metadata, photo.opacity)
        problem = doubt(matted.alpha) if course.job.plan.review else None
        number, chosen = self._numbering.choose(course.folder, replace(course.job, problem=problem), first=1)
        results = tuple(
            self._made(course, index, output, target, matted)
            for index, (output, target) in enumerate(zip(course.job.plan.outputs, chosen.targets, strict=True))
        )
        original.expect_unchanged(course.folder, course.job)
        return course.move(
            State.PUBLISHING, results=results, number=number, filed_as=chosen.filed, problem=problem,
            suspect=False, retry_wall=0.0,
        )  # fmt: skip

    def _decoded(self, course: Course) -> Photo:
        with contextlib.ExitStack() as stack:
            with course.timed("read"):
                source = stack.enter_context(original.read(course.folder, course.job))
            course.move(State.RUNNING, sha256=source.sha256, ran_in=self._us.incarnation, withheld=0)
            with course.timed("decode"):
                return self._decoder.decode(source.fd, source.size_bytes)

    def _made(self, course: Course, index: int, output: OutputSettings, target: Place, matted: Matted) -> Result:
        with course.timed("render"):
            content = self._render(output, matted)
        with course.timed("write"):
            return publish.write_temporary(course.folder, course.job, index, output.kind, target, content)

    def _publish(self, course: Course) -> None:
        for index in range(len(course.job.results)):
            with course.timed("publish"), owner.held(course.folder, self._us):
                self._publish_one(course, index)
        course.move(State.PUBLISHED)

    def _publish_one(self, course: Course, index: int) -> None:
        while True:
            try:
                return publish.publish(course.folder, course.job.results[index])
            except FileExistsError:
                self._renumber(course, index)

    def _file(self, course: Course) -> None:
        with course.timed("file"), owner.held(course.folder, self._us):
            if course.job.state in (State.REJECTING, State.FAILING):
                self._discard(course)
            if course.job.state is State.PUBLISHED and course.job.filed_as is None:
                filing.delete_original(course.folder, course.job)
            else:
                self._file_original(course)
            course.finish(course.job.end)

    def _file_original(self, course: Course) -> None:
        while True:
            place = course.job.filed_as or self._speak_for_filed(course, first=1)
            try:
                if course.job.problem is not None:
                    note = sidecar.content(course.job, self._clock.wall())
                    filing.write_sidecar(course.folder, course.job, place, note)
                return filing.file_original(course.folder, course.job, place)
            except FileExistsError:
                if course.job.problem is not None:
                    filing.remove_sidecar(course.folder, course.job.id, place)
                self._speak_for_filed(course, first=course.job.number + 1)

    def _run(self, course: Course) -> Outcome:
        try:
            self.process(course)
        except (PlaceUnavailable, OwnershipLost, RuntimeBroken, ProgramEnding):
            raise
        except PhotoChanged as error:
            self._discard(course)
            return Ended(course.release(why=error))
        except RejectedPhoto as error:
            self._give_up(course, State.REJECTING, Problem(error.reason, error.message, error.what_to_do))
        except PermissionsIgnored as error:
            self._give_up(course, State.FAILING, _ignored(course.job, error))
        except Exception as error:
            if _is_of_the_place(error):
                raise
            if isinstance(error, PhotoWithheld) and self._waits_for_its_photo(course, error):
                return Retry(course.job)
            if course.job.state not in (State.CLAIMED, State.RUNNING):
                logs.error("a finished result can't be published or filed", error, **course.fields)
                raise PlaceUnavailable("unexpected", f"{course.job.folder}: {error}") from error
            if self._attempt_failed(course, error):
                return Retry(course.job)
        return Ended(course.job)

    def _waits_for_its_photo(self, course: Course, error: PhotoWithheld) -> bool:
        """Whether it is tried again without an attempt counted. The folder goes on with its other photos."""
        withheld = course.job.withheld + 1
        retry_wall = retry.withheld_retry_wall(withheld, self._clock.wall())
        if retry_wall is None:
            return False
        logs.warning("tried again later", **course.fields, why=error)
        course.commit(replace(course.job, retry_wall=retry_wall, withheld=withheld))
        return True

    def _attempt_failed(self, course: Course, error: Exception) -> bool:
        """Count a failed attempt. True when the job waits for another, False when it was filed under failed/."""
        attempts = course.job.attempts + 1
        logs.warning("attempt failed", **course.fields, attempts=attempts, why=f"{type(error).__name__}: {error}")
        if course.job.state is State.CLAIMED:
            course.move(State.RUNNING, ran_in=self._us.incarnation)
        if retry.given_up(attempts, self._max_attempts):
            problem = Problem(
                "attempts_used_up",
                f"the photo could not be processed: {error}",
                "see the daemon's log for this job; try again with: bshm-watchd jobs requeue " + course.job.id,
            )
            self._give_up(course, State.FAILING, problem, attempts=attempts)
            return False
        retry_wall = self._clock.wall() + retry.retry_seconds(attempts)
        course.move(State.CLAIMED, attempts=attempts, retry_wall=retry_wall, suspect=False)
        self._discard(course)
        return True

    def _give_up(self, course: Course, state: State, problem: Problem, **changes: Any) -> None:
        course.move(state, problem=problem, **changes)
        self._file(course)

    def _let_go(self, course: Course, error: OwnershipLost) -> LetGo:
        """The other owner knows nothing of what was made here but not committed yet."""
        if course.job.state is State.RUNNING:
            with contextlib.suppress(PlaceUnavailable, OSError):
                self._discard(course)
        return LetGo(course.job, str(error))

    def _refunded(self, course: Course) -> Job:
        """The place failed while the photo was in work: back to claimed, as far as the place still takes it.

        The record first: one that says `publishing` may have got its name although writing it failed, and would take
        a discarded temporary for a published result.
        """
        if course.job.state is State.RUNNING:
            with contextlib.suppress(PlaceUnavailable, OSError, OwnershipLost, ProgramEnding):
                course.move(State.CLAIMED)
                self._discard(course)
        if course.job.state is State.RUNNING:
            return replace(course.job, state=State.CLAIMED)
        return course.job

    def _discard(self, course: Course) -> None:
        """What the last attempt has made, if any. Never while its record may say `publishing`: see `_refunded`."""
        if course.job.ran_in:
            publish.discard_temporaries(course.folder, course.job, names(course.job, 1).targets)

    def _renumber(self, course: Course, first_index: int) -> None:
        """Somebody took a name: the results not yet published and the original take the next number, committed."""
        number, chosen = self._numbering.choose(course.folder, course.job, course.job.number + 1)
        results = tuple(
            result if index < first_index else replace(result, target=chosen.targets[index])
            for index, result in enumerate(course.job.results)
        )
        course.commit(replace(course.job, number=number, results=results, filed_as=chosen.filed))

    def _speak_for_filed(self, course: Course, first: int) -> Place:
        number, place = self._numbering.choose_filed(course.folder, course.job, first)
        course.commit(replace(course.job, number=number, filed_as=place))
        return place


def _ignored(job: Job, error: PermissionsIgnored) -> Problem:
    mend = "mount the share with the rights you want (CIFS: gid=, file_mode=, dir_mode=), or set permissions.strict to"
    what_to_do = f"{mend} false; then: bshm-watchd jobs requeue {job.id}"
    return Problem("permissions_ignored", str(error), what_to_do)


def _is_of_the_place(error: Exception) -> bool:
    return isinstance(error, OSError) and place_error(error) is not None
