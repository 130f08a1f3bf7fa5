"""Damaged and hostile files of every format: a photo or a reason, within bounds."""

from __future__ import annotations

import contextlib
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from bshm_watchd.errors import RejectedPhoto
from bshm_watchd.intake.complete import Verdict, inspect
from bshm_watchd.matting.decode_png import read_png
from tests.support.decoders import InProcessDecoder, decode
from tests.support.encoded import COLOURS, DEEP, GREY, of, tiff, with_chunks, written
from tests.support.pictures import chunk
from tests.test_formats_in import TABLE

# Pillow warns of damaged metadata; in the child that is kept quiet.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

MUTATIONS = 1500
LIKELY = bytes([0, 1, 0x7F, 0x80, 0xFE, 0xFF])
REASONS = {"broken", "too_large", "not_a_photo", "unsupported"}


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", [name for name in TABLE if "motion" not in name and "pages" not in name])
def test_no_part_of_a_photo_passes_for_all_of_it(name: str, share: float) -> None:
    content = TABLE[name].content
    with pytest.raises(RejectedPhoto) as caught:
        decode(InProcessDecoder(), content[: int(len(content) * share)])
    assert caught.value.reason in REASONS


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
def test_any_damage_gives_a_photo_or_a_reason(kind: str) -> None:
    chance = random.Random(kind)
    contents = [golden.content for name, golden in TABLE.items() if name.split()[0] == kind]
    decoder = InProcessDecoder(max_pixels=50_000)
    for _ in range(MUTATIONS):
        content = damaged(chance.choice(contents), chance)
        assert inspected(content) in Verdict
        try:
            assert decode(decoder, content).pixels.dtype == np.uint8
        except RejectedPhoto as error:
            assert error.reason in REASONS


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Mostly near the beginning, where structure is; check sums of a PNG are made right again."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 12))):
        place = chance.randrange(min(len(changed), chance.choice((64, 400, 1 << 30))))
        how = chance.random()
        if how < 0.7:
            changed[place] = chance.choice(LIKELY) if how < 0.3 else chance.randrange(256)
        elif how < 0.8:
            changed[place : place + 4] = bytes(chance.choices(LIKELY, k=4))
        elif how < 0.9:
            del changed[place : min(place + chance.randrange(1, 40), len(changed) - 1)]
        else:
            changed[place:place] = chance.randbytes(chance.randrange(1, 20))
    return summed(bytes(changed)) if chance.random() < 0.8 else bytes(changed)


def summed(content: bytes) -> bytes:
    """A PNG with the check sum of every chunk that is still all there; anything else as it is."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    whole, place = content[:8], 8
    while place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        part = content[place + 4 : place + 8 + length]
        whole += struct.pack(">I", length) + part + struct.pack(">I", zlib.crc32(part))
        place += 12 + length
    return whole


REFUSED = {
    "floating point": (tiff(COLOURS.astype(np.float32), "rgb"), "unsupported"),
    "32 bits": (tiff(GREY.astype(np.uint32), "minisblack"), "unsupported"),
    "big, big endian, 8 bits": (tiff(COLOURS, "rgb", bigtiff=True, byteorder=">"), "unsupported"),
    "16 bits colour by colour, not packed": (
        tiff(DEEP[:, :, :3].transpose(2, 0, 1).copy(), "rgb", planarconfig="separate"), "unsupported"
    ),
    "a sensor's values": (tiff(GREY, 32803, extratags=[(50706, 1, 4, b"\1\4\0\0", True)]), "not_a_photo"),
    "a tile larger than its picture": (tiff(GREY, "minisblack", tile=(4096, 4096), compression="zlib"), "unsupported"),
    "heic": (b"\0\0\0\x18ftypheic" + bytes(100), "not_a_photo"),
    "avif": (b"\0\0\0\x18ftypavif" + bytes(100), "not_a_photo"),
    "gif": (written(Image.fromarray(COLOURS).quantize(64), "GIF"), "not_a_photo"),
    "wave": (b"RIFF\x24\0\0\0WAVEfmt " + bytes(100), "not_a_photo"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_refused_with_its_reason(name: str) -> None:
    content, reason = REFUSED[name]
    with pytest.raises(RejectedPhoto) as caught:
        decode(InProcessDecoder(), content)
    assert caught.value.reason == reason
    assert caught.value.what_to_do
    assert (inspected(content) is Verdict.NOT_A_PHOTO) == (reason == "not_a_photo")


def inspected(content: bytes) -> Verdict:
    return inspect(lambda offset, length: content[offset : offset + length], len(content)).verdict


def refusal(content: bytes, max_pixels: int = 120_000_000) -> str:
    with pytest.raises(RejectedPhoto) as caught:
        decode(InProcessDecoder(max_pixels), content)
    return caught.value.reason


def huge_webp(side: int) -> bytes:
    """A canvas of this size around a picture of one pixel."""
    small = of(COLOURS[:1, :1], "WEBP", lossless=True)[12:]
    canvas = b"VP8X" + struct.pack("<II", 10, 0) + (side - 1).to_bytes(3, "little") * 2
    return riff(canvas + small)


def riff(chunks: bytes) -> bytes:
    """A WebP whose outer length is right, whatever its chunks say of theirs."""
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def patched_tiff(tag: int, value: int) -> bytes:
    content = tiff(GREY, "minisblack")
    entry = content.index(struct.pack("<H", tag), 8)
    return content[: entry + 8] + struct.pack("<I", value) + content[entry + 12 :]


@pytest.mark.contract("S1", "L3")
def test_a_picture_of_too_many_pixels_is_refused_by_its_header() -> None:
    assert refusal(patched_tiff(257, 100_000_000)) == "too_large"
    assert refusal(of(COLOURS, "WEBP"), max_pixels=2000) == "too_large"
    assert refusal(of(COLOURS, "TIFF"), max_pixels=2000) == "too_large"


def test_a_webp_that_promises_another_size_than_it_holds_is_broken() -> None:
    assert refusal(huge_webp(2)) == "broken"
    assert refusal(huge_webp(16_000_000)) == "broken"


def test_a_webp_whose_picture_is_there_but_not_what_follows_it_is_broken() -> None:
    whole = of(COLOURS, "WEBP", exif=b"Exif\0\0" + bytes(500))
    assert refusal(whole[:-100]) == "broken"
    assert refusal(whole.replace(b"EXIF", b"EXIF\xff\xff\0\0")) == "broken"
    assert refusal(riff(whole[12:-100])) == "broken"


@pytest.mark.contract("S1", "L3")
def test_a_profile_that_unpacks_without_end_is_dropped() -> None:
    bomb = chunk(b"iCCP", b"bomb\0\0" + zlib.compress(bytes(200 << 20), 9))
    content = of(COLOURS, "PNG")
    assert decode(InProcessDecoder(), content[:33] + bomb + content[33:]).metadata.icc == b""


@pytest.mark.contract("S1")
def test_pages_that_lead_in_a_circle_are_counted_once() -> None:
    content = bytearray(tiff(np.stack([GREY, GREY]), "minisblack", metadata=None))
    (first,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, first)
    (second,) = struct.unpack_from("<I", content, first + 2 + 12 * count)
    (count,) = struct.unpack_from("<H", content, second)
    struct.pack_into("<I", content, second + 2 + 12 * count, first)
    assert decode(InProcessDecoder(), bytes(content)).metadata.pages == 2
    assert inspected(bytes(content)) is Verdict.COMPLETE


@pytest.mark.contract("S1")
def test_a_tiff_of_endless_pages_comes_to_an_end() -> None:
    pages = b"".join(struct.pack("<HHHIII", 1, 254, 4, 1, 0, 8 + 18 * (number + 1)) for number in range(200_000))
    content = struct.pack("<2sHI", b"II", 42, 8) + pages
    with contextlib.suppress(RejectedPhoto):
        decode(InProcessDecoder(), content)
    assert inspected(content) is Verdict.INCOMPLETE


@pytest.mark.contract("S1")
def test_words_that_a_decoder_would_unpack_for_nobody_are_not_shown_to_it() -> None:
    words = chunk(b"zTXt", b"b\0\0" + zlib.compress(b"words"))
    plain, wordy = with_chunks(of(COLOURS, "PNG"), *[words] * 16), with_chunks(of(COLOURS, "PNG"), *[words] * 17)
    assert bytes(read_png(memoryview(plain)).content) == plain
    assert bytes(read_png(memoryview(wordy)).content) == of(COLOURS, "PNG")
    assert np.array_equal(decode(InProcessDecoder(), wordy).pixels, COLOURS)
