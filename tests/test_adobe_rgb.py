"""Photos that are Adobe RGB by EXIF alone: their results say it by a profile, as nothing else is understood."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageCms

from bshm_watchd.matting.adobe_rgb import adobe_rgb
from bshm_watchd.metadata import Metadata
from tests.support.decoders import InProcessDecoder, decode
from tests.support.encoded import COLOURS, GREY, jpeg, of, tiff, written
from tests.support.icc import SRGB

MAKE, DETAILS, COLOUR_SPACE, INTEROPERABILITY = 0x010F, 0x8769, 0xA001, 0xA005
UNCALIBRATED = 0xFFFF
D65, D50 = np.array([0.3127, 0.3290]), np.array([0.9642, 1, 0.8249])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def camera(space: int = UNCALIBRATED, rules: str | None = "R03") -> Image.Exif:
    exif = Image.Exif()
    exif[MAKE] = "Camera"
    exif.get_ifd(DETAILS)[COLOUR_SPACE] = space
    if rules:
        exif.get_ifd(DETAILS)[INTEROPERABILITY] = {1: rules, 2: b"0100"}
    return exif


def metadata(content: bytes) -> Metadata:
    return decode(InProcessDecoder(), content).metadata


def said_space(block: bytes) -> object:
    exif = Image.Exif()
    exif.load(block)
    return exif.get_ifd(DETAILS)[COLOUR_SPACE]


def described_tiff(pixels: np.ndarray, photometric: str) -> bytes:
    """As `camera`, by hand: neither Pillow nor tifffile write such directories into a TIFF."""
    content = tiff(pixels, photometric, extratags=[(65000, 4, 1, 0, True)])
    entry, end = content.index(struct.pack("<HHI", 65000, 4, 1)), len(content)
    rules = struct.pack("<HHHI4sI", 1, 1, 2, 4, b"R03", 0)
    details = struct.pack("<HHHII", 2, COLOUR_SPACE, 3, 1, UNCALIBRATED)
    details += struct.pack("<HHIII", INTEROPERABILITY, 4, 1, end + 30, 0)
    return content[:entry] + struct.pack("<HHII", DETAILS, 4, 1, end) + content[entry + 12 :] + details + rules


CONTAINERS: dict[str, Callable[[Image.Exif], bytes]] = {
    "jpeg": lambda exif: jpeg(exif=exif),
    "png": lambda exif: of(COLOURS, "PNG", exif=exif),
    "webp": lambda exif: of(COLOURS, "WEBP", exif=exif),
    "tiff": lambda exif: described_tiff(COLOURS, "rgb"),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_photo_that_says_adobe_rgb_by_exif_alone_gets_its_profile(name: str) -> None:
    found = metadata(CONTAINERS[name](camera()))
    assert found.icc == adobe_rgb()
    assert said_space(found.exif) == UNCALIBRATED


@pytest.mark.parametrize("exif", [camera(1), camera(rules="R98"), camera(rules=None), camera(rules="R0")])
def test_a_photo_that_says_anything_else_gets_none(exif: Image.Exif) -> None:
    assert metadata(jpeg(exif=exif)).icc == b""


def test_the_profile_in_the_file_comes_first() -> None:
    assert metadata(jpeg(exif=camera(), icc_profile=SRGB)).icc == SRGB


INKS = Image.fromarray(COLOURS).convert("CMYK")


@pytest.mark.parametrize(
    "content",
    [
        of(GREY, "JPEG", exif=camera()),
        of(GREY, "PNG", exif=camera()),
        written(INKS, "JPEG", exif=camera()),
        described_tiff(COLOURS, "cielab"),
    ],
    ids=["grey jpeg", "grey png", "ink", "lab"],
)
def test_what_was_made_srgb_says_so(content: bytes) -> None:
    found = metadata(content)
    assert found.icc == b""
    assert said_space(found.exif) == said_space(found.exif_without_gps) == 1


def adapted(x: float, y: float) -> np.ndarray:
    """To D50, from D65."""
    cone = BRADFORD @ np.array([x / y, 1, (1 - x - y) / y])
    white = BRADFORD @ np.array([D65[0] / D65[1], 1, (1 - D65.sum()) / D65[1]])
    return np.linalg.solve(BRADFORD, cone * (BRADFORD @ D50 / white))


def test_the_profile_has_adobes_primaries_white_and_gamma() -> None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(adobe_rgb())).profile
    for found, xy in (
        (profile.red_colorant, (0.64, 0.33)),
        (profile.green_colorant, (0.21, 0.71)),
        (profile.blue_colorant, (0.15, 0.06)),
    ):
        x, y, z = adapted(*xy)
        assert found[1][:2] == pytest.approx((x / (x + y + z), y / (x + y + z)), abs=2e-4)
    sums = np.sum([profile.red_colorant[0], profile.green_colorant[0], profile.blue_colorant[0]], axis=0)
    assert sums == pytest.approx(D50, abs=1e-4)
    assert profile.media_white_point[1][:2] == pytest.approx(D65, abs=1e-4)
    assert profile.profile_description == "Compatible with Adobe RGB (1998)"
    assert profile.xcolor_space == "RGB "


def test_colours_in_it_come_out_in_srgb_as_they_should() -> None:
    """By the formulas: levels of gamma 563 / 256 to light, its primaries to those of sRGB, light to levels."""
    stored = np.array([[[128, 128, 128], [200, 100, 50], [90, 120, 110]]], np.uint8)
    to_srgb = np.array([[1.3983, -0.3983, 0], [0, 1, 0], [0, -0.0429, 1.0429]])
    light = ((stored / 255) ** (563 / 256)) @ to_srgb.T
    expected = np.where(light > 0.0031308, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055, 12.92 * light) * 255
    profile = ImageCms.ImageCmsProfile(io.BytesIO(adobe_rgb()))
    shown = ImageCms.profileToProfile(Image.fromarray(stored), profile, ImageCms.createProfile("sRGB"))
    assert np.abs(np.asarray(shown) - np.clip(expected, 0, 255)).max() <= 1.5
