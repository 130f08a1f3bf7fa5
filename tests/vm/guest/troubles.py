"""While a share is in trouble: does the local folder keep its pace, does status answer, does all go on afterwards?"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator

from tests.vm.guest.console import say
from tests.vm.guest.places import Studio

_LOOK_SECONDS = 0.1
_STATUS_SECONDS = 3.0
_CALM_PHOTOS = 2


class Pace:
    """Drops a photo into the local folder, waits until it is done, and again; asks for the status all the while."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio
        self._over = threading.Event()
        self._load = _Load()
        self.photos_seconds: list[float] = []
        self.answers_seconds: list[float] = []
        self.problem: BaseException | None = None

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Raises `AssertionError` when the local folder was slower in there than without trouble, or status was."""
        calm = max(self.one_photo() for _ in range(_CALM_PHOTOS))
        works = (self.one_photo, self._one_answer, self._load.measure)
        threads = [threading.Thread(target=self._guarded, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()
        slowest, answer, load = max(self.photos_seconds), max(self.answers_seconds), self._load.factor
        measured = {"calm": calm, "local_photo": slowest, "status": answer, "machine_slowed_by": load}
        say(**{name: round(value, 2) for name, value in measured.items()})
        assert self.problem is None, self.problem
        # A folder is called unreachable after 10 seconds: whoever waits for that in its stead is slower than this.
        assert slowest < (2 * calm + 5) * load, f"a local photo took too long: {measured}"
        assert answer < _STATUS_SECONDS * load, f"status took too long: {measured}"

    def _guarded(self, work: object) -> None:
        try:
            while not self._over.is_set():
                assert callable(work)
                work()
        except BaseException as error:  # noqa: BLE001  raised where the threads are joined
            self.problem = error

    def one_photo(self) -> float:
        began = time.monotonic()
        self._studio.wait_done("portraits", self._studio.local.drop(1))
        self.photos_seconds.append(time.monotonic() - began)
        return self.photos_seconds[-1]

    def _one_answer(self) -> float:
        began = time.monotonic()
        assert self._studio.program.status(), "status did not answer"
        self.answers_seconds.append(time.monotonic() - began)
        self._over.wait(_LOOK_SECONDS)
        return self.answers_seconds[-1]


class _Load:
    """How much slower this machine gets, whatever the daemon does: others may use the host's processors."""

    def __init__(self) -> None:
        self._calm = min(self._a_little_work() for _ in range(5))
        self.factor = 1.0

    def measure(self) -> None:
        self.factor = max(self.factor, self._a_little_work() / self._calm)
        time.sleep(_LOOK_SECONDS)

    @staticmethod
    def _a_little_work() -> float:
        """In a process of its own: within this one, it would wait for other threads."""
        began = time.monotonic()
        subprocess.run(["sh", "-c", "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done"], check=True)
        return time.monotonic() - began


def survive(
    studio: Studio, names: tuple[str, ...], trouble: contextlib.AbstractContextManager[object], *, noticed: bool = True
) -> dict[str, int]:
    """Trouble in the middle of work on these folders: they are seen to be away, others are not, all is worked off."""
    pace, before = Pace(studio), sum(len(place.tree.originals) for place in studio.places.values())
    with pace.kept():
        load = {name: studio.places[name].drop(6) for name in names}
        studio.wait(lambda: _has_begun(studio, load), "it is in the middle of work")
        with trouble:
            if noticed:
                away = ("unreachable", "held")
                studio.wait(lambda: all(studio.state(name) in away for name in names), f"{names} are away")
            for name in names:
                load[name] += studio.places[name].drop(2)
        for name in names:
            studio.wait_done(name, load[name])
    checked = sum(studio.places[name].check() for name in names)
    dropped = sum(len(place.tree.originals) for place in studio.places.values()) - before
    return {"server_stops": 1, "photos_dropped": dropped, "files_checked": checked}


def _has_begun(studio: Studio, load: dict[str, list[str]]) -> bool:
    """Of each folder something is done, and in one at least not everything."""
    done = {name: len(studio.places[name].done() & set(photos)) for name, photos in load.items()}
    return all(done.values())
