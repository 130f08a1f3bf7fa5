"""What a photo tells about itself, and what of it results carry on."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bshm_watchd.delivery.formats import Content, encode
from bshm_watchd.matting.exif import read_exif
from bshm_watchd.metadata import MAX_EXIF_BYTES, MAX_ICC_BYTES, Metadata
from bshm_watchd.output_settings import FileFormat
from tests.support.decoders import InProcessDecoder, decode
from tests.support.encoded import COLOURS, jpeg, of, with_chunks, written
from tests.support.icc import SRGB
from tests.support.pictures import chunk, segment

# Pillow warns of damaged metadata; in the child that is kept quiet.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

ARTIST, MAKE, ORIENTATION, DETAILS, PLACE = 0x013B, 0x010F, 0x0112, 0x8769, 0x8825
WIDTH, HEIGHT, X_RESOLUTION, Y_RESOLUTION, UNIT = 0x0100, 0x0101, 0x011A, 0x011B, 0x0128
PIXEL_WIDTH, PIXEL_HEIGHT, MAKER_NOTE, EXPOSURE, COMMENT = 0xA002, 0xA003, 0x927C, 0x829A, 0x9286


def camera(orientation: int = 6) -> Image.Exif:
    exif = Image.Exif()
    exif[MAKE], exif[ARTIST], exif[ORIENTATION], exif[700] = "Camera", "Ann", orientation, b"<x:xmpmeta/>"
    exif[X_RESOLUTION], exif[Y_RESOLUTION], exif[UNIT] = 240.0, 120.0, 2
    exif[WIDTH], exif[HEIGHT] = 43, 61
    exif.get_ifd(DETAILS).update({PIXEL_WIDTH: 43, PIXEL_HEIGHT: 61, MAKER_NOTE: b"secret" * 99, EXPOSURE: 0.01})
    exif.get_ifd(PLACE).update({1: "N", 2: (47.0, 3.0, 4.5)})
    return exif


def metadata(content: bytes) -> Metadata:
    return decode(InProcessDecoder(), content).metadata


def read_back(block: bytes) -> dict[int, object]:
    """By another reader than ours."""
    exif = Image.Exif()
    exif.load(block)
    return dict(exif) | {tag: dict(exif.get_ifd(tag)) for tag in (DETAILS, PLACE) if tag in exif}


PHOTOS = {
    "jpeg": jpeg(exif=camera()),
    "png": of(COLOURS, "PNG", exif=camera()),
    "png with the prefix": with_chunks(of(COLOURS, "PNG"), chunk(b"eXIf", camera().tobytes())),
    "webp": of(COLOURS, "WEBP", exif=camera()),
}
KEPT = {
    MAKE: "Camera",
    ARTIST: "Ann",
    ORIENTATION: 1,
    X_RESOLUTION: 120.0,
    Y_RESOLUTION: 240.0,
    UNIT: 2,
    WIDTH: 61,
    HEIGHT: 43,
    DETAILS: {PIXEL_WIDTH: 61, PIXEL_HEIGHT: 43, EXPOSURE: 0.01},
}


def without_pointers(found: dict[int, object]) -> dict[int, object]:
    return {tag: value for tag, value in found.items() if tag != PLACE}


@pytest.mark.parametrize("name", PHOTOS)
def test_what_describes_the_photo_is_kept_and_made_to_fit_the_upright_one(name: str) -> None:
    found = metadata(PHOTOS[name])
    assert without_pointers(read_back(found.exif)) == KEPT
    assert read_back(found.exif)[PLACE] == {1: "N", 2: (47.0, 3.0, 4.5)}
    assert found.dpi == (120, 240)


@pytest.mark.parametrize("name", PHOTOS)
def test_the_place_can_be_left_out(name: str) -> None:
    found = metadata(PHOTOS[name])
    assert read_back(found.exif_without_gps) == KEPT
    assert b"\x88\x25" not in found.exif_without_gps
    assert b"\x25\x88" not in found.exif_without_gps


def test_neither_thumbnail_nor_maker_note_is_kept() -> None:
    block = camera().tobytes().removeprefix(b"Exif\0\0")
    thumbnail = jpeg()
    (first,) = struct.unpack_from(">I", block, 4)
    (count,) = struct.unpack_from(">H", block, first)
    second = struct.pack(">H", 2) + struct.pack(">HHII", 0x0201, 4, 1, len(block) + 30)
    second += struct.pack(">HHII", 0x0202, 4, 1, len(thumbnail)) + bytes(4)
    link = first + 2 + 12 * count
    linked = block[:link] + struct.pack(">I", len(block)) + block[link + 4 :] + second + thumbnail
    assert thumbnail in linked
    kept, _ = read_exif(linked).of_upright(10, 10, None)
    assert b"\xff\xd8" not in kept
    assert b"secret" not in kept
    assert b"xmp" not in kept
    assert read_back(kept)[MAKE] == "Camera"


@pytest.mark.parametrize("order", ["<", ">"])
def test_values_keep_their_bytes_in_either_order(order: str) -> None:
    """A comment's unknown encoding, more types than a camera uses: copied, not understood."""
    values = {0x010E: (2, b"caf\xc3\xa9\0"), 0x013B: (2, b"\xe9\0"), 0x4746: (3, struct.pack(order + "H", 5))}
    table = struct.pack(order + "H", len(values))
    beyond, long_values = 8 + 2 + 12 * len(values) + 4, b""
    for tag, (kind, raw) in values.items():
        count = len(raw) if kind == 2 else len(raw) // 2
        table += struct.pack(order + "HHI", tag, kind, count)
        if len(raw) <= 4:
            table += raw.ljust(4, b"\0")
        else:
            table += struct.pack(order + "I", beyond + len(long_values))
            long_values += raw
    mark = b"II" if order == "<" else b"MM"
    block = mark + struct.pack(order + "HI", 42, 8) + table + bytes(4) + long_values
    kept, _ = read_exif(block).of_upright(10, 10, None)
    assert kept[:2] == mark
    again = read_exif(kept)
    assert {tag: (value.type, value.raw) for tag, value in again.main.items()} == values


@pytest.mark.parametrize("content", [jpeg(), jpeg(exif=Image.Exif()), of(COLOURS, "PNG"), of(COLOURS, "WEBP")])
def test_where_nothing_is_told_nothing_is_kept(content: bytes) -> None:
    assert metadata(content) == Metadata()


def test_an_orientation_alone_tells_nothing_about_the_upright_photo() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    assert metadata(jpeg(exif=exif)).exif == b""


def test_of_a_tiff_its_description_is_kept_and_its_structure_is_not() -> None:
    exif = Image.Exif()
    exif.load(camera(orientation=8).tobytes())
    found = metadata(written(Image.fromarray(COLOURS), "TIFF", exif=exif))
    kept = read_back(found.exif)
    assert kept.keys() == KEPT.keys() - {WIDTH, HEIGHT} | {PLACE}
    assert kept[DETAILS] == KEPT[DETAILS]
    assert (kept[ARTIST], kept[ORIENTATION], found.dpi) == ("Ann", 1, (120, 240))
    assert PLACE not in read_back(found.exif_without_gps)


def test_exif_that_is_too_long_to_carry_is_dropped() -> None:
    exif = camera()
    exif.get_ifd(DETAILS)[COMMENT] = bytes(MAX_EXIF_BYTES - 10)
    found = metadata(of(COLOURS, "PNG", exif=exif))
    assert read_back(found.exif) == read_back(found.exif_without_gps) == {X_RESOLUTION: 120, Y_RESOLUTION: 240, UNIT: 2}
    assert found.dpi == (120, 240)


def test_a_profile_that_is_too_long_to_carry_is_dropped() -> None:
    assert metadata(of(COLOURS, "PNG", icc_profile=SRGB + bytes(MAX_ICC_BYTES))).icc == b""
    assert metadata(of(COLOURS, "WEBP", icc_profile=SRGB + bytes(MAX_ICC_BYTES))).icc == b""


def test_a_profile_of_which_a_piece_is_missing_is_none() -> None:
    content = jpeg()
    piece = segment(0xE2, b"ICC_PROFILE\0" + bytes([1, 2]) + SRGB)
    assert metadata(content[:20] + piece + content[20:]).icc == b""


@pytest.mark.parametrize(
    ("across", "down", "unit"), [(0.0, 0.0, 2), (1.0, 1.0, 2), (300.0, 0.0, 2), (4e9, 4e9, 2), (300.0, 300.0, 1)]
)
def test_a_resolution_that_makes_no_sense_is_none(across: float, down: float, unit: int) -> None:
    exif = Image.Exif()
    exif[X_RESOLUTION], exif[Y_RESOLUTION], exif[UNIT] = across, down, unit
    assert metadata(of(COLOURS, "PNG", exif=exif)).dpi is None


def test_jfif_comes_before_exif() -> None:
    exif = Image.Exif()
    exif[X_RESOLUTION], exif[Y_RESOLUTION], exif[UNIT] = 72.0, 72.0, 2
    assert metadata(jpeg(exif=exif, dpi=(300, 300))).dpi == (300, 300)
    assert metadata(jpeg(exif=exif)).dpi == (72, 72)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("told", [None, (72.0, 72.0), (0.0, 0.0)])
@pytest.mark.parametrize("file_format", ["png", "webp", "tiff", "jpeg"])
def test_every_result_says_the_resolution_of_the_photo(
    file_format: FileFormat, told: tuple[float, float] | None, orientation: int
) -> None:
    """Whatever EXIF says of it beside the container."""
    exif = Image.Exif()
    exif[MAKE], exif[ORIENTATION] = "Camera", orientation
    if told:
        exif[X_RESOLUTION], exif[Y_RESOLUTION], exif[UNIT] = *told, 3
    photo = decode(InProcessDecoder(), jpeg(exif=exif, dpi=(300, 150)))
    upright = (300, 150) if orientation == 1 else (150, 300)
    assert photo.metadata.dpi == upright
    assert_said(encode(photo.pixels, file_format, photo.metadata, 92), upright)


@pytest.mark.parametrize("file_format", ["png", "webp", "tiff", "jpeg"])
@pytest.mark.parametrize("content", [jpeg(dpi=(300, 150)), of(COLOURS, "TIFF", dpi=(300, 150))])
def test_a_resolution_is_said_also_where_there_is_nothing_else_to_say(content: bytes, file_format: FileFormat) -> None:
    photo = decode(InProcessDecoder(), content)
    assert_said(encode(photo.pixels, file_format, photo.metadata, 92), (300, 150))


def assert_said(result: Content, dpi: tuple[float, float]) -> None:
    with Image.open(io.BytesIO(result)) as read:
        exif = read.getexif()
        assert (exif[X_RESOLUTION], exif[Y_RESOLUTION], exif[UNIT]) == (*dpi, 2)
        assert read.format == "WEBP" or read.info["dpi"] == pytest.approx(dpi, abs=0.02)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=200), st.lists(st.tuples(st.integers(0, 400), st.binary(max_size=6)), max_size=6))
def test_no_damage_to_metadata_fails_a_photo(tail: bytes, damages: list[tuple[int, bytes]]) -> None:
    block = bytearray(camera().tobytes()[:500] + tail)
    for position, replacement in damages:
        block[6 + position : 6 + position + len(replacement)] = replacement
    found = metadata(jpeg(exif=bytes(block)))
    for kept in (found.exif, found.exif_without_gps):
        assert len(kept) <= MAX_EXIF_BYTES
        if kept:
            assert read_exif(kept).orientation == 1
            assert read_exif(kept).of_upright(43, 61, found.dpi)


def test_overlapping_values_cost_no_more_than_a_block_may_be_long() -> None:
    count, block = 900, struct.pack("<2sHI", b"II", 42, 8)
    entries = b"".join(struct.pack("<HHII", 0x9000 + n, 7, 60_000, 0) for n in range(count))
    main = struct.pack("<H", 1) + struct.pack("<HHII", DETAILS, 4, 1, 26) + bytes(4)
    hostile = block + main + struct.pack("<H", count) + entries + bytes(60_000)
    kept, _ = read_exif(hostile).of_upright(10, 10, None)
    assert len(kept) <= MAX_EXIF_BYTES


def test_pixels_do_not_depend_on_metadata() -> None:
    plain = decode(InProcessDecoder(), of(COLOURS, "PNG")).pixels
    described = decode(InProcessDecoder(), of(COLOURS, "PNG", exif=camera(orientation=1), icc_profile=SRGB)).pixels
    assert np.array_equal(plain, described)
