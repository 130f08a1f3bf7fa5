"""All of a library in one go: what is kept where, what is expected of this machine, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
import pytest
import typer

from bshm_watchd import __version__
from bshm_watchd.bench import results
from bshm_watchd.bench.drawn import compose, save
from bshm_watchd.bench.library import QUALITY, SPEED
from bshm_watchd.bench.pack import Alpha
from bshm_watchd.bench.pairs import find_pairs
from bshm_watchd.bench.quality import Judge, Judged
from bshm_watchd.bench.results import Machine, QualityResult, SpeedResult, Stamp
from bshm_watchd.bench.whole import Held, Parts, Result
from bshm_watchd.cli.bench_library import Doing, work_through
from bshm_watchd.cli.bench_parts import doing
from bshm_watchd.errors import ConfigError, WatchdError
from bshm_watchd.matting.photo import Photo
from tests.support.clock import FakeClock
from tests.support.decoders import InProcessDecoder

PLACE = f"results/some-cpu-tm-8-cores/2026-09-21-{__version__}"
EXPECTED = "expectations/some-cpu-tm-8-cores"


def stamp(bundle: str = "portrait") -> Stamp:
    machine = Machine(processor="Some CPU (TM)", cores=8, memory_mib=1, kernel="6", python="3")
    return Stamp(
        version="1", commit=None, made="2026-01-01T00:00:00+00:00", machine=machine, bundle=bundle, networks={},
        runtime="r", precision="f32", device="cpu", libraries={},
    )  # fmt: skip


class Brightened:
    """A matte that is `off` too bright."""

    def __init__(self, off: int) -> None:
        self._off = off

    def matte(self, photo: Photo) -> Alpha:
        return compose(1, photo.height, photo.width).alpha // 2 + self._off


@dataclass
class Bench:
    """Fakes: quality is measured with mattes that are `off`, speed has no set, worse is what differs at all."""

    library: Path
    off: int = 0
    bundle: str = "portrait"
    sets: list[str] = field(default_factory=list)
    scenes: list[str] = field(default_factory=list)
    shown: list[Result] = field(default_factory=list)
    sets_unfit: Exception | None = None
    speed_fails: Exception | None = None

    def run(self, *, store: bool = False, as_json: bool = False) -> int:
        parts = Parts(self._speed, self._quality, self._compared, FakeClock())
        return work_through(
            self.library, Doing(lambda _: parts, self.shown.append, self._report), store=store, as_json=as_json
        )

    def _speed(self, sets: Sequence[Path]) -> Callable[[], SpeedResult]:
        if self.sets_unfit is not None:
            raise self.sets_unfit
        self.sets = [path.name for path in sets]
        return self._speed_now

    def _speed_now(self) -> SpeedResult:
        if self.speed_fails is not None:
            raise self.speed_fails
        return SpeedResult(stamp=stamp(self.bundle), sets=[])

    def _quality(self, directory: Path) -> tuple[Stamp, Judged]:
        found = find_pairs(directory)
        self.scenes = [scene.name for scene in found.scenes]
        clock = FakeClock()
        judge = Judge(InProcessDecoder(), Brightened(self.off), clock)
        return stamp(self.bundle), judge.judged(found.scenes, lambda *_: None)

    def _compared(self, expected: Result, found: Result) -> Held:
        if expected.stamp.bundle != found.stamp.bundle:
            raise ConfigError([f"bundle: {expected.stamp.bundle} before, {found.stamp.bundle} now"])
        if not isinstance(found, QualityResult) or not isinstance(expected, QualityResult):
            return Held(("as fast as ever",), False)
        worse = found.scenes != expected.scenes
        return Held(("the mattes are others",) if worse else ("the mattes are the same",), worse)

    def _report(self, found: Sequence[Path], directory: Path) -> list[Path]:
        path = directory / "report.html"
        path.write_text(" ".join(path.name for path in found))
        return [path]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    library = tmp_path / "lib"
    for scene in ("group", "own-scene"):
        drawn = compose(3, 96, 128)
        save(library / QUALITY / scene / "a.jpg", drawn.pixels)
        save(library / QUALITY / scene / "a.matte.png", drawn.alpha)
    for name in ("1080p", "own-set"):
        (library / SPEED / name).mkdir(parents=True)
    return Bench(library)


def test_a_studios_own_sets_and_scenes_are_measured_too(bench: Bench) -> None:
    assert bench.run() == 0
    assert bench.sets == ["1080p", "own-set"]
    assert bench.scenes == ["group", "own-scene"]


def test_results_are_kept_under_machine_day_and_version_with_pictures_and_report(bench: Bench) -> None:
    bench.run()
    place = bench.library / PLACE
    assert sorted(path.name for path in place.iterdir()) == [
        "quality.json", "quality.shown", "report.html", "speed.json",
    ]  # fmt: skip
    assert isinstance(results.read(place / "speed.json"), SpeedResult)
    kept = results.read(place / "quality.json")
    assert isinstance(kept, QualityResult)
    assert all((place / name).is_file() for names in kept.shown.values() for name in names)
    assert (place / "report.html").read_text() == "quality.json speed.json"


def test_a_second_run_on_one_day_is_kept_beside_the_first(bench: Bench) -> None:
    bench.run()
    bench.run()
    places = sorted(path.name for path in (bench.library / PLACE).parent.iterdir())
    assert places == [f"2026-09-21-{__version__}", f"2026-09-21-{__version__}-2"]


def test_measuring_that_fails_keeps_nothing(bench: Bench) -> None:
    bench.speed_fails = WatchdError("the daemon failed")
    with pytest.raises(WatchdError, match="the daemon failed"):
        bench.run()
    assert list((bench.library / "results").iterdir()) == []


def test_photos_that_can_t_be_measured_are_told_before_any_time_is_spent_on_quality(bench: Bench) -> None:
    bench.sets_unfit = ConfigError(["own-set: no photos are in that directory"])
    with pytest.raises(ConfigError, match="own-set: no photos"):
        bench.run()
    assert bench.scenes == []


def test_without_anything_to_measure_it_is_said_how_to_build_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"build one with: bshm-watchd bench library {tmp_path}"):
        Bench(tmp_path).run()


def test_a_library_of_quality_alone_is_measured(bench: Bench) -> None:
    (bench.library / SPEED).rename(bench.library / "elsewhere")
    assert bench.run() == 0
    assert [result.kind for result in bench.shown] == ["quality"]


def test_without_what_the_report_takes_nothing_is_measured_and_it_is_said_what_to_install(bench: Bench) -> None:
    def load(name: str) -> object:
        raise ImportError(name)

    with pytest.raises(ConfigError, match=r"pip install 'bshm-watchd\[bench\]'"):
        doing(typer.Context(click.Command("all")), bench.library, load)


# -- what is expected ----------------------------------------------------------------------------------------


def test_where_nothing_is_expected_of_a_machine_it_is_said_and_fine(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.run() == 0
    told = capsys.readouterr().out
    assert told.count("nothing is expected of this machine (Some CPU (TM), 8 cores) yet") == 2
    assert f"keep it as expected: bshm-watchd bench all {bench.library} --store" in told
    assert not (bench.library / "expectations").exists()


def test_what_was_stored_is_held_against_what_is_measured_later(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.run(store=True) == 0
    stored = sorted(path.name for path in (bench.library / EXPECTED).iterdir())
    assert stored == ["quality.json", "speed.json"]
    capsys.readouterr()
    assert bench.run() == 0
    told = capsys.readouterr().out
    assert "the mattes are the same" in told and "as fast as ever" in told


def test_whoever_stores_is_not_told_to_store(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.run(store=True)
    told = capsys.readouterr().out
    assert "--store" not in told
    assert f"expected from now on: {bench.library}/{EXPECTED}/quality.json" in told


def test_a_regression_is_told_and_ends_with_1(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.run(store=True)
    bench.off = 40
    assert bench.run() == 1
    assert "the mattes are others" in capsys.readouterr().out
    assert (bench.library / f"{PLACE}-2" / "report.html").exists()


def test_storing_anew_makes_what_was_a_regression_the_expectation(bench: Bench) -> None:
    bench.run(store=True)
    bench.off = 40
    assert bench.run(store=True) == 0
    assert bench.run() == 0


def test_what_can_not_be_compared_is_told_and_ends_with_78(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.run(store=True)
    bench.bundle = "u2netp"
    assert bench.run() == 78
    told = capsys.readouterr().out
    assert f"it can't be compared with {bench.library}/{EXPECTED}/quality.json: bundle: portrait before" in told
    assert (bench.library / f"{PLACE}-2" / "quality.json").exists()


def test_stored_expectations_name_no_pictures(bench: Bench) -> None:
    bench.run(store=True)
    stored = results.read(bench.library / EXPECTED / "quality.json")
    assert isinstance(stored, QualityResult) and stored.shown == {}


def test_json_tells_the_verdicts_and_where_all_is(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.run(store=True)
    bench.off = 40
    capsys.readouterr()
    assert bench.run(as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert {one["kind"]: one["worse"] for one in told["verdicts"]} == {"quality": True, "speed": False}
    assert told["report"] == [f"{bench.library}/{PLACE}-2/report.html"]


def test_json_says_ok_wherever_it_ends_with_0_although_it_got_worse(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.run(store=True)
    bench.off = 40
    capsys.readouterr()
    assert bench.run(store=True, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert {one["kind"]: one["worse"] for one in told["verdicts"]} == {"quality": True, "speed": False}
