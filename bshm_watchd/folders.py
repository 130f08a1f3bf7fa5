"""The hot folders as the main thread knows them, and how a reload replaces some of them.

A folder that a reload takes out or changes *leaves*: its running jobs end as they were planned, then it is detached.
What comes in its place is not attached before, as if the daemon had been restarted for that folder alone. Until then
all that is heard under its name is still its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bshm_watchd import logs
from bshm_watchd.config import HotFolderSettings
from bshm_watchd.folder_state import FolderState


class Folders:
    """Belongs to the main thread."""

    def __init__(self, folders: Iterable[FolderState]) -> None:
        self.configured = {folder.settings.name: folder for folder in folders}
        self.leaving: dict[str, FolderState] = {}

    def __repr__(self) -> str:
        return f"<Folders {', '.join(self.configured)}; leaving: {', '.join(self.leaving) or 'none'}>"

    @property
    def all(self) -> list[FolderState]:
        return [*self.configured.values(), *self.leaving.values()]

    def find(self, name: str) -> FolderState | None:
        """Whose answers and jobs come under this name."""
        return self.leaving.get(name) or self.configured.get(name)

    def heard_of(self, name: str) -> FolderState:
        """The same, where something under way tells that there is one."""
        return self.leaving.get(name) or self.configured[name]

    def replace(self, settings: Iterable[HotFolderSettings], made: Mapping[str, FolderState]) -> None:
        """Those of `settings` from now on: newly `made` ones, the others as they are."""
        names = [folder.name for folder in settings]
        kept = {name: made[name] if name in made else self.configured[name] for name in names}
        for name, folder in self.configured.items():
            if kept.get(name) is not folder:
                self._leave(name, folder)
        for folder in made.values():
            folder.waits_for = tuple(other for other in self.leaving.values() if _meet(other.settings, folder.settings))
        self.configured.clear()
        self.configured.update(kept)

    def let_go(self, now: float) -> None:
        """Detach what has nothing under way any more."""
        staying = {folder.settings.path for folder in self.configured.values()}
        for folder in self.leaving.values():
            if folder.call is None and not folder.running:
                folder.ask_detach(now, keep_owned=folder.settings.path in staying)

    def left(self, name: str, error: Exception | None) -> None:
        self.leaving.pop(name).has_left()
        if error is not None:
            logs.warning("the folder could not be given up", HOT_FOLDER=name, why=error)
        logs.info("left", HOT_FOLDER=name)

    def _leave(self, name: str, folder: FolderState) -> None:
        folder.leave()
        if folder.is_waiting:  # nothing was asked of it yet, and its name belongs to the one that it waits for
            folder.has_left()
        else:
            self.leaving[name] = folder


def _meet(one: HotFolderSettings, other: HotFolderSettings) -> bool:
    """Whether they can't work at the same time."""
    nested = one.path == other.path or one.path in other.path.parents or other.path in one.path.parents
    return nested or one.name == other.name
