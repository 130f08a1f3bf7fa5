"""Mattes held against the truth: what a picture, a scene and a whole result say, and what is shown of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from bshm_watchd.bench import results
from bshm_watchd.bench.drawn import compose, save
from bshm_watchd.bench.pack import Alpha
from bshm_watchd.bench.pairs import find_pairs
from bshm_watchd.bench.quality import Judge, Judged, mean_of, worst_of, written_with_pictures
from bshm_watchd.bench.results import Machine, PictureQuality, QualityResult, Stamp
from bshm_watchd.bench.shown import SHOWN
from bshm_watchd.errors import ConfigError, RuntimeBroken
from bshm_watchd.matting.fetch import fetch
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.runtime import MattingFailed
from tests.support.asked import Configured, configured, typed
from tests.support.clock import FakeClock
from tests.support.decoders import InProcessDecoder

HEIGHT, WIDTH = 120, 160


class Matter:
    """Answers with what `of` makes of the photo, after a second and a half."""

    def __init__(self, of: Callable[[Photo], Alpha], clock: FakeClock) -> None:
        self._of = of
        self._clock = clock

    def matte(self, photo: Photo) -> Alpha:
        self._clock.advance(1.5)
        return self._of(photo)


def green(photo: Photo) -> Alpha:
    return photo.pixels[:, :, 1].copy()


def pair(directory: Path, name: str, alpha: Alpha, off: int = 0) -> None:
    """A photo whose green is its true alpha, `off` taken from it."""
    photo = np.zeros((*alpha.shape, 3), np.uint8)
    photo[:, :, 1] = np.clip(alpha.astype(int) - off, 0, 255)
    save(directory / f"{name}.png", photo)
    save(directory / f"{name}.matte.png", alpha)


def figure(seed: int) -> Alpha:
    return compose(seed, HEIGHT, WIDTH).alpha


def judged(directory: Path, of: Callable[[Photo], Alpha] = green) -> Judged:
    clock = FakeClock()
    judge = Judge(InProcessDecoder(), Matter(of, clock), clock)
    return judge.judged(find_pairs(directory).scenes, lambda *_: None)


def stamp() -> Stamp:
    machine = Machine(processor="a CPU", cores=2, memory_mib=1, kernel="6", python="3")
    return Stamp(
        version="1", commit=None, made="2026-01-01T00:00:00+00:00", machine=machine, bundle="b", networks={},
        runtime="r", precision="f32", device="cpu", libraries={},
    )  # fmt: skip


def test_a_perfect_matte_has_no_error_and_its_time(tmp_path: Path) -> None:
    pair(tmp_path, "a", figure(1))
    (picture,) = judged(tmp_path).scenes[0].pictures
    assert (picture.sad, picture.mse, picture.mad, picture.gradient, picture.connectivity) == (0, 0, 0, 0, 0)
    assert (picture.edge_psnr_db, picture.matte_seconds, picture.failed) == (60, 1.5, None)


def test_a_matte_that_is_off_everywhere_is_told_by_how_much(tmp_path: Path) -> None:
    pair(tmp_path, "a", np.full((HEIGHT, WIDTH), 255, np.uint8), off=51)
    (picture,) = judged(tmp_path).scenes[0].pictures
    assert picture.mad == pytest.approx(0.2)
    assert picture.sad == pytest.approx(0.2 * HEIGHT * WIDTH / 1000)
    assert picture.is_wrong


def test_a_photo_that_the_model_fails_on_is_told_and_the_others_are_measured(tmp_path: Path) -> None:
    pair(tmp_path, "a", figure(1))
    pair(tmp_path, "b", np.full((HEIGHT, WIDTH), 255, np.uint8))

    def spoiled(photo: Photo) -> Alpha:
        if photo.pixels[:, :, 1].all():
            raise MattingFailed("no usable alpha")
        return green(photo)

    good, bad = judged(tmp_path, spoiled).scenes[0].pictures
    assert (good.failed, good.mad) == (None, 0)
    assert (bad.failed, bad.mad, bad.edge_psnr_db) == ("no usable alpha", None, None)
    assert bad.is_wrong


def test_a_model_that_is_broken_ends_the_measurement(tmp_path: Path) -> None:
    pair(tmp_path, "a", figure(1))

    def broken(_: Photo) -> Alpha:
        raise RuntimeBroken("the device is gone")

    with pytest.raises(RuntimeBroken):
        judged(tmp_path, broken)


def test_a_matte_without_anybody_is_a_failure_where_somebody_is(tmp_path: Path) -> None:
    pair(tmp_path, "a", figure(1))
    pair(tmp_path, "b", np.zeros((HEIGHT, WIDTH), np.uint8))
    missed, right = judged(tmp_path, lambda photo: np.zeros_like(green(photo))).scenes[0].pictures
    assert missed.failed == "nobody was found in it"
    assert (right.failed, right.mad) == (None, 0)


def test_a_cutouts_alpha_channel_is_the_truth(tmp_path: Path) -> None:
    alpha = figure(2)
    pair(tmp_path, "a", alpha)
    save(tmp_path / "a.matte.png", np.dstack([np.full((HEIGHT, WIDTH, 3), (10, 200, 90), np.uint8), alpha]))
    (picture,) = judged(tmp_path).scenes[0].pictures
    assert picture.mad == 0


def test_a_picture_in_colours_is_not_taken_for_a_matte(tmp_path: Path) -> None:
    pair(tmp_path, "a", figure(1))
    save(tmp_path / "a.matte.png", compose(1, HEIGHT, WIDTH).pixels)
    with pytest.raises(ConfigError, match="is in colours and has no alpha channel, so it is no matte"):
        judged(tmp_path)


def test_a_matte_that_was_turned_is_told_from_one_that_fits(tmp_path: Path) -> None:
    pair(tmp_path, "a", figure(1))
    save(tmp_path / "a.matte.png", np.ascontiguousarray(figure(1).T))
    with pytest.raises(ConfigError, match=f"{WIDTH} x {HEIGHT} pixels, its matte a.matte.png {HEIGHT} x {WIDTH}"):
        judged(tmp_path)


def quality(name: str, mad: float | None, failed: str | None = None) -> PictureQuality:
    return PictureQuality(
        name=name, sad=mad, mse=mad, mad=mad, gradient=mad, connectivity=mad, edge_psnr_db=mad, matte_seconds=1,
        failed=failed,
    )  # fmt: skip


def test_means_are_over_the_pictures_that_have_a_matte() -> None:
    pictures = [quality("a", 0.2), quality("b", 0.4), quality("c", None, "broken")]
    assert mean_of(pictures, "mad") == pytest.approx(0.3)
    assert mean_of(pictures[2:], "mad") is None


def test_a_failed_picture_is_worse_than_any_other() -> None:
    pictures = [quality("a", 0.2), quality("b", None, "broken"), quality("c", 0.4)]
    assert [one.name for one in (worst_of(pictures), worst_of([pictures[0], pictures[2]])) if one] == ["b", "c"]


def test_a_scene_is_known_by_what_is_in_its_photos_and_mattes(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        pair(tmp_path, name, figure(seed))
    before = judged(tmp_path).scenes[0].photos_sha256
    assert before and judged(tmp_path).scenes[0].photos_sha256 == before
    save(tmp_path / "a.matte.png", figure(3))
    assert judged(tmp_path).scenes[0].photos_sha256 != before


class ColdAtEachSize:
    """Takes a minute and a half for what it has not met, then a second and a half."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._met: set[int] = set()

    def matte(self, photo: Photo) -> Alpha:
        self._clock.advance(1.5 if photo.height in self._met else 90)
        self._met.add(photo.height)
        return green(photo)


def test_the_first_run_of_each_working_size_is_not_timed(tmp_path: Path) -> None:
    pair(tmp_path, "a", figure(1))
    pair(tmp_path, "b", figure(2))
    pair(tmp_path, "c", compose(3, HEIGHT * 2, WIDTH).alpha)
    clock = FakeClock()
    judge = Judge(InProcessDecoder(), ColdAtEachSize(clock), clock)
    pictures = judge.judged(find_pairs(tmp_path).scenes, lambda *_: None).scenes[0].pictures
    assert [picture.matte_seconds for picture in pictures] == [1.5, 1.5, 1.5]


def test_photos_of_one_working_size_are_warmed_up_once(tmp_path: Path) -> None:
    for number in range(3):
        pair(tmp_path, f"p{number}", compose(number, HEIGHT + number, WIDTH).alpha)
    clock = FakeClock()
    judge = Judge(InProcessDecoder(), Matter(green, clock), clock, lambda height, width: (64, 64))
    judge.judged(find_pairs(tmp_path).scenes, lambda *_: None)
    assert clock.monotonic() - FakeClock().monotonic() == 4 * 1.5


def test_a_result_shows_best_median_and_worst_of_each_scene(tmp_path: Path) -> None:
    for number, off in enumerate((40, 0, 90, 10, 60)):
        pair(tmp_path / "set" / "studio", f"p{number}", figure(number), off)
    path = tmp_path / "quality.json"
    written_with_pictures(path, stamp(), judged(tmp_path / "set"))
    read = results.read(path)
    assert isinstance(read, QualityResult)
    ranked = sorted(read.scenes[0].pictures, key=lambda picture: picture.mad or 0)
    expected = [f"quality.shown/studio/{ranked[n].name}-{what}.jpg" for n in (0, 2, 4) for what in SHOWN]
    assert read.shown == {"studio": expected}
    assert all((tmp_path / one).is_file() for one in expected)


def test_what_is_shown_is_small_and_true_to_the_mattes(tmp_path: Path) -> None:
    alpha = np.zeros((600, 960), np.uint8)
    alpha[:, 480:] = 255
    pair(tmp_path / "set", "a", alpha)
    written_with_pictures(tmp_path / "q.json", stamp(), judged(tmp_path / "set"))
    shown = {what: cv2.imread(str(tmp_path / f"q.shown/set/a-{what}.jpg")) for what in SHOWN}
    assert {picture.shape for picture in shown.values()} == {(300, 480, 3)}
    assert shown["true"][:, :200].max() < 8 and shown["ours"][:, 280:].min() > 247
    assert np.abs(shown["cutout"][:, :200].astype(int) - (176, 132, 72)).max() < 8  # blue, green, red


def test_pictures_of_an_earlier_result_are_gone_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    pair(tmp_path / "set", "a", figure(1))
    written_with_pictures(tmp_path / "q.json", stamp(), judged(tmp_path / "set"))
    (tmp_path / "q.shown" / "set" / "mine.jpg").write_bytes(b"mine")
    for left in (tmp_path / "set").iterdir():
        left.rename(left.with_name(left.name.replace("a.", "b.", 1)))
    written_with_pictures(tmp_path / "q.json", stamp(), judged(tmp_path / "set"))
    listed = sorted(path.name for path in (tmp_path / "q.shown" / "set").iterdir())
    assert listed == sorted(["mine.jpg", *(f"b-{what}.jpg" for what in SHOWN)])


# -- the command -------------------------------------------------------------------------------------------


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configured:
    found = configured(tmp_path, monkeypatch)
    fetch("arithmetic", found.state_dir)
    return found


def test_the_command_tells_each_scene_and_names_the_worst(studio: Configured, tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "set" / "one" / f"p{number}.png", compose(number, HEIGHT, WIDTH).pixels)
        save(tmp_path / "set" / "one" / f"p{number}.matte.png", figure(number))
    save(tmp_path / "set" / "one" / "alone.png", compose(9, HEIGHT, WIDTH).pixels)
    told = typed("bench", "quality", str(tmp_path / "set"), "-o", str(tmp_path / "q.json"))
    assert told.code == 0, told.err
    assert "alone.png: it has no matte, so it does not count" in told.err
    read = results.read(tmp_path / "q.json")
    assert isinstance(read, QualityResult)
    worst = worst_of(read.scenes[0].pictures)
    assert worst is not None
    (row,) = [line for line in told.out.splitlines() if line.startswith("one ")]
    assert row.split()[:2] == ["one", "3"]
    assert f"{worst.name}, MAD {worst.mad:.4f}" in row
    assert read.stamp.bundle == "arithmetic"


def test_json_is_the_result_itself(studio: Configured, tmp_path: Path) -> None:
    save(tmp_path / "set" / "a.png", compose(1, HEIGHT, WIDTH).pixels)
    save(tmp_path / "set" / "a.matte.png", figure(1))
    told = typed("bench", "quality", str(tmp_path / "set"), "--json")
    result = QualityResult.model_validate(json.loads(told.out))
    assert [picture.name for picture in result.scenes[0].pictures] == ["a"]


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_disk_that_refuses_the_result_costs_none_of_the_figures(
    studio: Configured, tmp_path: Path, words: tuple[str, ...]
) -> None:
    save(tmp_path / "set" / "anna.png", compose(1, HEIGHT, WIDTH).pixels)
    save(tmp_path / "set" / "anna.matte.png", figure(1))
    (tmp_path / "q.shown").write_text("in the way of the pictures")
    told = typed("bench", "quality", str(tmp_path / "set"), "-o", str(tmp_path / "q.json"), *words)
    assert told.code == 78
    assert "q.shown" in told.err
    assert "anna" in told.out


def test_a_place_that_can_not_take_the_result_is_refused_before_anything_is_measured(
    studio: Configured, tmp_path: Path
) -> None:
    told = typed("bench", "quality", str(tmp_path), "-o", str(tmp_path / "no" / "q.json"))
    assert told.code == 78
    assert "its directory is missing" in told.err
