from __future__ import annotations

import io
import os
import struct
import time

import numpy as np
import pytest
import tifffile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from bshm_watchd.config import Limits
from bshm_watchd.intake.complete import BLOCK_BYTES, TAIL_BYTES, Inspection, Verdict, inspect
from bshm_watchd.intake.inspection import Blank
from bshm_watchd.intake.rejections import by_structure
from tests.support.pictures import EOI, SOI, chunk, frame, jpeg, png, scan, segment


class Reading:
    """A file in memory that counts what is read of it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.bytes_read = 0
        self.longest = 0
        self.looks = 0

    def __call__(self, offset: int, length: int) -> bytes:
        assert offset >= 0 and length >= 0
        found = self.content[offset : offset + length]
        self.bytes_read += len(found)
        self.looks += 1
        self.longest = max(self.longest, length)
        return found


def judge(content: bytes) -> Inspection:
    return inspect(Reading(content), len(content))


def encoded(kind: str, **options: object) -> bytes:
    noise = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, kind, **options)
    return out.getvalue()


def tiff_of(**options: object) -> bytes:
    """By tifffile, its directory first."""
    noise = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    out = io.BytesIO()
    tifffile.imwrite(out, noise, photometric="rgb", metadata=None, **options)
    return out.getvalue()


WHOLE = {
    "jpeg": (jpeg(), 64, 48),
    "png": (png(), 64, 48),
    "real jpeg": (encoded("JPEG"), 120, 90),
    "progressive": (encoded("JPEG", progressive=True), 120, 90),
    "restart markers": (encoded("JPEG", restart_marker_blocks=2), 120, 90),
    "real png": (encoded("PNG"), 120, 90),
    "thumbnail inside": (jpeg(app1=b"Exif\0\0" + jpeg(16, 12)), 64, 48),
    "fill bytes": (SOI + b"\xff\xff" + frame(64, 48) + scan(b"\1\xff\0\xff\xd0\2") + b"\xff\xff\xd9", 64, 48),
    "motion photo": (jpeg() + b"\0\0\0\x18ftypmp42" + b"film" * 99, 64, 48),
    "tables between": (SOI + frame(64, 48, 0xC2) + scan(b"\1") + segment(0xC4, EOI) + scan(b"\2") + EOI, 64, 48),
    "webp": (encoded("WEBP"), 120, 90),
    "webp lossless": (encoded("WEBP", lossless=True, exif=b"Exif"), 120, 90),
    "webp animated": (encoded("WEBP", save_all=True, append_images=[Image.new("RGB", (120, 90))]), 120, 90),
    "webp and more": (encoded("WEBP") + b"more", 120, 90),
    "tiff": (tiff_of(), 120, 90),
    "tiff big endian": (tiff_of(byteorder=">"), 120, 90),
    "tiff big": (tiff_of(bigtiff=True), 120, 90),
    "tiff tiles": (tiff_of(tile=(32, 32)), 120, 90),
    "tiff directory at the end": (encoded("TIFF", compression="tiff_lzw"), 120, 90),
    "tiff pages": (encoded("TIFF", save_all=True, append_images=[Image.new("RGB", (9, 9))]), 120, 90),
    "a block's worth": (jpeg(coded_bytes=BLOCK_BYTES * 3), 64, 48),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_photo_is_complete_and_its_size_known(name: str) -> None:
    content, width, height = WHOLE[name]
    found = judge(content)
    assert (found.verdict, found.width, found.height, found.zero_tail) == (Verdict.COMPLETE, width, height, False)
    assert found.kind == next((kind for kind in ("png", "webp", "tiff") if kind in name), "jpeg")


BEGUN = ["jpeg", "png", "progressive", "restart markers", "thumbnail inside", "real png", "webp", "webp lossless",
         "webp animated", "tiff", "tiff big endian", "tiff big", "tiff tiles", "tiff directory at the end"]  # fmt: skip


@pytest.mark.contract("I2")
@pytest.mark.parametrize("name", BEGUN)
def test_no_beginning_of_a_photo_is_complete(name: str) -> None:
    content = WHOLE[name][0]
    for length in range(1, len(content), 7 if len(content) > 2000 else 1):
        assert judge(content[:length]).verdict is Verdict.INCOMPLETE, length
    assert judge(content[:-1]).verdict is Verdict.INCOMPLETE


@pytest.mark.contract("I2")
@pytest.mark.parametrize("name", ["jpeg", "png", "progressive"])
def test_a_preallocated_photo_is_incomplete_until_its_last_byte(name: str) -> None:
    content = WHOLE[name][0]
    for length in (0, 3, 30, len(content) // 2, len(content) - 1):
        found = judge(content[:length] + bytes(len(content) - length))
        assert found.verdict is Verdict.INCOMPLETE, length


@pytest.mark.parametrize("size", [1, 8, 5000, BLOCK_BYTES * 2 + 1])
def test_nothing_but_zeros_is_incomplete_and_called_so(size: int) -> None:
    found = judge(bytes(size))
    assert (found.verdict, found.blank) == (Verdict.INCOMPLETE, Blank.ONLY_ZEROS)
    assert "holds only zeros" in told(found)


def test_an_empty_file_is_incomplete_and_called_empty() -> None:
    assert judge(b"").verdict is Verdict.INCOMPLETE
    assert "the file is empty" in told(judge(b""))


@pytest.mark.parametrize("content", [jpeg()[:40], jpeg()[:40] + bytes(5000), bytes(BLOCK_BYTES * 2) + b"x", b"II"])
def test_a_file_that_holds_something_is_not_called_blank(content: bytes) -> None:
    assert judge(content).blank is None
    assert "ends before its picture does" in told(judge(content))


def told(found: Inspection) -> str:
    problem = by_structure(found, Limits())
    assert problem is not None
    assert problem.reason == "incomplete"
    return problem.message


def test_a_file_of_zeros_is_read_once() -> None:
    reading = Reading(bytes(BLOCK_BYTES * 5 + 3))
    assert inspect(reading, len(reading.content)).blank is Blank.ONLY_ZEROS
    assert reading.bytes_read == len(reading.content)
    assert reading.longest <= BLOCK_BYTES


@pytest.mark.contract("I6")
@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"\0\0\0\x18ftypheic",
        b"\0\0\0\x18ftypavif",
        b"GIF89a",
        b"%PDF-1.4",
        b"\xff\xd9",
        b"IIU\0\x18\0\0\0",  # a raw file
        b"IIRO\x08\0\0\0",  # another
        b"BM6\0\0\0",
    ],
)
def test_a_foreign_beginning_is_not_a_photo(content: bytes) -> None:
    assert judge(content).verdict is Verdict.NOT_A_PHOTO


@pytest.mark.parametrize(
    "content",
    [
        SOI + frame(64, 48) + EOI,  # tables only
        SOI + scan(b"\1\2") + EOI,  # no frame
        SOI + segment(0xE0, b"") [:2] + b"\0\1" + EOI,  # a length that points backwards
        png().replace(b"IHDR\0\0\0@", b"IHDR\0\0\0A"),  # its checksum is wrong
        png()[:33] + chunk(b"IEND", b""),  # no picture
        png()[:33] + b"\xff\xff\xff\xffIDAT" + b"x" * 50,
        b"RIFF\4\0\0\0WEBP",  # no chunk
        encoded("WEBP", lossless=True)[:16] + b"\xff\xff\xff\0" + encoded("WEBP", lossless=True)[20:],
        b"RIFF\x0e\0\0\0WEBPEXIF\1\0\0\0x\0",  # no picture
        b"II*\0\0\0\0\0" + bytes(50),  # its first directory is to be written last
        b"II*\0\x08\0\0\0" + bytes(50),  # a directory of nothing
        b"II*\0\x08\0\0\0\1\0\0\1\3\0\1\0\0\0\5\0\0\0" + bytes(50),  # a width and no picture
    ],
)  # fmt: skip
def test_what_lacks_a_part_is_incomplete(content: bytes) -> None:
    assert judge(content).verdict is Verdict.INCOMPLETE


@pytest.mark.parametrize("mark", [b"RIFF", b"RIFF\x24\0\0\0WEB", b"II", b"MM\0", b"II+"])
def test_the_beginning_of_a_beginning_is_incomplete(mark: bytes) -> None:
    assert judge(mark).verdict is Verdict.INCOMPLETE
    assert judge(mark + bytes(5000)).verdict is Verdict.INCOMPLETE


@pytest.mark.contract("I2")
@pytest.mark.parametrize("kind", ["tiff", "webp"])
def test_a_half_written_picture_in_a_preallocated_file_has_a_tail_of_zeros(kind: str) -> None:
    """Nothing in it says that it is not all there: its time to settle is extended once instead."""
    content = {"tiff": tiff_of(), "webp": encoded("WEBP", lossless=True)}[kind]
    found = judge(content[:20_000] + bytes(len(content) - 20_000))
    assert (found.verdict, found.zero_tail) == (Verdict.COMPLETE, True)


def test_a_preallocated_tiff_without_its_directory_is_incomplete() -> None:
    content = WHOLE["tiff directory at the end"][0]
    for length in (8, 30, len(content) // 2, len(content) * 9 // 10):
        assert judge(content[:length] + bytes(len(content) - length)).verdict is Verdict.INCOMPLETE, length


def test_a_strip_beyond_the_end_of_a_later_page_is_found() -> None:
    whole = encoded("TIFF", save_all=True, append_images=[Image.new("RGB", (99, 99))])
    assert judge(whole).verdict is Verdict.COMPLETE
    assert judge(whole[:-100]).verdict is Verdict.INCOMPLETE


@pytest.mark.contract("I5")
def test_a_long_catalogue_is_not_walked_to_its_end() -> None:
    pages = [Image.new("1", (1, 1))] * 400
    content = encoded("TIFF", save_all=True, append_images=pages)
    reading = Reading(content)
    assert inspect(reading, len(content)).verdict is Verdict.COMPLETE
    assert reading.looks <= 1 + 3 * 100 + 1


@pytest.mark.contract("I6")
@pytest.mark.parametrize(
    "tags",
    [
        {50706: 0x0401},  # DNG
        {262: 32803},  # a sensor's values
        {254: 1, 330: 8},  # a preview, and the sensor's values elsewhere
    ],
)
def test_a_cameras_raw_file_is_not_a_photo(tags: dict[int, int]) -> None:
    assert judge(directory_of({256: 9, 257: 9, 273: 8, 279: 1} | tags)).verdict is Verdict.NOT_A_PHOTO
    assert judge(directory_of({256: 9, 257: 9, 273: 8, 279: 1})).verdict is Verdict.COMPLETE


def directory_of(tags: dict[int, int]) -> bytes:
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4)


def test_canons_raw_file_is_not_a_photo() -> None:
    directory = struct.pack("<HHHIII", 1, 256, 3, 1, 6000, 0)
    assert judge(b"II*\0\x10\0\0\0CR\2\0\0\0\0\0" + directory).verdict is Verdict.NOT_A_PHOTO


def test_zeros_after_the_end_mark_are_told() -> None:
    assert judge(jpeg() + bytes(TAIL_BYTES)) == Inspection(Verdict.COMPLETE, "jpeg", 64, 48, zero_tail=True)
    assert not judge(jpeg() + bytes(TAIL_BYTES - 1)).zero_tail


@pytest.mark.contract("I5")
def test_a_file_is_read_once_in_blocks() -> None:
    reading = Reading(jpeg(coded_bytes=BLOCK_BYTES * 5 + 3))
    assert inspect(reading, len(reading.content)).verdict is Verdict.COMPLETE
    assert reading.bytes_read <= len(reading.content) + TAIL_BYTES
    assert reading.longest <= BLOCK_BYTES


def test_an_end_mark_on_the_edge_of_a_block_is_found() -> None:
    around = BLOCK_BYTES - len(jpeg(coded_bytes=0))
    assert all(judge(jpeg(coded_bytes=around + shift)).verdict is Verdict.COMPLETE for shift in range(-3, 4))


@pytest.mark.contract("I2")
def test_a_file_that_shrinks_while_it_is_read_is_incomplete() -> None:
    content = jpeg(coded_bytes=BLOCK_BYTES * 3)
    assert inspect(Reading(content[: BLOCK_BYTES * 2]), len(content)).verdict is Verdict.INCOMPLETE


def test_ten_megabytes_are_judged_to_their_end() -> None:
    content = SOI + frame(6000, 4000) + scan(os.urandom(10_000_000).replace(b"\xff", b"\xff\x00")) + EOI
    begun = time.perf_counter()
    assert judge(content).verdict is Verdict.COMPLETE
    print(f"structure of 10 MB: {time.perf_counter() - begun:.3f} s")


@pytest.mark.contract("I5")
@pytest.mark.parametrize("content", [SOI + b"\xff\xe0\0\2" * 600_000, png()[:33] + chunk(b"teXt", b"") * 600_000])
def test_a_file_of_empty_parts_is_given_up_soon(content: bytes) -> None:
    reading = Reading(content)
    assert inspect(reading, len(content)).verdict is Verdict.INCOMPLETE
    assert reading.bytes_read < len(content)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([b"", SOI + b"\xff", png()[:33], jpeg()[:40], encoded("WEBP")[:12]]), st.binary(max_size=3000))
@example(jpeg()[:-2], b"\xff")
def test_any_bytes_come_to_a_verdict_within_the_file(head: bytes, rest: bytes) -> None:
    reading = Reading(head + rest)
    assert isinstance(inspect(reading, len(reading.content)), Inspection)
    assert reading.bytes_read <= len(reading.content) + TAIL_BYTES


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["II*\0", "MM\0*", "II+\0", "MM\0+"]), st.binary(max_size=600), st.integers(4, 12))
def test_any_directory_comes_to_a_verdict(mark: str, rest: bytes, place: int) -> None:
    reading = Reading(mark.encode() + rest[:place] + b"\1\0" + rest[place:])
    assert isinstance(inspect(reading, len(reading.content)), Inspection)
    assert reading.looks <= 1000


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["jpeg", "png", "progressive", "webp animated", "tiff", "tiff big", "tiff pages"]), st.data())
def test_a_damaged_photo_comes_to_a_verdict(name: str, data: st.DataObject) -> None:
    content = bytearray(WHOLE[name][0])
    for _ in range(3):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert isinstance(judge(bytes(content)), Inspection)
