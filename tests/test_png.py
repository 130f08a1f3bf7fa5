"""PNG: every value comes back, as three programs that are not ours read it."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from bshm_watchd.bench import drawn
from bshm_watchd.delivery.formats import encoding_bytes
from bshm_watchd.delivery.png import encode_png
from bshm_watchd.delivery.png_filters import AVERAGE, PAETH, SUB, UP, Filter, Filtered
from bshm_watchd.metadata import Metadata

Bytes = NDArray[np.uint8]
RNG = np.random.default_rng(5)
SIDES = st.one_of(st.integers(1, 9), st.integers(1, 300))
FULL = Metadata(icc=b"profile" * 300, exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0", dpi=(300, 240))


def noise(*shape: int) -> Bytes:
    return RNG.integers(0, 256, shape, np.uint8)


def smooth(*shape: int) -> Bytes:
    """Goes all to libdeflate, as noise goes all to ISA-L."""
    ramp = np.linspace(0, 255, shape[1])[np.newaxis, :] * np.linspace(0.5, 1, shape[0])[:, np.newaxis]
    return np.broadcast_to(ramp.reshape(*shape[:2], *[1] * (len(shape) - 2)), shape).astype(np.uint8)


def half(*shape: int) -> Bytes:
    """Both compressors have a part of it."""
    picture = smooth(*shape).copy()
    picture[:, ::12] = noise(*picture[:, ::12].shape)
    return picture


def by_pillow(content: bytes | bytearray) -> Bytes:
    return np.asarray(Image.open(io.BytesIO(content)))


def by_opencv(content: bytes | bytearray) -> Bytes:
    read = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    order = {2: None, 3: cv2.COLOR_BGR2RGB}.get(read.ndim if read.ndim == 2 else read.shape[2], cv2.COLOR_BGRA2RGBA)
    return read if order is None else cv2.cvtColor(read, order)


def chunks(content: bytes | bytearray) -> Iterator[tuple[bytes, bytes]]:
    """By hand: names and contents, every checksum tested, nothing behind the last."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    position = 8
    while position < len(content):
        length, name = struct.unpack_from(">I4s", content, position)
        body = bytes(content[position + 8 : position + 8 + length])
        assert struct.unpack_from(">I", content, position + 8 + length)[0] == zlib.crc32(name + body)
        yield name, body
        position += 12 + length
    assert name == b"IEND"


def inflated(content: bytes | bytearray) -> bytes:
    """The filtered rows, read by Python's own zlib, which tests the stream's checksum and its end."""
    stream = zlib.decompressobj()
    rows = stream.decompress(b"".join(body for name, body in chunks(content) if name == b"IDAT"))
    assert stream.eof and not stream.unused_data
    return rows


def assert_all_read(content: bytes | bytearray, array: Bytes) -> None:
    assert np.array_equal(by_pillow(content), array)
    assert np.array_equal(by_opencv(content), array)
    assert len(inflated(content)) == len(array) * (1 + array[0].size)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (7, 5), (1, 3000), (3000, 1), (64, 64), (600, 800)])
@pytest.mark.parametrize("channels", [0, 3, 4])
@pytest.mark.parametrize("kind", [noise, smooth, half])
def test_every_value_comes_back(shape: tuple[int, int], channels: int, kind: type[noise]) -> None:
    array = kind(*shape, channels) if channels else kind(*shape)
    assert_all_read(encode_png(array), array)


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.sampled_from([0, 3, 4]), st.sampled_from([noise, smooth, half]), st.integers(1, 3))
def test_every_value_of_any_picture_comes_back(height: int, width: int, channels: int, kind, stride: int) -> None:
    shape = (height * stride, width, channels) if channels else (height * stride, width)
    array = kind(*shape)[::-stride]
    assert_all_read(encode_png(array), array)


@pytest.mark.parametrize("height", [1, 2, 5])
@pytest.mark.parametrize("channels", [0, 3, 4])
@pytest.mark.parametrize("kind", [noise, smooth, half])
def test_rows_longer_than_a_strip_come_back(height: int, channels: int, kind: type[noise]) -> None:
    shape = (height, 300_001, channels) if channels else (height, 300_001)
    array = kind(*shape)
    assert np.array_equal(by_pillow(encode_png(array)), array)


@pytest.mark.parametrize("chosen", [UP, AVERAGE, PAETH])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_row_filtered_in_parts_is_the_row_filtered_whole(chosen: Filter, channels: int) -> None:
    array = noise(3, 200_001, channels)
    filtered = Filtered(array, chosen)
    whole = np.empty((3, filtered.row_bytes), np.uint8)
    whole[:, 0] = SUB.number, chosen.number, chosen.number
    flat = array.reshape(3, -1)
    SUB.differences(flat[:1], flat[:1], channels, whole[:1, 1:])
    chosen.differences(flat[1:], flat[:-1], channels, whole[1:, 1:])
    assert np.array_equal(filtered.rows(0, 3), whole)
    assert b"".join(strip.tobytes() for strip in filtered.strips(1, 3)) == whole[1:].tobytes()


@pytest.mark.parametrize("rows_more", [-1, 0, 1])
def test_heights_around_a_whole_number_of_strips_come_back(rows_more: int) -> None:
    strip = (256 << 10) // (1 + 4 * 512)
    array = half(2 * strip + rows_more, 512, 4)
    assert_all_read(encode_png(array), array)


@pytest.mark.skipif(not shutil.which("pngcheck"), reason="pngcheck is not installed")
@pytest.mark.parametrize("kind", [noise, smooth, half])
@pytest.mark.parametrize("channels", [0, 3, 4])
def test_the_reference_checker_finds_nothing(tmp_path: Path, kind: type[noise], channels: int) -> None:
    profile = Path(tmp_path / "a.png")
    profile.write_bytes(encode_png(kind(500, 700, channels) if channels else kind(500, 700), FULL))
    checked = subprocess.run(["pngcheck", "-v", profile], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    assert "No errors detected" in checked.stdout


@pytest.mark.parametrize("chosen", [SUB, UP, AVERAGE, PAETH])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("width", [1, 2, 50])
def test_each_filter_is_undone_as_the_specification_says(chosen: Filter, channels: int, width: int) -> None:
    array = RNG.choice(np.array([0, 1, 2, 127, 128, 254, 255], np.uint8), (40, width, channels))
    rows = Filtered(array, chosen).rows(0, 40)
    assert rows[0, 0] == SUB.number and (rows[1:, 0] == chosen.number).all()
    assert np.array_equal(_unfiltered(rows, channels), array.reshape(40, -1))


def _unfiltered(rows: Bytes, step: int) -> Bytes:
    """The specification's own words, value by value."""
    values = np.zeros((len(rows) + 1, rows.shape[1] - 1 + step), int)  # with what counts as 0 above and to the left
    for y, row in enumerate(rows, start=1):
        for x, difference in enumerate(row[1:], start=step):
            a, b, c = values[y, x - step], values[y - 1, x], values[y - 1, x - step]
            p = a + b - c
            nearest = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
            prediction = {0: 0, 1: a, 2: b, 3: (a + b) // 2, 4: nearest}[int(row[0])]
            values[y, x] = (int(difference) + prediction) % 256
    return values[1:, step:].astype(np.uint8)


def test_colours_are_in_rgb_order() -> None:
    red = np.zeros((2, 2, 3), np.uint8)
    red[:, :, 0] = 255
    assert Image.open(io.BytesIO(encode_png(red))).getpixel((0, 0)) == (255, 0, 0)


def test_colours_under_alpha_0_are_kept() -> None:
    hidden = noise(40, 40, 4)
    hidden[:, :, 3] = 0
    assert_all_read(encode_png(hidden), hidden)


def test_views_and_read_only_arrays_are_fine_and_not_changed() -> None:
    whole = noise(40, 40, 4)
    view = whole[::2, 5:17]
    before = view.copy()
    view.flags.writeable = False
    assert np.array_equal(by_pillow(encode_png(view)), before)
    assert np.array_equal(by_pillow(encode_png(whole[:, ::-1, :3])), whole[:, ::-1, :3])
    assert np.array_equal(by_pillow(encode_png(whole.transpose(1, 0, 2))), whole.transpose(1, 0, 2))
    assert np.array_equal(view, before)


def test_a_smooth_picture_becomes_small() -> None:
    steps = np.repeat(np.linspace(0, 255, 500).astype(np.uint8)[:, np.newaxis], 500, axis=1)
    assert len(encode_png(steps)) < steps.size / 20


@pytest.mark.parametrize("kind", ["cutout", "photo", "sideways", "matte", "black and white", "cutout, nothing hidden"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_portrait_takes_no_more_than_1_15_times_what_zlib_level_6_takes(kind: str, seed: int) -> None:
    portrait = drawn.compose(seed, 720, 960)
    array = {
        "cutout": np.dstack([portrait.pixels, portrait.alpha]),
        "cutout, nothing hidden": np.dstack([portrait.pixels * (portrait.alpha > 0)[..., None], portrait.alpha]),
        "photo": portrait.pixels,
        "black and white": np.dstack([portrait.pixels[..., 1]] * 3),
        "sideways": portrait.pixels.transpose(1, 0, 2),
        "matte": portrait.alpha,
    }[kind]
    reference = io.BytesIO()
    Image.fromarray(array).save(reference, "PNG", compress_level=6)  # with a filter chosen for each row
    assert len(encode_png(array)) <= 1.15 * len(reference.getvalue())


MEASURE = """
import sys
from pathlib import Path
import cv2
import numpy as np
from bshm_watchd.delivery.png import encode_png

def memory_bytes(line):
    fields = dict(row.split(":", 1) for row in Path("/proc/self/status").read_text().splitlines())
    return int(fields[line].split()[0]) * 1024

height, width, channels, kind = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
encode_png(np.zeros((64, 64, channels), np.uint8))
array = np.random.default_rng(1).integers(0, 256, (height, width, channels), np.uint8)
if kind == "grey":
    array[..., 1:3] = array[..., :1]
if kind == "flat where sampled":
    for top in np.linspace(0, height - 1, 8).astype(int):
        array[max(0, top - 2) : top + 3] = 0
Path("/proc/self/clear_refs").write_text("5")
before = memory_bytes("VmRSS")
content = encode_png(array)
print(memory_bytes("VmHWM") - before)
order = {3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGBA}[channels]
read = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
assert np.array_equal(cv2.cvtColor(read, order), array)
"""


@pytest.mark.parametrize("kind", ["noise", "grey", "flat where sampled"])
@pytest.mark.parametrize("shape", [(4000, 6000, 3), (400, 30_000, 4), (4, 900_000, 4), (2000, 3000, 4)])
def test_no_picture_takes_more_memory_than_is_reckoned_with(shape: tuple[int, int, int], kind: str) -> None:
    command = [sys.executable, "-c", MEASURE, *map(str, shape), kind]
    peak_bytes = int(subprocess.run(command, capture_output=True, check=True).stdout)
    assert peak_bytes <= encoding_bytes("png", *shape)


def test_the_chunks_stand_in_the_order_that_the_specification_asks_for() -> None:
    names = [name for name, _ in chunks(encode_png(noise(900, 900, 4), FULL))]
    assert names[:5] == [b"IHDR", b"iCCP", b"pHYs", b"eXIf", b"tEXt"]
    assert {*names[5:-1]} == {b"IDAT"} and names[-1] == b"IEND"


def test_no_chunk_is_longer_than_a_mebibyte() -> None:
    assert max(len(body) for _, body in chunks(encode_png(smooth(2000, 30_000)))) <= 1 << 20
    assert max(len(body) for _, body in chunks(encode_png(noise(2, 3_000_000)))) <= 1 << 20


def test_without_metadata_nothing_is_said_about_colour_or_size() -> None:
    assert {name for name, _ in chunks(encode_png(noise(9, 9)))} == {b"IHDR", b"tEXt", b"IDAT", b"IEND"}
