"""Sees with which plan each job was claimed, and that this is the plan it is worked on with, in whichever life."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bshm_watchd.folder_calls import FolderCalls
from bshm_watchd.jobs import Job, Plan, State
from bshm_watchd.pipeline import Pipeline


@dataclass
class Witness:
    claimed: dict[str, Plan] = field(default_factory=dict)  # by job
    published: dict[str, tuple[str, ...]] = field(default_factory=dict)  # kinds of results that a job went to publish

    def saw(self, job: Job) -> None:
        assert self.claimed.setdefault(job.id, job.plan) == job.plan, f"{job.relative} has another plan than at first"
        if job.results:
            planned = tuple(output.kind for output in job.plan.outputs)
            assert tuple(result.kind for result in job.results) == planned
            self.published[job.id] = planned

    def calls(self) -> type[FolderCalls]:
        witness = self

        class Witnessed(FolderCalls):
            def claim(self, *arguments: Any) -> Job:
                job = super().claim(*arguments)
                if job.state is State.CLAIMED:
                    witness.saw(job)
                return job

        return Witnessed

    def pipeline(self, of: type[Pipeline]) -> type[Pipeline]:
        witness = self

        class Witnessed(of):  # type: ignore[valid-type, misc]
            def process(self, course: Any) -> None:
                witness.saw(course.job)
                commit = course.commit

                def seen(job: Job) -> None:
                    commit(job)
                    witness.saw(job)

                course.commit = seen
                super().process(course)

        return Witnessed
