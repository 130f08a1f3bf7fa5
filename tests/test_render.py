"""Results as their readers see them, and that a photo's cost is what it really takes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bshm_watchd.bench.drawn import compose, save
from bshm_watchd.delivery.background import BackgroundFiles
from bshm_watchd.delivery.matted import Matted
from bshm_watchd.delivery.render import Renderer, cost_bytes
from bshm_watchd.errors import PlaceUnavailable, RejectedPhoto
from bshm_watchd.metadata import Metadata
from bshm_watchd.output_settings import OutputSettings
from tests.support import profiles
from tests.support.decoders import InProcessDecoder
from tests.support.rendering import render

Bytes = npt.NDArray[np.uint8]
PORTRAIT = compose(4, 240, 200)
SOFT = (PORTRAIT.alpha > 0) & (PORTRAIT.alpha < 255)


def output(kind: str, extension: str = "png", **more: Any) -> OutputSettings:
    return OutputSettings(kind=kind, path="results/{stem}." + extension, **more)  # type: ignore[arg-type]


def matted(metadata: Metadata = Metadata()) -> Matted:  # noqa: B008
    return Matted(PORTRAIT.pixels, PORTRAIT.alpha, metadata)


def opened(output: OutputSettings, matted: Matted, render: Renderer = render) -> Image.Image:
    return Image.open(io.BytesIO(render(output, matted)))


def over(colour: tuple[int, int, int] | Bytes, alpha: Bytes = PORTRAIT.alpha) -> npt.NDArray[np.float64]:
    """The composite of the true foreground, in real numbers."""
    share = alpha[..., None] / 255
    return PORTRAIT.foreground * share + np.asarray(colour) * (1 - share)


# -- kinds ----------------------------------------------------------------------------------------------------


def test_a_cutout_has_the_mattes_alpha_and_the_photos_own_colours_off_the_edge() -> None:
    pixels = np.asarray(opened(output("cutout"), matted()))
    assert pixels.shape == (240, 200, 4)
    assert np.array_equal(pixels[..., 3], PORTRAIT.alpha)
    assert np.array_equal(pixels[~SOFT][:, :3], PORTRAIT.pixels[~SOFT])


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (0, 177, 64)])
def test_a_cutout_laid_over_another_background_shows_no_halo_of_the_old_one(colour: tuple[int, int, int]) -> None:
    image = opened(output("cutout"), matted())
    laid = Image.alpha_composite(Image.new("RGBA", image.size, (*colour, 255)), image)
    off = np.abs(np.asarray(laid)[..., :3] - over(colour))[SOFT].mean()
    plain = np.abs((PORTRAIT.pixels.astype(float) - PORTRAIT.foreground) * PORTRAIT.alpha[..., None] / 255)[SOFT].mean()
    assert off < 2 < plain / 2


def test_a_matte_is_the_alpha_in_grey() -> None:
    image = opened(output("matte"), matted())
    assert (image.format, image.mode) == ("PNG", "L")
    assert np.array_equal(np.asarray(image), PORTRAIT.alpha)


def test_a_composite_shows_the_person_before_the_colour() -> None:
    image = opened(output("composite", background="#00b140"), matted())
    assert image.mode == "RGB"
    shown = np.asarray(image).astype(float)
    assert (shown[PORTRAIT.alpha == 0] == [0, 0xB1, 0x40]).all()
    assert np.array_equal(shown[PORTRAIT.alpha == 255], PORTRAIT.pixels[PORTRAIT.alpha == 255])
    assert np.abs(shown - over((0, 0xB1, 0x40)))[SOFT].mean() < 2


def test_a_composite_is_rounded_to_the_nearest() -> None:
    every = matted()
    shown = np.asarray(opened(output("composite", background="#4060c8"), every)).astype(float)
    share = every.alpha[..., None] / 255
    exact = every.foreground * share + np.array([0x40, 0x60, 0xC8]) * (1 - share)
    assert np.abs(shown - exact).max() <= 0.5 + 1e-9


def test_a_composite_stands_before_the_picture(tmp_path: Path) -> None:
    save(tmp_path / "wall.png", PORTRAIT.background)
    renderer = Renderer(BackgroundFiles(InProcessDecoder().decode))
    shown = np.asarray(opened(output("composite", background=str(tmp_path / "wall.png")), matted(), renderer))
    assert np.array_equal(shown[PORTRAIT.alpha == 0], PORTRAIT.background[PORTRAIT.alpha == 0])
    assert np.abs(shown - over(PORTRAIT.background))[SOFT].mean() < 2


def test_a_background_picture_looks_the_same_in_the_photos_profile(tmp_path: Path) -> None:
    save(tmp_path / "wall.png", PORTRAIT.background)
    renderer = Renderer(BackgroundFiles(InProcessDecoder().decode))
    chosen = output("composite", background=str(tmp_path / "wall.png"))
    shown = np.asarray(opened(chosen, matted(Metadata(profiles.red_green_exchanged())), renderer))[..., [1, 0, 2]]
    behind = PORTRAIT.alpha == 0
    assert np.abs(shown[behind].astype(int) - PORTRAIT.background[behind]).max() <= 1


def test_a_photo_that_is_a_cutout_already_keeps_its_colours() -> None:
    again = Matted(PORTRAIT.foreground, PORTRAIT.alpha, opacity=PORTRAIT.alpha)
    assert np.array_equal(np.asarray(opened(output("cutout"), again))[..., :3], PORTRAIT.foreground)


def test_a_missing_background_picture_is_not_the_photos_fault(tmp_path: Path) -> None:
    renderer = Renderer(BackgroundFiles(InProcessDecoder().decode))
    with pytest.raises(PlaceUnavailable, match=r"nowhere\.png"):
        renderer(output("composite", background=str(tmp_path / "nowhere.png")), matted())


def test_a_trimap_is_unknown_around_soft_alpha_and_sure_elsewhere() -> None:
    alpha = np.zeros((400, 600), np.uint8)
    alpha[:, 300:], alpha[:, 295:300] = 255, 128
    picture = np.asarray(opened(output("trimap"), Matted(np.zeros((400, 600, 3), np.uint8), alpha)))
    assert [*np.unique(picture[:, :292])] == [0]
    assert [*np.unique(picture[:, 292:303])] == [128]  # half a percent of 600 pixels on either side
    assert [*np.unique(picture[:, 303:])] == [255]


def test_a_trimap_is_unknown_where_a_matte_is_hard() -> None:
    alpha = np.zeros((50, 60), np.uint8)
    alpha[:, 30:] = 255
    picture = np.asarray(opened(output("trimap"), Matted(np.zeros((50, 60, 3), np.uint8), alpha)))
    assert [*picture[25, 27:33]] == [0, 0, 128, 128, 255, 255]


def test_a_matte_of_haze_has_no_unknown_in_its_trimap() -> None:
    alpha = np.full((50, 60), 1, np.uint8)
    picture = np.asarray(opened(output("trimap"), Matted(np.zeros((50, 60, 3), np.uint8), alpha)))
    assert (picture == 0).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1)])
@pytest.mark.parametrize("kind", ["cutout", "matte", "trimap", "composite"])
def test_a_photo_of_a_single_row_or_column_is_rendered(kind: str, size: tuple[int, int]) -> None:
    one = Matted(np.full((*size, 3), 100, np.uint8), np.full(size, 90, np.uint8))
    chosen = output(kind, background="#ffffff") if kind == "composite" else output(kind)
    assert opened(chosen, one).size == size[::-1]


# -- formats and what a result takes over ----------------------------------------------------------------------


@pytest.mark.parametrize("extension", ["png", "webp", "tif"])
@pytest.mark.parametrize("kind", ["cutout", "matte", "trimap"])
def test_every_lossless_format_holds_the_same_values(kind: str, extension: str) -> None:
    as_png, other = (np.asarray(opened(output(kind, form), matted())) for form in ("png", extension))
    assert np.array_equal(as_png, other[..., 0] if other.ndim > as_png.ndim else other)


def test_a_jpeg_composite_looks_like_the_exact_one() -> None:
    image = opened(output("composite", "jpg", background="#ffffff", quality=95), matted())
    exact = np.asarray(opened(output("composite", background="#ffffff"), matted())).astype(float)
    assert image.format == "JPEG"
    assert np.abs(np.asarray(image) - exact).mean() < 3


def described() -> Metadata:
    exif = Image.Exif()
    exif[0x010E] = "in the studio"
    without = exif.tobytes().removeprefix(b"Exif\0\0")
    exif.get_ifd(0x8825)[1] = "N"
    return Metadata(profiles.srgb(), exif.tobytes().removeprefix(b"Exif\0\0"), without, (300.0, 300.0))


@pytest.mark.parametrize("extension", ["png", "webp", "tif", "jpg"])
def test_a_result_takes_over_profile_and_description(extension: str) -> None:
    image = opened(output("composite", extension, background="#ffffff"), matted(described()))
    assert image.info["icc_profile"] == described().icc
    assert image.getexif()[0x010E] == "in the studio"
    assert image.getexif().get_ifd(0x8825)[1] == "N"


@pytest.mark.parametrize("extension", ["png", "webp", "tif", "jpg"])
def test_the_place_is_left_out_where_that_is_asked(extension: str) -> None:
    image = opened(output("composite", extension, background="#ffffff", strip_gps=True), matted(described()))
    assert image.getexif()[0x010E] == "in the studio"
    assert not image.getexif().get_ifd(0x8825)


@pytest.mark.parametrize("extension", ["png", "tif"])
def test_an_rgb_profile_is_not_put_on_a_grey_result(extension: str) -> None:
    assert "icc_profile" not in opened(output("matte", extension), matted(described())).info


@pytest.mark.parametrize(
    ("icc", "numbers"),
    [(profiles.srgb(), (0, 0xB1, 0x40)), (profiles.red_green_exchanged(), (0xB1, 0, 0x40))],
)
def test_a_colour_looks_the_same_in_the_photos_profile(icc: bytes, numbers: tuple[int, int, int]) -> None:
    shown = np.asarray(opened(output("composite", background="#00b140"), matted(Metadata(icc)))).astype(int)
    assert np.abs(shown[PORTRAIT.alpha == 0] - numbers).max() <= 1
    assert np.array_equal(shown[PORTRAIT.alpha == 255], PORTRAIT.pixels[PORTRAIT.alpha == 255])


def test_a_photo_too_long_for_its_format_is_rejected_with_what_to_do() -> None:
    long = Matted(np.zeros((1, 16_384, 3), np.uint8), np.zeros((1, 16_384), np.uint8))
    with pytest.raises(RejectedPhoto, match="WebP") as caught:
        render(output("matte", "webp"), long)
    assert caught.value.reason == "too_large_for_format"


def test_the_foreground_is_estimated_once_for_all_results() -> None:
    every = matted()
    render(output("cutout"), every)
    first = every.foreground
    render(output("composite", background="#ffffff"), every)
    assert every.foreground is first


# -- cost -----------------------------------------------------------------------------------------------------


def test_the_cost_grows_with_the_pixels_and_the_dearest_output() -> None:
    matte, cutout = output("matte"), output("cutout", "webp")
    assert cost_bytes(2000, 2000, [matte]) < cost_bytes(2000, 2000, [cutout])
    assert cost_bytes(2000, 2000, [matte, cutout]) == cost_bytes(2000, 2000, [cutout])
    assert cost_bytes(4000, 2000, [cutout]) < 2 * cost_bytes(2000, 2000, [cutout])


@pytest.mark.parametrize(
    ("picture", "kinds", "most"),
    [
        ("photo.jpg", "cutout.png", 1.9),
        ("photo.jpg", "cutout.webp", 1.6),
        ("photo.jpg", "wall.jpg", 1.9),
        ("photo.jpg", "matte.png,trimap.png", 4),
        ("noise16.png", "matte.png", 1.9),
        ("turned.jpg", "matte.png", 5),
    ],
)
@pytest.mark.contract("L3")
def test_a_photo_of_24_megapixels_takes_no_more_memory_than_its_cost(picture: str, kinds: str, most: float) -> None:
    command = [sys.executable, "-m", "tests.support.peak_memory", picture, kinds]
    measured = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert measured["peak_bytes"] <= measured["cost_bytes"] <= most * measured["peak_bytes"]
