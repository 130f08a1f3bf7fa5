"""What this process has brought to an end."""

from __future__ import annotations

from collections import Counter

from bshm_watchd.jobs import Job, State


class Tally:
    """Belongs to the main thread."""

    def __init__(self) -> None:
        self._ended: Counter[tuple[str, State]] = Counter()

    def add(self, job: Job) -> None:
        self._ended[job.folder, job.state] += 1

    def count(self, *states: State, folder: str | None = None) -> int:
        """How many jobs ended in any of these states, in one folder or in all."""
        return sum(n for (name, state), n in self._ended.items() if state in states and folder in (None, name))
