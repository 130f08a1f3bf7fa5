"""What every decoder must do. A new one is added to `DECODERS` and is right when this passes."""

from __future__ import annotations

import concurrent.futures
import io
import struct
import zlib
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from bshm_watchd.errors import RejectedPhoto
from bshm_watchd.matting.decoder import ChildDecoder, Decoder
from tests.support.decoders import InProcessDecoder, decode
from tests.support.encoded import written
from tests.support.icc import SRGB

pytestmark = pytest.mark.contract("S1")

MAX_PIXELS = 200_000
RNG = np.random.default_rng(7)
COLOURS = cv2.resize(RNG.integers(0, 256, (8, 6, 3), np.uint8), (43, 61), interpolation=cv2.INTER_CUBIC)
GREY = COLOURS[:, :, 0].copy()


@pytest.fixture(scope="module", params=["children", "children_without_buffer", "in_process"])
def decoder(request: pytest.FixtureRequest) -> Iterator[Decoder]:
    if request.param == "in_process":
        yield InProcessDecoder(MAX_PIXELS)
        return
    buffer_bytes = None if request.param == "children" else 4096
    with ChildDecoder(2, MAX_PIXELS, timeout_seconds=30, buffer_bytes=buffer_bytes) as children:
        yield children


def jpeg(**options: object) -> bytes:
    return written(Image.fromarray(COLOURS), "JPEG", quality=95, subsampling=0, **options)


def png(**options: object) -> bytes:
    return written(Image.fromarray(COLOURS), "PNG", **options)


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def as_pillow_shows(content: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))).convert("RGB"))


def rejected(decoder: Decoder, content: bytes) -> RejectedPhoto:
    with pytest.raises(RejectedPhoto) as caught:
        decode(decoder, content)
    return caught.value


def test_a_png_gives_exactly_its_pixels(decoder: Decoder) -> None:
    assert np.array_equal(decode(decoder, png()).pixels, COLOURS)


def test_a_jpeg_gives_what_other_programs_show(decoder: Decoder) -> None:
    content = jpeg()
    photo = decode(decoder, content)
    assert (photo.height, photo.width) == (61, 43)
    assert np.abs(photo.pixels.astype(int) - as_pillow_shows(content)).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_exactly_once(decoder: Decoder, orientation: int) -> None:
    stored_png, stored_jpeg = png(exif=turned(orientation)), jpeg(exif=turned(orientation))
    assert np.array_equal(decode(decoder, stored_png).pixels, as_pillow_shows(stored_png))
    assert np.abs(decode(decoder, stored_jpeg).pixels.astype(int) - as_pillow_shows(stored_jpeg)).max() <= 2


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_turns_nothing(decoder: Decoder, orientation: int) -> None:
    assert decode(decoder, jpeg(exif=turned(orientation))).pixels.shape == (61, 43, 3)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12"]
)
def test_damaged_metadata_fails_no_photo(decoder: Decoder, exif: bytes) -> None:
    assert decode(decoder, jpeg(exif=exif)).pixels.shape == (61, 43, 3)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA"])
def test_any_8_bit_png_becomes_rgb_with_its_colours_as_stored(decoder: Decoder, mode: str) -> None:
    image = Image.fromarray(COLOURS).convert(mode)
    assert np.array_equal(decode(decoder, written(image, "PNG")).pixels, np.asarray(image.convert("RGB")))


def test_colours_under_full_transparency_stay(decoder: Decoder) -> None:
    clear = np.dstack([COLOURS, np.zeros_like(GREY)])
    photo = decode(decoder, written(Image.fromarray(clear), "PNG"))
    assert np.array_equal(photo.pixels, COLOURS)
    assert photo.opacity is not None
    assert not photo.opacity.any()


def test_no_opacity_is_given_where_nothing_is_transparent(decoder: Decoder) -> None:
    opaque = Image.fromarray(COLOURS).convert("RGBA")
    assert decode(decoder, written(opaque, "PNG")).opacity is None
    assert decode(decoder, png()).opacity is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_opacity_is_turned_with_the_pixels(decoder: Decoder, orientation: int) -> None:
    image = Image.fromarray(np.dstack([COLOURS, GREY]))
    content = written(image, "PNG", exif=turned(orientation))
    photo = decode(decoder, content)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    assert np.array_equal(photo.opacity, upright[:, :, 3])
    assert np.array_equal(photo.pixels, upright[:, :, :3])


def test_what_a_result_takes_over_comes_with_the_pixels(decoder: Decoder) -> None:
    exif = turned(6)
    exif[0x013B], exif[0x011A], exif[0x011B], exif[0x0128] = "Ann", 300.0, 150.0, 2
    exif.get_ifd(0x8825)[1] = "N"
    found = decode(decoder, jpeg(exif=exif, icc_profile=SRGB)).metadata
    assert found.icc == SRGB
    assert found.dpi == (150, 300)
    assert read_back(found.exif) == read_back(found.exif_without_gps) | {0x8825: {1: "N"}}
    assert read_back(found.exif)[0x013B] == "Ann"
    assert read_back(found.exif)[0x0112] == 1


def read_back(block: bytes) -> dict[int, object]:
    exif = Image.Exif()
    exif.load(block)
    return dict(exif) | {tag: exif.get_ifd(tag) for tag in exif if tag == 0x8825}


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_are_rounded_to_8(decoder: Decoder, channels: int) -> None:
    stored = RNG.integers(0, 65536, (300, 21, channels), np.uint16)
    pixels = decode(decoder, cv2.imencode(".png", stored)[1].tobytes()).pixels
    nearest = np.rint(stored / 257).astype(np.uint8)
    assert np.array_equal(pixels, np.repeat(nearest, 3, axis=2) if channels == 1 else nearest[:, :, 2::-1])


def test_every_level_of_16_bits_is_rounded_to_its_nearest(decoder: Decoder) -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    pixels = decode(decoder, cv2.imencode(".png", levels)[1].tobytes()).pixels
    assert np.array_equal(pixels[:, :, 1], np.rint(levels / 257))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_ink_jpegs_become_rgb(decoder: Decoder, mode: str) -> None:
    content = written(Image.fromarray(COLOURS).convert(mode), "JPEG", quality=95)
    assert np.abs(decode(decoder, content).pixels.astype(int) - as_pillow_shows(content)).max() <= 2


def test_a_progressive_jpeg_and_bytes_after_its_end_are_fine(decoder: Decoder) -> None:
    assert decode(decoder, jpeg(progressive=True) + b"motion photo" * 9).pixels.shape == (61, 43, 3)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["jpeg", "png", "cmyk", "webp", "tiff"])
def test_a_file_without_its_end_is_broken_not_grey(decoder: Decoder, kind: str, share: float) -> None:
    ink = written(Image.fromarray(COLOURS).convert("CMYK"), "JPEG")
    whole, picture = {"jpeg": jpeg(), "png": png(), "cmyk": ink}, Image.fromarray(COLOURS)
    content = whole.get(kind) or written(picture, kind)
    error = rejected(decoder, content[: max(16, int(len(content) * share))])
    assert error.reason == "broken"
    assert error.what_to_do.startswith("Copy it again")


def test_a_jpeg_with_a_hole_in_its_middle_is_broken(decoder: Decoder) -> None:
    content = bytearray(jpeg())
    content[-600:-500] = bytes(100)
    assert rejected(decoder, bytes(content)).reason == "broken"


def test_a_png_with_a_wrong_bit_is_broken(decoder: Decoder) -> None:
    content = bytearray(png())
    content[len(content) // 2] ^= 1
    assert rejected(decoder, bytes(content)).reason == "broken"


def huge_png(side: int) -> bytes:
    """A 1-bit PNG of side x side pixels in a few bytes of header; its data would unpack to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_picture_with_too_many_pixels_is_refused_by_its_header(decoder: Decoder) -> None:
    error = rejected(decoder, huge_png(30_000))
    assert error.reason == "too_large"
    assert "30000 x 30000" in error.message and "0.2 megapixels" in error.message
    assert "max_pixels" in error.what_to_do


def test_the_limit_itself_is_allowed(decoder: Decoder) -> None:
    pixels = np.zeros((400, MAX_PIXELS // 400, 3), np.uint8)
    assert decode(decoder, written(Image.fromarray(pixels), "PNG")).pixels.shape == pixels.shape
    too_wide = np.zeros((400, MAX_PIXELS // 400 + 1, 3), np.uint8)
    assert rejected(decoder, written(Image.fromarray(too_wide), "JPEG")).reason == "too_large"


@pytest.mark.parametrize(
    "content", [b"", b"hello", bytes(5000), b"GIF89a" + bytes(100), b"%PDF-1.7", b"\xff\xd8", b"RIFF\4\0\0\0AVI "]
)
def test_what_is_no_photo_is_said_to_be_none(decoder: Decoder, content: bytes) -> None:
    error = rejected(decoder, content)
    assert error.reason == "not_a_photo"
    assert "JPEG, PNG, WebP or TIFF" in error.what_to_do


def test_the_pixels_cannot_be_written(decoder: Decoder) -> None:
    photo = decode(decoder, written(Image.fromarray(np.dstack([COLOURS, GREY])), "PNG"))
    with pytest.raises(ValueError, match="read-only"):
        photo.pixels[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        photo.opacity[0, 0] = 1


def test_pixels_outlive_later_photos(decoder: Decoder) -> None:
    first = decode(decoder, png()).pixels
    for _ in range(3):
        decode(decoder, jpeg())
    assert np.array_equal(first, COLOURS)


def test_many_threads_get_their_own_photos(decoder: Decoder) -> None:
    pictures = [np.full((9 + n, 5, 3), n, np.uint8) for n in range(24)]
    contents = [written(Image.fromarray(picture), "PNG") for picture in pictures]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        photos = list(threads.map(lambda content: decode(decoder, content), contents))
    assert all(np.array_equal(photo.pixels, picture) for photo, picture in zip(photos, pictures, strict=True))
