"""What is measured, and in which order: what begins something is never among what is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.bench.alone import Alone
from bshm_watchd.bench.course import Courses, Event
from bshm_watchd.bench.effort import Effort
from bshm_watchd.bench.measured_settings import without_configuration
from bshm_watchd.bench.photo_set import PhotoSet
from bshm_watchd.bench.results import SpeedOfSet, StageCost
from bshm_watchd.bench.same_photos import photos_sha256
from bshm_watchd.bench.speed import SpeedBench, Subject, settle_seconds
from bshm_watchd.config import HotFolderSettings
from bshm_watchd.matting.bundle import catalogue
from bshm_watchd.matting.devices.choice import Device
from bshm_watchd.stages import STAGES, Took
from tests.support.clock import FakeClock

_FIRST, _LATER = 100.0, 1.0  # seconds that each stage of a photo takes


@dataclass
class MadeUp:
    """Daemons that are slow with what they do first: their first start of all, first lone photo, and first burst."""

    clock: FakeClock
    starts: int = 0
    pauses: list[float] = field(default_factory=list)

    def __call__(self, settings: Any, directory: Path, clock: Any) -> Daemon:
        self.starts += 1
        return Daemon(self, settings.hot_folders[0].path, first=self.starts == 1)

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds)


class Daemon:
    def __init__(self, made_up: MadeUp, hot: Path, *, first: bool) -> None:
        self.courses = Courses()
        self.started = made_up.clock.monotonic()
        self._clock = made_up.clock
        self._hot = hot
        self._cold_and_first = first
        self._waits_for_ready = False
        self._seen: set[int] = set()  # sizes of what was dropped at once
        self._spent = 0.0

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None: ...

    def wait_until_ready(self) -> None:
        self._waits_for_ready = True

    def wait_until_over(self, photos: list[str]) -> None:
        seconds = _FIRST if self._is_first(len(photos)) else _LATER
        (self._hot / "done").mkdir(exist_ok=True)
        for photo in photos:
            began = self._clock.monotonic()
            self.courses.add(Event("claimed", began, photo, photo))
            for number, stage in enumerate(STAGES):
                self.courses.add(Took(photo, stage, began + number * seconds, began + (number + 1) * seconds))
            self.courses.add(Event("done", began, photo, photo))
            (self._hot / "drop" / photo).rename(self._hot / "done" / photo)
            self._clock.advance(len(STAGES) * seconds)
        self._spent += 2 * seconds * len(photos)

    def _is_first(self, count: int) -> bool:
        if not self._waits_for_ready:
            return self._cold_and_first
        first = count not in self._seen
        self._seen.add(count)
        return first

    def cpu_seconds(self) -> float:
        return self._spent

    def peak_mib(self) -> float:
        return 300.0

    def reset_peak(self) -> None: ...


def measured(tmp_path: Path, made_up: MadeUp, told: list[tuple[str, int, int | None]] | None = None) -> SpeedOfSet:
    photos = []
    for number in range(3):
        photos.append(tmp_path / f"{number}.jpg")
        photos[-1].write_bytes(b"a photo")
    settings = without_configuration(tmp_path / "state")
    subject = Subject(settings, settings.hot_folders[0], catalogue()["arithmetic"], Device())
    directory = tmp_path / "measured"
    directory.mkdir()
    stages = [StageCost(stage="matte", wall_seconds=1, cpu_seconds=1)]
    bench = SpeedBench(
        subject, directory, Effort(photos=4, rounds=2, lone=3, cold=2), lambda *words: (told or []).append(words),
        made_up.clock, made_up.pause, made_up, lambda settings, photos, directory: Alone(stages, {}),
    )  # fmt: skip
    return bench.measured(PhotoSet("shoot", tuple(photos), 2.0))


@pytest.fixture
def one(tmp_path: Path) -> SpeedOfSet:
    return measured(tmp_path, MadeUp(FakeClock()))


def test_the_first_start_is_not_counted(one: SpeedOfSet) -> None:
    assert one.first_result_seconds == [6 * _LATER] * 2  # publishing is the sixth stage of seven


def test_the_first_lone_photo_is_not_counted(one: SpeedOfSet) -> None:
    assert one.drop_to_result_seconds == [6 * _LATER] * 3
    assert one.matte_seconds == [_LATER] * 3


def test_the_first_burst_is_not_counted(one: SpeedOfSet) -> None:
    assert [burst.seconds for burst in one.rounds] == [4 * 7 * _LATER] * 2
    assert [burst.cpu_seconds for burst in one.rounds] == [2 * 4 * _LATER] * 2
    assert one.in_burst_seconds == [6 * _LATER] * 8


def test_the_timeline_is_that_of_the_last_burst(one: SpeedOfSet) -> None:
    assert len(one.timeline) == 4 * len(STAGES)
    assert one.timeline[0].began == 0.0


def test_a_photo_lies_still_for_long_enough_before_a_cold_start(tmp_path: Path) -> None:
    made_up = MadeUp(FakeClock())
    found = measured(tmp_path, made_up)
    assert len(made_up.pauses) == 3
    assert all(pause > found.settle_seconds for pause in made_up.pauses)


def test_each_cold_start_is_a_process_of_its_own_and_one_is_resident_for_the_rest(tmp_path: Path) -> None:
    made_up = MadeUp(FakeClock())
    measured(tmp_path, made_up)
    assert made_up.starts == 3 + 1


def test_what_is_done_is_told_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = [("", 0, 0)]
    measured(tmp_path, MadeUp(FakeClock()), told)
    assert ("shoot: bursts", 0, 3) in told
    assert ("shoot: bursts", 3, 3) in told


def test_what_the_daemon_has_found_out_about_the_model_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "state" / "cache").mkdir(parents=True)
    (tmp_path / "state" / "cache" / "runtime.json").write_text("{}")
    measured(tmp_path, MadeUp(FakeClock()))
    assert (tmp_path / "measured" / "state" / "cache" / "runtime.json").read_text() == "{}"


def test_a_set_is_known_by_what_is_in_its_photos(one: SpeedOfSet, tmp_path: Path) -> None:
    photos = [tmp_path / f"{number}.jpg" for number in range(3)]
    assert one.photos_sha256 == photos_sha256([photo] for photo in reversed(photos))
    photos[1].write_bytes(b"another photo")
    assert one.photos_sha256 != photos_sha256([photo] for photo in photos)


@pytest.mark.parametrize(("setting", "seconds"), [(7.0, 7.0), ("auto", 2.0)])
def test_settling_is_told_as_it_is_set(setting: float | str, seconds: float, tmp_path: Path) -> None:
    folder = HotFolderSettings.model_validate({"name": "a", "path": tmp_path, "settle_seconds": setting})
    assert settle_seconds(folder) == seconds
