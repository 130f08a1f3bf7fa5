"""One soak: people drop photos, things go wrong, and in the end everything must be where it belongs.

The middle third is one long life of the daemon, so that what it hoards can be seen.
"""

from __future__ import annotations

import contextlib
import random
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.program import wait_until
from tests.soak.people import Person
from tests.soak.places import Place, places
from tests.soak.service import Sample, Service
from tests.soak.troubles import Troubles
from tests.support import invariants

_SAMPLE_SECONDS = 5
_WORKED_OFF_SECONDS = 600
_PHOTOS_A_MINUTE = 12
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Soaked:
    seconds: float
    lives: int
    happened: Counter[str]  # troubles
    dropped: Counter[str]  # photos, by the way in which people did it
    photos: int  # dropped and not taken back
    files_checked: int
    samples: tuple[Sample, ...]

    @property
    def troubles(self) -> int:
        return self.happened.total()


def soak(base: Path, seconds: float, seed: str, say: Callable[[str], None] = lambda line: None) -> Soaked:
    """Raises `AssertionError` where anything is lost, doubled, half or hoarded."""
    with contextlib.ExitStack() as stack:
        found = stack.enter_context(places(base))
        service = Service(base, found)
        people = {place.name: Person(place, f"{seed} {place.name}", _PHOTOS_A_MINUTE) for place in found}
        troubles = Troubles(service, people, seed)
        started = time.monotonic()
        stack.callback(service.kill)
        service.start()
        for person in people.values():
            person.start()
        samples = list(_live(service, people, troubles, started, seconds, random.Random(seed), say))
        _send_home(people)
        wait_until(lambda: _is_worked_off(service, found), _WORKED_OFF_SECONDS, "all is worked off", service.process)
        service.stop()
        files = _check(service, found)
        _check_flat(samples)
        dropped = sum((person.did for person in people.values()), Counter[str]())
        photos = sum(len(names) for place in found for names in place.tree.originals.values())
        return Soaked(
            time.monotonic() - started, service.lives, troubles.happened, dropped, photos, files, tuple(samples)
        )


def _live(
    service: Service, people: dict[str, Person], troubles: Troubles, started: float, seconds: float,
    chance: random.Random, say: Callable[[str], None],
) -> Iterator[Sample]:  # fmt: skip
    said = 0.0
    while (elapsed := time.monotonic() - started) < seconds:
        service.check_alive()
        for person in people.values():
            assert person.failure is None, f"the person at {person.name} failed: {person.failure!r}"
        yield Sample.of(service, elapsed)
        if elapsed - said >= 60:
            said = elapsed
            say(f"{elapsed / 60:.0f} min, life {service.lives}: {dict(troubles.happened)}")
        _something_happens(troubles, chance, deadly=not seconds / 3 <= elapsed < 2 * seconds / 3)
        time.sleep(_SAMPLE_SECONDS)


def _something_happens(troubles: Troubles, chance: random.Random, *, deadly: bool) -> None:
    drawn = chance.random()
    if drawn < 0.25:
        troubles.of_a_place()
    elif drawn < 0.35:
        troubles.of_the_daemon(deadly=False)
    elif drawn < 0.5 and deadly:
        troubles.of_the_daemon(deadly=True)


def _send_home(people: dict[str, Person]) -> None:
    for person in people.values():
        person.over.set()
    for person in people.values():
        person.join(60)
        assert not person.is_alive()
        assert person.failure is None, f"the person at {person.name} failed: {person.failure!r}"


def _is_worked_off(service: Service, found: list[Place]) -> bool:
    """Where nothing is heard of drops, the daemon may be idle beside a photo that its next scan will find."""
    if any(any(place.drop.rglob("*.png")) for place in found):
        return False
    return service.is_idle() and all(
        folder["state"] == "watching" and not folder["waiting"] and not folder["retrying"]
        for folder in service.folders().values()
    )


def _check(service: Service, found: list[Place]) -> int:
    """The invariants, and that another run finds nothing to do. Returns the number of files looked at."""
    for place in found:
        invariants.check_tree(place.tree)
    before = {place.name: place.tree.everything() for place in found}
    again = subprocess.run(service.program.command("once", "--wait", "30"), capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    after = {place.name: place.tree.everything() for place in found}
    changed = {name: sorted(dict(before[name].items() ^ after[name].items())) for name in before}
    assert before == after, f"a second run changed something: {changed}\n{again.stdout}{again.stderr}"
    return sum(map(len, after.values()))


def _check_flat(samples: list[Sample]) -> None:
    """Within the longest life: its last quarter takes no more than its second quarter did."""
    lives: dict[int, list[Sample]] = {}
    for sample in samples:
        lives.setdefault(sample.life, []).append(sample)
    longest = max(lives.values(), key=len)
    quarter = len(longest) // 4
    assert quarter >= 3, f"the longest life has {len(longest)} samples only: too few to judge"
    early, late = longest[quarter : 2 * quarter], longest[-quarter:]
    for what, slack in (("resident_bytes", 24 * _MIB), ("descriptors", 8), ("threads", 8)):
        before, now = (statistics.median(getattr(sample, what) for sample in part) for part in (early, late))
        assert now <= 1.1 * before + slack, f"{what} grew from {before:,.0f} to {now:,.0f} within one life"
