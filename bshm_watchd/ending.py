"""How a run ends: its exit code, and for one that works off a backlog, when that is.

Such a run looks once more after its last job, for what came meanwhile, and waits a while for what can't be had yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bshm_watchd.errors import DecoderUnsafe
from bshm_watchd.folder_state import FolderState
from bshm_watchd.jobs import State
from bshm_watchd.status import FolderMode
from bshm_watchd.tally import Tally

EXIT_FINE, EXIT_SOME_REJECTED, EXIT_OWNED, EXIT_BROKEN, EXIT_LEFT, EXIT_CONFIG, EXIT_INTERRUPTED = (
    0, 1, 2, 70, 75, 78, 130,
)  # fmt: skip
_FOR_EVER = float("inf")


@dataclass(frozen=True, slots=True)
class Once:
    """Work off the backlog and end; what can't be had for `wait_seconds` is left."""

    wait_seconds: float


def may_blame_a_photo(exit_code: int | None, failure: BaseException | None) -> bool:
    """Whether a photo that was in work may have brought this end about: see `recovery.judge`."""
    return exit_code == EXIT_BROKEN and not isinstance(failure, DecoderUnsafe)


class Ending:
    """Judges by the daemon's folders, which it only reads. Belongs to the main thread."""

    def __init__(self, once: Once | None, folders: Mapping[str, FolderState], now: float) -> None:
        self.once = once
        self._folders = folders
        self._progress_at = now
        self._ended_since_scan: set[str] = set()

    def progressed(self, now: float) -> None:
        self._progress_at = now

    def ended_in(self, folder: str) -> None:
        self._ended_since_scan.add(folder)

    def is_worked_off(self, now: float) -> bool:
        """Asked while nothing is in work."""
        if self.once is None:
            return False
        self._rescan_after_last_job()
        return now >= self.due()

    def due(self) -> float:
        """When it is over, if nothing happens before; while nothing is in work."""
        return _FOR_EVER if self.once is None else self._progress_at + self._patience_seconds(self.once)

    def exit_code(self, tally: Tally) -> int:
        folders = self._folders.values()
        if any(folder.mode is FolderMode.OWNED_ELSEWHERE for folder in folders):
            return EXIT_OWNED
        if any(f.left or not f.is_idle or f.mode is not FolderMode.WATCHING for f in folders):
            return EXIT_LEFT
        return EXIT_SOME_REJECTED if tally.count(State.REJECTED, State.FAILED) else EXIT_FINE

    def _patience_seconds(self, once: Once) -> float:
        """How long to wait without any progress before what is left is left."""
        watching = [folder for folder in self._folders.values() if folder.mode is FolderMode.WATCHING]
        if any(not folder.is_idle for folder in watching):  # it settles, or somebody still writes it
            return max(once.wait_seconds, *(folder.settle_patience_seconds for folder in watching))
        if len(watching) < len(self._folders):
            return once.wait_seconds
        # An empty file may be one that is about to grow.
        settling = [folder.settings.settle_max_seconds for folder in watching if folder.left]
        return min(once.wait_seconds, max(settling, default=0.0))

    def _rescan_after_last_job(self) -> None:
        for name in self._ended_since_scan:
            self._folders[name].scan_asked = True
        self._ended_since_scan.clear()
