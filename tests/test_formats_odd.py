"""Photos that are stored in odd ways, and those that only look so: taken where every pixel is there, else refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from bshm_watchd.errors import RejectedPhoto
from bshm_watchd.intake.complete import Verdict, inspect
from bshm_watchd.matting.decoder import ChildDecoder
from tests.support.decoders import InProcessDecoder, decode
from tests.support.encoded import (
    ALPHA,
    COLOURS,
    DEEP,
    GREY,
    animated_png,
    deep_png,
    frame_control,
    ink_jpeg_as,
    jpeg,
    of,
    premultiplied,
    rows_of,
    tiff,
)
from tests.support.peak_memory import memory_bytes
from tests.support.pictures import EOI, chunk

# Pillow warns of damaged metadata; in the child that is kept quiet.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

OTHER = rows_of(255 - COLOURS)


def verdict(content: bytes) -> Verdict:
    return inspect(lambda offset, length: content[offset : offset + length], len(content)).verdict


def refusal(content: bytes, max_pixels: int = 120_000_000) -> RejectedPhoto:
    with pytest.raises(RejectedPhoto) as caught:
        decode(InProcessDecoder(max_pixels), content)
    return caught.value


# -- animated PNG: the still picture is the photo ---------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 2, 1000])
def test_a_png_that_promises_frames_and_has_none_is_its_picture(frames: int) -> None:
    photo = decode(InProcessDecoder(), animated_png(COLOURS, frames))
    assert np.array_equal(photo.pixels, COLOURS)
    assert photo.metadata.pages == frames


def test_a_picture_that_is_no_frame_of_its_animation_is_taken_all_the_same() -> None:
    content = animated_png(COLOURS, 2, behind=[OTHER, OTHER])
    assert np.array_equal(decode(InProcessDecoder(), content).pixels, COLOURS)


@pytest.mark.parametrize("frame", [b"", b"no deflated rows", OTHER[:40]], ids=["none", "noise", "cut"])
def test_broken_frames_cost_no_photo(frame: bytes) -> None:
    content = animated_png(COLOURS, 2, behind=[frame, frame])
    assert np.array_equal(decode(InProcessDecoder(), content).pixels, COLOURS)


@pytest.mark.parametrize("size", [(1_000_000, 1_000_000), (44, 61), (0, 0)])
def test_a_later_frame_of_another_size_costs_no_photo(size: tuple[int, int]) -> None:
    whole = animated_png(COLOURS, 2, first_is_frame=True, behind=[OTHER])
    content = whole.replace(frame_control(1, 43, 61), frame_control(1, *size))
    assert content != whole
    assert np.array_equal(decode(InProcessDecoder(), content).pixels, COLOURS)


def test_a_broken_picture_is_broken_whatever_its_frames_are() -> None:
    content = animated_png(COLOURS, 2, behind=[OTHER, OTHER])
    picture = rows_of(COLOURS)
    damaged = content.replace(chunk(b"IDAT", picture), chunk(b"IDAT", picture[: len(picture) // 2]))
    assert refusal(damaged).reason == "broken"


def test_an_animation_of_16_bits_takes_the_memory_of_its_picture() -> None:
    flat = np.zeros((2000, 3000, 4), np.uint16)
    still, rows = deep_png(flat, 6), rows_of(flat.view(np.uint8))
    promise = chunk(b"acTL", struct.pack(">II", 2, 0)) + frame_control(0, 3000, 2000)
    second = frame_control(1, 3000, 2000) + chunk(b"fdAT", struct.pack(">I", 2) + rows)
    animated = still[:33] + promise + still[33:-12] + second + still[-12:]
    decode(InProcessDecoder(), still)
    assert peak_bytes(animated) < peak_bytes(still) + 2 * 6_000_000


def peak_bytes(content: bytes) -> int:
    """Beyond what is in use before."""
    with open("/proc/self/clear_refs", "w") as sets_the_high_water_mark_to_now:
        sets_the_high_water_mark_to_now.write("5")
    before = memory_bytes("VmRSS")
    decode(InProcessDecoder(), content)
    return memory_bytes("VmHWM") - before


# -- JPEG: padding is no damage ---------------------------------------------------------------------------------

INK = ink_jpeg_as(0)
PADDINGS = {
    "five zeros": bytes(5),
    "many zeros": bytes(3000),
    "FF": b"\xff" * 3000,
    "zeros and FF": bytes(9) + b"\xff" * 9,
    "FF and zeros": b"\xff" + bytes(9),
}
UNPADDED = {"baseline": jpeg(), "progressive": jpeg(progressive=True), "grey": of(GREY, "JPEG"), "ink": INK}


@pytest.mark.parametrize("padding", PADDINGS.values(), ids=PADDINGS)
@pytest.mark.parametrize("name", UNPADDED)
def test_padding_before_the_end_of_a_jpeg_is_passed_over(name: str, padding: bytes) -> None:
    content = UNPADDED[name]
    padded = decode(InProcessDecoder(), content[:-2] + padding + EOI)
    assert np.array_equal(padded.pixels, decode(InProcessDecoder(), content).pixels)
    assert verdict(content[:-2] + padding + EOI) is Verdict.COMPLETE


@pytest.mark.parametrize("name", UNPADDED)
@pytest.mark.parametrize("lost", [100, 400])
def test_zeros_in_the_place_of_the_picture_are_no_padding(name: str, lost: int) -> None:
    content = UNPADDED[name]
    for more in (0, 50, 5000):
        assert refusal(content[: -2 - lost] + bytes(lost + more) + EOI).reason == "broken"


@pytest.mark.parametrize("name", UNPADDED)
def test_what_is_left_of_a_picture_that_was_misread_is_no_padding(name: str) -> None:
    left = bytes(range(1, 200))
    assert refusal(UNPADDED[name][:-2] + left + EOI).reason == "broken"
    assert refusal(UNPADDED[name][:-2] + left + bytes(500) + EOI).reason == "broken"


def with_scans(count: int) -> bytes:
    """The last scan over and over."""
    content = jpeg(progressive=True)
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * (count - content.count(b"\xff\xda")) + EOI


def test_a_jpeg_of_very_many_scans_is_refused_before_they_are_decoded() -> None:
    assert refusal(with_scans(501)).reason == "unsupported"
    assert refusal(with_scans(501).replace(b"\xff\xda", b"\xff\xfe\0\4\xff\xd9\xff\xda")).reason == "unsupported"
    assert refusal(with_scans(100_000)).reason == "unsupported"
    assert refusal(with_scans(500)).reason == "broken"  # decoded, and found to repeat itself


def jpeg_of(marker: int, bits: int) -> bytes:
    content = jpeg()
    frame = content.index(b"\xff\xc0")
    return (
        content[: frame + 1] + bytes([marker]) + content[frame + 2 : frame + 4] + bytes([bits]) + content[frame + 5 :]
    )


# -- what cannot be read exactly is said to be so, not to be damaged ------------------------------------------------

PLANES = premultiplied(COLOURS, ALPHA, 255).transpose(2, 0, 1).copy()
DEEP_PLANES = premultiplied(DEEP[:, :, :3], DEEP[:, :, 3], 65535).transpose(2, 0, 1).copy()
SEPARATE = {"planarconfig": "separate", "extrasamples": ["assocalpha"]}
UNSUPPORTED = {
    "tiff colour by colour, premultiplied": tiff(PLANES, "rgb", **SEPARATE),
    "tiff 16 bits colour by colour, premultiplied": tiff(DEEP_PLANES, "rgb", compression="zlib", **SEPARATE),
    "jpeg 12 bits": jpeg_of(0xC1, 12),
    "jpeg lossless": jpeg_of(0xC3, 8),
    "jpeg hierarchical": jpeg_of(0xC5, 8),
    "png wider than its library takes": of(np.zeros((1, 1_000_001), np.uint8), "PNG"),
    "png higher than its library takes": of(np.zeros((1_000_001, 1), np.uint8), "PNG"),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_a_way_of_storing_that_is_not_read_is_called_unsupported(name: str) -> None:
    error = refusal(UNSUPPORTED[name])
    assert error.reason == "unsupported"
    assert "image editor" in error.what_to_do
    assert verdict(UNSUPPORTED[name]) is Verdict.COMPLETE


def big_tiff(width: int) -> bytes:
    tags = {256: width, 257: 5, 262: 1, 273: 8, 279: 1}
    entries = b"".join(struct.pack("<HHQQ", tag, 16, 1, value) for tag, value in tags.items())
    return struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, len(tags)) + entries + bytes(8)


def test_very_wide_pictures_are_read_or_refused_and_end_no_child() -> None:
    wide = np.arange(1_100_000, dtype=np.uint16)[np.newaxis]
    with ChildDecoder(1, 2_000_000, 30) as decoder:
        for width in (1 << 31, 1 << 33, (1 << 64) - 1):
            with pytest.raises(RejectedPhoto) as caught:
                decode(decoder, big_tiff(width))
            assert caught.value.reason == "too_large"
            assert f"{width} x 5 pixels" in caught.value.message
        assert np.array_equal(decode(decoder, tiff(wide, "minisblack")).pixels[0, :, 1], np.rint(wide[0] / 257))


# -- TIFF: what follows the first page -----------------------------------------------------------------------------


def linked(content: bytes, offset: int, more: bytes = b"") -> bytes:
    """The first directory's link to another leads to `offset`."""
    (first,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, first)
    link = first + 2 + 12 * count
    return content[:link] + struct.pack("<I", offset) + content[link + 4 :] + more


TIFF = tiff(COLOURS, "rgb", metadata=None)
WORDS = struct.pack("<HHHI4sI", 1, 0x010E, 2, 2, b"a\0\0\0", 0)
PRIVATE = tiff(COLOURS, "rgb", metadata=None, extratags=[(65000, 1, 8, bytes(8), True)])
PRIVATE_ENTRY = PRIVATE.index(struct.pack("<HHI", 65000, 1, 8))
ODD_TIFFS = {
    "a link to pixels": linked(TIFF, len(TIFF) - 3000),
    "a link to nothing": linked(TIFF, len(TIFF), bytes(100)),
    "a second directory of words": linked(TIFF, len(TIFF), WORDS),
    "a second directory of words that leads nowhere": linked(TIFF, len(TIFF), WORDS[:-4] + b"\xff\xff\xff\x7f"),
    "a private value beyond the end": PRIVATE[: PRIVATE_ENTRY + 8] + b"\0\0\1\0" + PRIVATE[PRIVATE_ENTRY + 12 :],
}


@pytest.mark.parametrize("name", ODD_TIFFS)
def test_a_tiff_whose_first_page_is_there_is_one_photo(name: str) -> None:
    content = ODD_TIFFS[name]
    photo = decode(InProcessDecoder(), content)
    assert np.array_equal(photo.pixels, COLOURS)
    assert photo.metadata.pages == 1
    assert verdict(content) is Verdict.COMPLETE


@pytest.mark.parametrize("beyond", [0, 1, 100_000])
def test_a_tiff_whose_next_page_is_still_to_be_written_is_incomplete(beyond: int) -> None:
    assert verdict(linked(TIFF, len(TIFF) + beyond)) is Verdict.INCOMPLETE
    assert verdict(linked(TIFF, len(TIFF), WORDS[:10])) is Verdict.INCOMPLETE
