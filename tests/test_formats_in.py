"""The golden table: every way a photo may be stored, and what must come out of it."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image, ImageOps

from bshm_watchd.intake.complete import Verdict, inspect
from bshm_watchd.matting.decoder import ChildDecoder
from bshm_watchd.matting.photo import Photo
from tests.support.decoders import InProcessDecoder, decode
from tests.support.encoded import (
    ALPHA,
    COLOURS,
    DEEP,
    GREY,
    deep_png,
    flat_jpeg_of_rare_subsampling,
    ink_jpeg_as,
    jpeg,
    keyed_png,
    multi_picture_jpeg,
    of,
    premultiplied,
    tiff,
    with_chunks,
    written,
)
from tests.support.icc import SRGB, grey_profile, ink_profile
from tests.support.pictures import chunk

# Pillow warns of damaged metadata; in the child that is kept quiet.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@dataclass(frozen=True)
class Golden:
    """`pixels` must come out within `tolerance`, and everything else exactly."""

    content: bytes
    pixels: np.ndarray
    tolerance: int = 0
    opacity: np.ndarray | None = None
    icc: bytes = b""
    dpi: tuple[float, float] | None = None
    pages: int = 1


def rounded(deep: np.ndarray) -> np.ndarray:
    return np.rint(deep * (255 / 65535)).astype(np.uint8)


def grey3(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)


def shown(content: bytes) -> np.ndarray:
    """As Pillow shows it."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def lit(grey: np.ndarray) -> np.ndarray:
    """What a linear grey looks like in sRGB."""
    level = grey / 255
    return np.rint(255 * np.where(level <= 0.0031308, 12.92 * level, 1.055 * level ** (1 / 2.4) - 0.055))


def seen_lab(lightness: float, a: float, b: float) -> np.ndarray:
    """Lab of D50 as 24 x 16 sRGB, whose primaries are adapted to it by Bradford's way."""
    y = (lightness + 16) / 116
    ratios = np.array([y + a / 500, y, y - b / 200])
    xyz = np.where(ratios > 6 / 29, ratios**3, (ratios - 4 / 29) * 3 * (6 / 29) ** 2) * (0.9642, 1, 0.8249)
    primaries = [[0.43607, 0.38515, 0.14308], [0.22249, 0.71689, 0.06062], [0.01392, 0.09708, 0.7141]]
    return np.tile(lit(np.linalg.solve(primaries, xyz) * 255), (16, 24, 1))


FLAT = np.full((16, 24, 4), (255, 0, 0, 0), np.uint8)  # cyan alone
CYAN_SEEN = np.full((16, 24, 3), 119, np.uint8)  # lightness 50
NEUTRAL_LAB = np.full((16, 24, 3), (128, 0, 0), np.uint8)
RED_LAB = np.full((16, 24, 3), (150, 60, 256 - 30), np.uint8)
PALETTE = Image.fromarray(COLOURS).quantize(64)
PALETTE_ALPHA = bytes(range(0, 256, 4))
BITS = Image.fromarray(GREY).convert("1")
TWO_BITS = GREY >> 6
SHOWN_BITS = np.asarray(BITS.convert("RGB"))
RGBA = np.dstack([COLOURS, ALPHA])
JPEG = jpeg()
LONG_PROFILE = SRGB + bytes(100_000)
INK = Image.fromarray(COLOURS).convert("CMYK")
STORED_INK = np.asarray(INK)
SCREEN = np.asarray(INK.convert("RGB"))
PNG = of(COLOURS, "PNG")
FRAMES = [Image.fromarray(255 - COLOURS), Image.fromarray(COLOURS // 2)]
CMYK_JPEG = written(Image.fromarray(FLAT, "CMYK"), "JPEG", quality=95, icc_profile=ink_profile())
CLEAR = ALPHA | 0x80
DEEP_PREMULTIPLIED = premultiplied(DEEP[:, :, :3], DEEP[:, :, 3] | 0x8000, 65535)
LIT_JPEG = of(GREY, "JPEG", quality=100, icc_profile=grey_profile(1))
JPEG_TIFF = of(COLOURS, "TIFF", compression="jpeg", quality=95)
WEBP = of(COLOURS, "WEBP", quality=90)
PLAIN_TIFF = tiff(COLOURS, "rgb")
RESOLVED_TIFF = tiff(COLOURS, "rgb", resolution=(118.11, 59.055), resolutionunit="CENTIMETER")
PHYS = chunk(b"pHYs", struct.pack(">IIB", 11811, 5906, 1))

TABLE = {
    "jpeg": Golden(JPEG, shown(JPEG), 2),
    "jpeg progressive": Golden(jpeg(progressive=True), shown(JPEG), 2),
    "jpeg grey": Golden(of(GREY, "JPEG", quality=100), grey3(GREY), 3),
    "jpeg grey, grey profile": Golden(LIT_JPEG, grey3(lit(shown(LIT_JPEG)[:, :, 0])), 1),
    "jpeg rgb profile": Golden(jpeg(icc_profile=SRGB), shown(JPEG), 2, icc=SRGB),
    "jpeg profile in pieces": Golden(jpeg(icc_profile=LONG_PROFILE), shown(JPEG), 2, icc=LONG_PROFILE),
    "jpeg grey profile on colours": Golden(jpeg(icc_profile=grey_profile(1)), shown(JPEG), 2),
    "jpeg damaged profile": Golden(jpeg(icc_profile=SRGB[:200]), shown(JPEG), 2),
    "jpeg ink": Golden(ink_jpeg_as(0), shown(ink_jpeg_as(0)), 2),
    "jpeg ink as ycck": Golden(ink_jpeg_as(2), shown(ink_jpeg_as(2)), 2),
    "jpeg ink, ink profile": Golden(CMYK_JPEG, CYAN_SEEN, 3),
    "jpeg ink, rgb profile": Golden(ink_jpeg_as(0, icc_profile=SRGB), shown(ink_jpeg_as(0)), 2),
    "jpeg rare subsampling": Golden(flat_jpeg_of_rare_subsampling(), np.full((16, 32, 3), 128, np.uint8), 1),
    "jpeg 1 x 1": Golden(of(COLOURS[:1, :1], "JPEG", quality=100), COLOURS[:1, :1], 4),
    "jpeg dots an inch": Golden(jpeg(dpi=(300, 150)), shown(JPEG), 2, dpi=(300, 150)),
    "jpeg dots a cm": Golden(JPEG[:13] + b"\2\0\x76\0\x3b" + JPEG[18:], shown(JPEG), 2, dpi=(299.72, 149.86)),
    "jpeg aspect only": Golden(JPEG[:13] + b"\0\0\1\0\1" + JPEG[18:], shown(JPEG), 2),
    "jpeg motion photo": Golden(JPEG + b"\0\0\0\x18ftypmp42" + b"film" * 999, shown(JPEG), 2),
    "jpeg with a preview": Golden(multi_picture_jpeg([0x01]), shown(JPEG), 2),
    "jpeg for two eyes": Golden(multi_picture_jpeg([0x02]), shown(JPEG), 2, pages=2),
    "png": Golden(PNG, COLOURS),
    "png grey": Golden(of(GREY, "PNG"), grey3(GREY)),
    "png grey, grey profile": Golden(of(GREY, "PNG", icc_profile=grey_profile(1)), grey3(lit(GREY)), 1),
    "png grey, rgb profile": Golden(of(GREY, "PNG", icc_profile=SRGB), grey3(GREY)),
    "png rgb profile": Golden(of(COLOURS, "PNG", icc_profile=SRGB), COLOURS, icc=SRGB),
    "png gamma and more": Golden(
        with_chunks(PNG, chunk(b"gAMA", struct.pack(">I", 100_000)), chunk(b"cICP", b"\x09\x10\0\1")), COLOURS
    ),
    "png alpha": Golden(of(RGBA, "PNG"), COLOURS, opacity=ALPHA),
    "png alpha all opaque": Golden(of(np.dstack([COLOURS, ALPHA | 255]), "PNG"), COLOURS),
    "png grey with alpha": Golden(
        written(Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)]), "PNG"), grey3(GREY), opacity=ALPHA
    ),
    "png palette": Golden(written(PALETTE, "PNG"), np.asarray(PALETTE.convert("RGB"))),
    "png palette of 4 bits": Golden(
        written(PALETTE.quantize(16), "PNG", bits=4), np.asarray(PALETTE.quantize(16).convert("RGB"))
    ),
    "png palette with alpha": Golden(
        written(PALETTE, "PNG", transparency=PALETTE_ALPHA),
        np.asarray(PALETTE.convert("RGB")),
        opacity=np.frombuffer(PALETTE_ALPHA, np.uint8)[np.asarray(PALETTE)],
    ),
    "png one transparent colour": Golden(
        of(COLOURS, "PNG", transparency=tuple(int(level) for level in COLOURS[0, 0])),
        COLOURS,
        opacity=np.where((COLOURS[0, 0] == COLOURS).all(axis=2), 0, 255),
    ),
    "png one transparent grey": Golden(
        of(GREY, "PNG", transparency=int(GREY[5, 5])), grey3(GREY), opacity=np.where(GREY[5, 5] == GREY, 0, 255)
    ),
    "png 2 bits, one transparent": Golden(
        keyed_png(TWO_BITS, 2, 2), grey3(TWO_BITS * 85), opacity=np.where(TWO_BITS == 2, 0, 255)
    ),
    "png 1 bit": Golden(written(BITS, "PNG"), SHOWN_BITS),
    "png 16 bits": Golden(deep_png(DEEP[:, :, :3], 2), rounded(DEEP[:, :, :3])),
    "png 16 bits with alpha": Golden(deep_png(DEEP, 6), rounded(DEEP[:, :, :3]), opacity=rounded(DEEP[:, :, 3])),
    "png 16 bits grey": Golden(deep_png(DEEP[:, :, :1], 0), grey3(rounded(DEEP[:, :, 0]))),
    "png 16 bits, one transparent grey": Golden(
        deep_png(DEEP[:, :, :1], 0, chunk(b"tRNS", struct.pack(">H", DEEP[3, 4, 0]))),
        grey3(rounded(DEEP[:, :, 0])),
        opacity=np.where(DEEP[:, :, 0] == DEEP[3, 4, 0], 0, 255),
    ),
    "png 1 x 1": Golden(of(COLOURS[:1, :1], "PNG"), COLOURS[:1, :1]),
    "png dots a metre": Golden(with_chunks(PNG, PHYS), COLOURS, dpi=(11811 * 0.0254, 5906 * 0.0254)),
    "png aspect only": Golden(with_chunks(PNG, chunk(b"pHYs", struct.pack(">IIB", 2, 1, 0))), COLOURS),
    "png animated": Golden(of(COLOURS, "PNG", save_all=True, append_images=FRAMES), COLOURS, pages=3),
    "webp lossy": Golden(WEBP, shown(WEBP)),
    "webp lossless": Golden(of(COLOURS, "WEBP", lossless=True), COLOURS),
    "webp alpha": Golden(of(RGBA, "WEBP", lossless=True, exact=True), COLOURS, opacity=ALPHA),
    "webp lossy alpha": Golden(of(RGBA, "WEBP", quality=100, exact=True), COLOURS, 60, opacity=ALPHA),
    "webp rgb profile": Golden(of(COLOURS, "WEBP", lossless=True, icc_profile=SRGB), COLOURS, icc=SRGB),
    "webp grey profile": Golden(of(COLOURS, "WEBP", lossless=True, icc_profile=grey_profile(1)), COLOURS),
    "webp animated": Golden(
        of(COLOURS, "WEBP", lossless=True, save_all=True, append_images=FRAMES), COLOURS, pages=3
    ),
    "webp 1 x 1": Golden(of(COLOURS[:1, :1], "WEBP", lossless=True), COLOURS[:1, :1]),
    "tiff": Golden(PLAIN_TIFF, COLOURS),
    "tiff big endian": Golden(tiff(COLOURS, "rgb", byteorder=">"), COLOURS),
    "tiff big": Golden(tiff(COLOURS, "rgb", bigtiff=True), COLOURS),
    "tiff many strips": Golden(tiff(COLOURS, "rgb", rowsperstrip=4), COLOURS),
    "tiff tiles": Golden(tiff(COLOURS, "rgb", tile=(16, 32), compression="zlib", predictor=True), COLOURS),
    "tiff lzw": Golden(of(COLOURS, "TIFF", compression="tiff_lzw"), COLOURS),
    "tiff deflate": Golden(of(COLOURS, "TIFF", compression="tiff_adobe_deflate"), COLOURS),
    "tiff packbits": Golden(of(COLOURS, "TIFF", compression="packbits"), COLOURS),
    "tiff zstd": Golden(of(COLOURS, "TIFF", compression="zstd"), COLOURS),
    "tiff jpeg": Golden(JPEG_TIFF, shown(JPEG_TIFF)),
    "tiff colour by colour": Golden(tiff(COLOURS.transpose(2, 0, 1).copy(), "rgb", planarconfig="separate"), COLOURS),
    "tiff grey": Golden(tiff(GREY, "minisblack"), grey3(GREY)),
    "tiff white is zero": Golden(tiff(255 - GREY, "miniswhite"), grey3(GREY)),
    "tiff grey, grey profile": Golden(tiff(GREY, "minisblack", iccprofile=grey_profile(1)), grey3(lit(GREY)), 1),
    "tiff grey with alpha": Golden(
        tiff(np.dstack([GREY, ALPHA]), "minisblack", extrasamples=["unassalpha"], planarconfig="contig"),
        grey3(GREY),
        opacity=ALPHA,
    ),
    "tiff palette": Golden(written(PALETTE, "TIFF"), np.asarray(PALETTE.convert("RGB"))),
    "tiff 1 bit": Golden(written(BITS, "TIFF"), SHOWN_BITS),
    "tiff fax": Golden(written(BITS, "TIFF", compression="group4"), SHOWN_BITS),
    "tiff alpha": Golden(tiff(RGBA, "rgb", extrasamples=["unassalpha"]), COLOURS, opacity=ALPHA),
    "tiff fourth sample of no meaning": Golden(tiff(RGBA, "rgb", extrasamples=["unspecified"]), COLOURS),
    "tiff premultiplied": Golden(
        tiff(premultiplied(COLOURS, CLEAR, 255), "rgb", extrasamples=["assocalpha"]), COLOURS, 2, opacity=CLEAR
    ),
    "tiff 16 bits": Golden(tiff(DEEP[:, :, :3], "rgb"), rounded(DEEP[:, :, :3])),
    "tiff 16 bits big endian": Golden(tiff(DEEP[:, :, :3], "rgb", byteorder=">"), rounded(DEEP[:, :, :3])),
    "tiff 16 bits tiles": Golden(
        tiff(DEEP[:, :, :3], "rgb", tile=(16, 16), compression="zlib", predictor=True), rounded(DEEP[:, :, :3])
    ),
    "tiff 16 bits colour by colour": Golden(
        tiff(DEEP[:, :, :3].transpose(2, 0, 1).copy(), "rgb", planarconfig="separate", compression="zlib"),
        rounded(DEEP[:, :, :3]),
        1,
    ),
    "tiff 16 bits alpha": Golden(
        tiff(DEEP, "rgb", extrasamples=["unassalpha"]), rounded(DEEP[:, :, :3]), opacity=rounded(DEEP[:, :, 3])
    ),
    "tiff 16 bits premultiplied": Golden(
        tiff(DEEP_PREMULTIPLIED, "rgb", extrasamples=["assocalpha"]),
        rounded(DEEP[:, :, :3]),
        1,
        opacity=rounded(DEEP[:, :, 3] | 0x8000),
    ),
    "tiff 16 bits, fourth of no meaning": Golden(
        tiff(DEEP, "rgb", extrasamples=["unspecified"]), rounded(DEEP[:, :, :3])
    ),
    "tiff 16 bits grey": Golden(tiff(DEEP[:, :, 0], "minisblack"), grey3(rounded(DEEP[:, :, 0]))),
    "tiff 16 bits, white is zero": Golden(tiff(65535 - DEEP[:, :, 0], "miniswhite"), grey3(rounded(DEEP[:, :, 0]))),
    "tiff 16 bits big, big endian": Golden(
        tiff(DEEP[:, :, :3], "rgb", bigtiff=True, byteorder=">"), rounded(DEEP[:, :, :3])
    ),
    "tiff ink": Golden(tiff(STORED_INK, "separated"), SCREEN),
    "tiff ink 16 bits": Golden(tiff(STORED_INK.astype(np.uint16) * 257, "separated"), SCREEN),
    "tiff ink, ink profile": Golden(tiff(FLAT, "separated", iccprofile=ink_profile()), CYAN_SEEN),
    "tiff lab": Golden(tiff(NEUTRAL_LAB, "cielab"), CYAN_SEEN),
    "tiff lab colours": Golden(tiff(RED_LAB, "cielab"), seen_lab(150 / 2.55, 60, -30), 1),
    "tiff rgb profile": Golden(tiff(COLOURS, "rgb", iccprofile=SRGB), COLOURS, icc=SRGB),
    "tiff pages": Golden(tiff(np.stack([COLOURS, COLOURS, COLOURS]), "rgb"), COLOURS, pages=3),
    "tiff 1 x 1": Golden(tiff(COLOURS[:1, :1], "rgb"), COLOURS[:1, :1]),
    "tiff dots a cm": Golden(RESOLVED_TIFF, COLOURS, dpi=(118.11 * 2.54, 59.055 * 2.54)),
}  # fmt: skip


@pytest.fixture(scope="module")
def children() -> Iterator[ChildDecoder]:
    with ChildDecoder(1, 120_000_000, 30) as decoder:
        yield decoder


@pytest.mark.parametrize("name", TABLE)
def test_a_stored_photo_comes_out_as_it_looks(name: str) -> None:
    assert_golden(decode(InProcessDecoder(), TABLE[name].content), TABLE[name])


@pytest.mark.parametrize("name", [name for place, name in enumerate(TABLE) if place % 3 == 0 or "alpha" in name])
def test_a_child_gives_the_same(children: ChildDecoder, name: str) -> None:
    assert_golden(decode(children, TABLE[name].content), TABLE[name])


def assert_golden(photo: Photo, golden: Golden) -> None:
    assert photo.pixels.shape == golden.pixels.shape
    assert np.abs(photo.pixels.astype(int) - golden.pixels).max() <= golden.tolerance
    if golden.opacity is None:
        assert photo.opacity is None
    else:
        assert photo.opacity is not None
        assert np.array_equal(photo.opacity, golden.opacity)
        assert not photo.opacity.flags.writeable
    found = photo.metadata
    assert (found.icc, found.pages) == (golden.icc, golden.pages)
    assert found.dpi == (None if golden.dpi is None else pytest.approx(golden.dpi, rel=1e-4))


@pytest.mark.parametrize("name", TABLE)
def test_intake_finds_it_complete_and_knows_its_size(name: str) -> None:
    found = judged(TABLE[name].content)
    height, width = TABLE[name].pixels.shape[:2]
    assert (found.verdict, found.kind, found.width, found.height) == (Verdict.COMPLETE, name.split()[0], width, height)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", [name for name in TABLE if "motion" not in name])
def test_intake_knows_that_a_part_of_it_is_not_all(name: str, share: float) -> None:
    content = TABLE[name].content
    assert judged(content[: int(len(content) * share)]).verdict is Verdict.INCOMPLETE


UPRIGHT = {
    "jpeg": lambda exif: jpeg(exif=exif),
    "jpeg ink": lambda exif: written(INK, "JPEG", quality=95, exif=exif),
    "png": lambda exif: of(RGBA, "PNG", exif=exif),
    "webp": lambda exif: of(RGBA, "WEBP", lossless=True, exact=True, exif=exif),
    "tiff": lambda exif: tiff(RGBA, "rgb", extrasamples=["unassalpha"], extratags=[(274, 3, 1, exif[274], True)]),
    "tiff lzw": lambda exif: written(Image.fromarray(COLOURS), "TIFF", compression="tiff_lzw", exif=exif),
    "tiff 16 bits": lambda exif: tiff(
        RGBA.astype(np.uint16) * 257, "rgb", extrasamples=["unassalpha"], extratags=[(274, 3, 1, exif[274], True)]
    ),
}


TURNS = {
    1: lambda image: image,
    2: ImageOps.mirror,
    3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
    4: ImageOps.flip,
    5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    6: lambda image: image.transpose(Image.Transpose.ROTATE_270),
    7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    8: lambda image: image.transpose(Image.Transpose.ROTATE_90),
}


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", UPRIGHT)
def test_it_is_turned_upright_exactly_once(name: str, orientation: int) -> None:
    photo = decode(InProcessDecoder(), UPRIGHT[name](turned(orientation)))
    lying = Image.fromarray(RGBA if photo.opacity is not None else shown(UPRIGHT[name](turned(1))))
    expected = np.asarray(TURNS[orientation](lying))
    assert np.abs(photo.pixels.astype(int) - expected[:, :, :3]).max() <= 2
    if photo.opacity is not None:
        assert np.array_equal(photo.opacity, expected[:, :, 3])


def judged(content: bytes) -> object:
    return inspect(lambda offset, length: content[offset : offset + length], len(content))
