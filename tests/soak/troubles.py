"""What goes wrong during a soak, in random order: troubles of a place, and of the daemon itself."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable

from tests.soak.people import Person
from tests.soak.places import Place
from tests.soak.service import Service, children

# During these a person could not reach the place's drop/, or would keep it from being taken away.
_PEOPLE_WAIT = {"root gone", "another root", "read-only", "unmounted"}
_IDLE_SECONDS = 60


class Troubles:
    """Belongs to the thread of the soak. Every trouble is over when its method returns."""

    def __init__(self, service: Service, people: dict[str, Person], seed: str) -> None:
        self._service = service
        self._people = people
        self._random = random.Random(seed)
        self.happened: Counter[str] = Counter()

    def of_a_place(self) -> None:
        place = self._random.choice(self._service.places)
        what = self._random.choice(sorted(place.troubles))
        self._during(place, what, self._random.uniform(1, 20))

    def of_the_daemon(self, *, deadly: bool) -> None:
        gentle: list[Callable[[], None]] = [self._frozen, self._decoders_killed, self._reloaded, self._reload_refused]
        ends: list[Callable[[], None]] = [self._killed, self._killed_soon_again, self._stopped]
        act = self._random.choice(ends if deadly else gentle)
        act()
        self.happened[act.__name__.strip("_").replace("_", " ")] += 1

    def _during(self, place: Place, what: str, seconds: float) -> None:
        person = self._people[place.name]
        with contextlib.ExitStack() as stack:
            if what in _PEOPLE_WAIT:
                person.allowed.clear()
                stack.callback(person.allowed.set)
                assert person.idle.wait(_IDLE_SECONDS), f"the person at {place.name} is never done"
            end = place.troubles[what]()
            stack.callback(end)
            self.happened[what] += 1
            if self._random.random() < 0.15:  # troubles come together
                self.of_the_daemon(deadly=False)
            time.sleep(seconds)

    def _killed(self) -> None:
        self._service.kill()
        time.sleep(self._random.uniform(0, 2))
        self._service.start()

    def _killed_soon_again(self) -> None:
        for _ in range(3):
            self._killed()
            time.sleep(self._random.uniform(0, 1.5))

    def _stopped(self) -> None:
        self._service.stop()
        self._service.start()

    def _reloaded(self) -> None:
        """Every folder's weight changes: each is served by a new configuration from now on."""
        self._service.configure(weight=self._random.randrange(1, 9))
        code = self._service.reload()
        assert code == 0, f"a good configuration was refused with {code}"

    def _reload_refused(self) -> None:
        self._service.configure(wrong=True)
        code = self._service.reload()
        self._service.configure()
        assert code == 78, f"a wrong configuration gave {code}"

    def _frozen(self) -> None:
        assert self._service.process is not None
        self._service.process.send_signal(signal.SIGSTOP)
        time.sleep(self._random.uniform(1, 15))
        self._service.process.send_signal(signal.SIGCONT)

    def _decoders_killed(self) -> None:
        assert self._service.process is not None
        for child in children(self._service.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
