"""A check that can't fail is a defect: the crash loop must see each of these breaks."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.course import Course
from bshm_watchd.disk import claim, filing, record
from bshm_watchd.disk.folder import WORK
from bshm_watchd.folder_calls import FolderCalls
from bshm_watchd.intake.intake import Offer
from bshm_watchd.jobs import Job, Place, Problem, State, new_id
from bshm_watchd.pipeline import Pipeline
from tests.support.crashes import die_everywhere
from tests.support.power_cut import PowerCutDisk


class PublishesBeforeItCommits(Pipeline):
    """The record says `publishing` only once the results have their names."""

    def process(self, course: Course) -> None:
        commit = course.commit

        def late(job: Job) -> None:
            if job.state is State.PUBLISHING:
                course.job = job
            else:
                commit(job)

        course.commit = late  # type: ignore[method-assign]
        super().process(course)


class FilesBeforeItPublishes(Pipeline):
    """The original leaves the work directory while its results have no names yet."""

    def _publish(self, course: Course) -> None:
        assert course.job.filed_as is not None
        filing.file_original(course.folder, course.job, course.job.filed_as)
        with course.folder.work(course.job.id) as work_fd:
            course.folder.disk.unlink(work_fd, record.NAME)
        super()._publish(course)


class ForgetsWhatItPublished(Pipeline):
    """After a crash it makes the results again instead of going on where the record stands."""

    def process(self, course: Course) -> None:
        if course.job.state is State.PUBLISHING:
            course.job = replace(course.job, state=State.CLAIMED, results=())
        super().process(course)


class ClaimsBeforeItRecords(FolderCalls):
    """The rename first, the record after it."""

    def claim(self, offer: Offer, cost_bytes: int, too_large: Problem | None) -> Job:
        folder, wall = self._folder, self._clock.wall()
        directory, _, name = offer.relative.rpartition("/")
        job = Job(
            new_id(wall), self.settings.name, name, directory, offer.stamp, wall, self._plan, problem=offer.rejection
        )
        source = Place("", claim.drop_directory(job), name)
        with folder.below(WORK) as all_work_fd, folder.below(source.directory) as from_fd:
            folder.disk.mkdir(all_work_fd, job.id, 0o700)
            with folder.work(job.id) as work_fd:
                folder.disk.replace(from_fd, name, work_fd, name)
                for fd in (work_fd, from_fd, all_work_fd):
                    folder.disk.fsync(fd)
                job = claim.confirm(folder, job, work_fd)
        self._journal.record(job)
        self._intake.taken(offer.relative, self._clock.monotonic())
        return job


class NeverSyncsResults(PowerCutDisk):
    """As if a result's bytes were not synced before it gets its name."""

    def fsync(self, fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode) or _path_of(fd).suffix != ".part":
            super().fsync(fd)


class NeverSyncsNames(PowerCutDisk):
    """As if the directory were not synced after a result got its name in it."""

    def fsync(self, fd: int) -> None:
        if _path_of(fd).name not in ("results", "mattes"):
            super().fsync(fd)


_BREAKS: dict[str, tuple[dict[str, Any], str]] = {
    "published before committed": ({"pipeline": PublishesBeforeItCommits}, "results: 3 for 2"),
    "filed before published": ({"pipeline": FilesBeforeItPublishes}, "left lying about"),
    "claimed before recorded": ({"calls": ClaimsBeforeItRecords}, "was dropped as {'sub/a.png'}"),
    "made again after a crash": ({"restarted": {"pipeline": ForgetsWhatItPublished}}, "results: 3 for 2"),
    "bytes of results never synced": ({"kept": NeverSyncsResults}, "is not a whole picture"),
    "names of results never synced": ({"kept": NeverSyncsNames}, "results: 1 for 2"),
}


@pytest.mark.parametrize(("options", "seen"), _BREAKS.values(), ids=_BREAKS)
def test_the_crash_loop_sees_a_deliberate_break(fast_path: Path, options: dict[str, Any], seen: str) -> None:
    with pytest.raises(AssertionError, match=seen):
        die_everywhere(fast_path, **options)


def _path_of(fd: int) -> Path:
    return Path(f"/proc/self/fd/{fd}").readlink()
