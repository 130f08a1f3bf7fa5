"""Background pictures: fitted, in the photo's colours, read once, and read again when somebody replaces one."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bshm_watchd.bench.drawn import save
from bshm_watchd.delivery.background import BackgroundFiles, converted, covering
from bshm_watchd.errors import ConfigError, PlaceUnavailable, ProgramEnding, WatchdError
from bshm_watchd.matting.photo import Photo
from tests.support import profiles
from tests.support.decoders import InProcessDecoder
from tests.support.threads import no_new_threads

Bytes = npt.NDArray[np.uint8]
RNG = np.random.default_rng(7)


class CountingDecoder:
    def __init__(self) -> None:
        self.decodes = 0

    def __call__(self, fd: int, size_bytes: int) -> Photo:
        self.decodes += 1
        return InProcessDecoder().decode(fd, size_bytes)


@pytest.fixture
def wall(tmp_path: Path) -> Path:
    path = tmp_path / "wall.png"
    save(path, RNG.integers(0, 256, (60, 90, 3), np.uint8))
    return path


def in_stripes(height: int, width: int) -> Bytes:
    """Red grows downwards, green to the right."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, height)[:, None]
    pixels[..., 1] = np.linspace(0, 255, width)[None, :]
    return pixels


def test_a_background_has_the_photos_size_and_stays_read_only(wall: Path) -> None:
    fitted = BackgroundFiles(CountingDecoder()).fitted(wall, 200, 150, b"")
    assert (fitted.shape, fitted.dtype, fitted.flags.writeable) == ((200, 150, 3), np.uint8, False)


def test_a_background_of_the_photos_size_is_taken_as_it_is(wall: Path) -> None:
    fitted = BackgroundFiles(CountingDecoder()).fitted(wall, 60, 90, b"")
    assert np.array_equal(fitted, np.asarray(Image.open(wall)))


def test_a_wide_background_loses_its_sides_evenly() -> None:
    fitted = covering(in_stripes(100, 300), 200, 200)
    assert np.abs(fitted[100, [0, 199], 1].astype(int) - [85, 170]).max() <= 2
    assert np.abs(fitted[[0, 199], 100, 0].astype(int) - [0, 255]).max() <= 2


def test_a_tall_background_loses_its_top_and_bottom_evenly() -> None:
    fitted = covering(in_stripes(300, 100), 50, 50)
    assert np.abs(fitted[[0, 49], 25, 0].astype(int) - [85, 170]).max() <= 4
    assert np.abs(fitted[25, [0, 49], 1].astype(int) - [0, 255]).max() <= 4


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (7, 5000)])
def test_a_photo_of_any_shape_is_covered(size: tuple[int, int]) -> None:
    assert covering(in_stripes(40, 60), *size).shape == (*size, 3)


def test_a_background_is_read_once_a_size_for_many_photos(wall: Path) -> None:
    decoder = CountingDecoder()
    backgrounds = BackgroundFiles(decoder)
    upright, lying = backgrounds.fitted(wall, 90, 60, b""), backgrounds.fitted(wall, 60, 90, b"")
    assert backgrounds.fitted(wall, 90, 60, b"") is upright
    assert backgrounds.fitted(wall, 60, 90, b"") is lying
    assert decoder.decodes == 2


def test_a_replaced_background_is_used_from_the_next_photo_on(wall: Path) -> None:
    backgrounds = BackgroundFiles(CountingDecoder())
    backgrounds.fitted(wall, 20, 20, b"")
    save(wall.with_name("new.png"), np.full((8, 8, 3), 77, np.uint8))
    os.replace(wall.with_name("new.png"), wall)
    assert (backgrounds.fitted(wall, 20, 20, b"") == 77).all()


def test_a_background_that_is_gone_holds_the_photos_until_it_is_back(wall: Path) -> None:
    backgrounds = BackgroundFiles(CountingDecoder())
    backgrounds.fitted(wall, 20, 20, b"")
    wall.rename(wall.with_name("away.png"))
    with pytest.raises(PlaceUnavailable, match=r"wall\.png: No such file.*put the picture there") as caught:
        backgrounds.fitted(wall, 20, 20, b"")
    assert caught.value.reason == "background_missing"
    wall.with_name("away.png").rename(wall)
    assert backgrounds.fitted(wall, 20, 20, b"").shape == (20, 20, 3)


def test_a_background_that_is_no_picture_is_the_places_fault_not_the_photos(tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("buy milk")
    with pytest.raises(PlaceUnavailable, match=r"notes\.jpg") as caught:
        BackgroundFiles(CountingDecoder()).fitted(tmp_path / "notes.jpg", 20, 20, b"")
    assert caught.value.reason == "background_unreadable"


@pytest.mark.contract("D5", "D6")
def test_a_background_that_no_thread_can_be_had_for_is_the_machines_fault_and_is_read_later(wall: Path) -> None:
    backgrounds = BackgroundFiles(CountingDecoder())
    with no_new_threads(), pytest.raises(PlaceUnavailable) as caught:
        backgrounds.fitted(wall, 20, 20, b"")
    assert caught.value.reason == "too_many_threads"
    assert backgrounds.fitted(wall, 20, 20, b"").shape == (20, 20, 3)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_background_that_is_no_file_keeps_nobody_waiting(tmp_path: Path, make: object) -> None:
    make(tmp_path / "wall.png")  # type: ignore[operator]
    with pytest.raises(PlaceUnavailable, match="it is no file"):
        BackgroundFiles(CountingDecoder()).fitted(tmp_path / "wall.png", 20, 20, b"")


def test_a_background_that_is_being_written_is_not_used(wall: Path) -> None:
    def decode(fd: int, size_bytes: int) -> Photo:
        photo = InProcessDecoder().decode(fd, size_bytes)
        with wall.open("ab") as file:
            file.write(b"more")
        return photo

    with pytest.raises(PlaceUnavailable, match="being written") as caught:
        BackgroundFiles(decode).fitted(wall, 20, 20, b"")
    assert caught.value.reason == "background_changing"


def test_a_decoder_that_dies_on_a_background_is_the_places_fault(wall: Path) -> None:
    def decode(fd: int, size_bytes: int) -> Photo:
        raise WatchdError("the decoding process ended by SIGKILL")

    with pytest.raises(PlaceUnavailable, match="SIGKILL"):
        BackgroundFiles(decode).fitted(wall, 20, 20, b"")


def test_the_end_of_the_program_is_not_taken_for_a_bad_background(wall: Path) -> None:
    def decode(fd: int, size_bytes: int) -> Photo:
        raise ProgramEnding("the decoder is closing")

    with pytest.raises(ProgramEnding):
        BackgroundFiles(decode).fitted(wall, 20, 20, b"")


def test_checking_names_every_background_that_cannot_be_used(wall: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("buy milk")
    with pytest.raises(ConfigError) as caught:
        BackgroundFiles(CountingDecoder()).check([tmp_path / "none.png", wall, tmp_path / "notes.jpg"])
    assert [problem.split(": ")[0].rsplit("/", 1)[1] for problem in caught.value.problems] == ["none.png", "notes.jpg"]
    BackgroundFiles(CountingDecoder()).check([wall])


def test_threads_that_want_the_same_background_share_one_reading(wall: Path) -> None:
    decoder, found = CountingDecoder(), []
    backgrounds, together = BackgroundFiles(decoder), threading.Barrier(8)

    def take() -> None:
        together.wait()
        found.append(backgrounds.fitted(wall, 300, 200, b""))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert decoder.decodes == 1
    assert len({id(fitted) for fitted in found}) == 1


def test_a_background_takes_the_photos_profile_so_that_its_colours_look_the_same() -> None:
    colours, profile = RNG.integers(60, 190, (300, 40, 3), np.uint8), profiles.red_green_exchanged()
    numbers = converted(colours, b"", profile)
    assert np.abs(numbers[..., [1, 0, 2]].astype(int) - colours).max() <= 1


def test_a_background_with_a_profile_of_its_own_shows_its_own_colours(tmp_path: Path) -> None:
    icc = profiles.red_green_exchanged()
    Image.new("RGB", (30, 20), (10, 200, 90)).save(tmp_path / "wall.png", icc_profile=icc)
    backgrounds = BackgroundFiles(CountingDecoder())
    assert (backgrounds.fitted(tmp_path / "wall.png", 20, 30, icc) == [10, 200, 90]).all()
    in_srgb = backgrounds.fitted(tmp_path / "wall.png", 20, 30, b"")
    assert np.abs(in_srgb.astype(int) - [200, 10, 90]).max() <= 1


@pytest.mark.parametrize("profile", [profiles.without_colours(), b"no profile at all"])
def test_a_profile_that_leads_nowhere_leaves_the_numbers_as_they_are(profile: bytes) -> None:
    colours = RNG.integers(0, 256, (20, 30, 3), np.uint8)
    assert converted(colours, b"", profile) is colours
