"""Each format: every value that it must keep comes back, and what the photo says of itself is still said."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from bshm_watchd.delivery.formats import CannotEncode, Content, encode, encoding_bytes
from bshm_watchd.metadata import Metadata
from bshm_watchd.output_settings import FileFormat

Bytes = NDArray[np.uint8]
RNG = np.random.default_rng(8)
NOTHING = Metadata()
QUALITY = 92
LOSSLESS: tuple[FileFormat, ...] = ("png", "webp", "tiff")
EVERY: tuple[FileFormat, ...] = (*LOSSLESS, "jpeg")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif(byte_order: str = "<") -> bytes:
    block = Image.Exif()
    block.endian = byte_order
    block[ExifTags.Base.Make] = "Camera Maker"
    block[ExifTags.Base.Orientation] = 1
    block[ExifTags.Base.Copyright] = "A Studio"
    block[ExifTags.Base.ImageWidth] = 4711
    details = block.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.ExposureTime] = 1 / 125
    details[ExifTags.Base.DateTimeOriginal] = "2026:11:23 10:00:00"
    details[ExifTags.Base.LensModel] = "A lens"
    place = block.get_ifd(ExifTags.IFD.GPSInfo)
    place[ExifTags.GPS.GPSLatitudeRef] = "N"
    place[ExifTags.GPS.GPSLatitude] = (52.0, 31.0, 12.5)
    return block.tobytes().removeprefix(b"Exif\0\0")


FULL = Metadata(icc=SRGB, exif=exif(), dpi=(300.0, 240.0))


def noise(*shape: int) -> Bytes:
    return RNG.integers(0, 256, shape, np.uint8)


def opened(content: Content) -> Image.Image:
    return Image.open(io.BytesIO(content))


def exif_of(content: Content) -> dict[str, Any]:
    block = opened(content).getexif()
    return {
        "maker": block.get(ExifTags.Base.Make),
        "copyright": block.get(ExifTags.Base.Copyright),
        "orientation": block.get(ExifTags.Base.Orientation),
        **{ExifTags.TAGS[tag]: value for tag, value in block.get_ifd(ExifTags.IFD.Exif).items()},
        **{ExifTags.GPSTAGS[tag]: value for tag, value in block.get_ifd(ExifTags.IFD.GPSInfo).items()},
    }


def assert_all_said(content: Content) -> None:
    said = exif_of(content)
    assert said["maker"] == "Camera Maker"
    assert said["copyright"] == "A Studio"
    assert said["orientation"] == 1
    assert said["ExposureTime"] == pytest.approx(1 / 125)
    assert said["DateTimeOriginal"] == "2026:11:23 10:00:00"
    assert said["LensModel"] == "A lens"
    assert said["GPSLatitudeRef"] == "N"
    assert said["GPSLatitude"] == pytest.approx((52.0, 31.0, 12.5))


def test_the_table_has_a_row_for_every_format() -> None:
    assert {*EVERY} == {*get_args(FileFormat)}


@pytest.mark.parametrize("file_format", LOSSLESS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (37, 53), (600, 700)])
@pytest.mark.parametrize("channels", [0, 3, 4])
def test_every_value_comes_back(file_format: FileFormat, shape: tuple[int, int], channels: int) -> None:
    array = noise(*shape, channels) if channels else noise(*shape)
    read = opened(encode(array, file_format, NOTHING, QUALITY))
    assert read.format == file_format.upper()
    if file_format == "webp":  # which has no grey, and writes no alpha that is 255 everywhere
        read = read.convert({0: "L", 3: "RGB", 4: "RGBA"}[channels])
    assert np.array_equal(np.asarray(read), array)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([0, 3, 4]), st.integers(1, 3), st.booleans())
def test_any_strides_are_fine_and_nothing_is_changed(
    height: int, width: int, channels: int, stride: int, turned: bool
) -> None:
    whole = noise(height * stride, width, *([channels] if channels else []))
    view = whole[::-stride].swapaxes(0, 1) if turned else whole[::-stride]
    before = view.copy()
    view.flags.writeable = False
    for file_format in LOSSLESS if channels != 3 else EVERY:
        read = opened(encode(view, file_format, NOTHING, QUALITY))
        assert read.size == (view.shape[1], view.shape[0])
        if file_format in ("png", "tiff"):
            assert np.array_equal(np.asarray(read), before)
    assert np.array_equal(view, before)


@pytest.mark.parametrize("file_format", LOSSLESS)
def test_colours_under_alpha_0_are_kept(file_format: FileFormat) -> None:
    hidden = noise(30, 40, 4)
    hidden[:20, :, 3] = 0
    assert np.array_equal(np.asarray(opened(encode(hidden, file_format, NOTHING, QUALITY))), hidden)


@pytest.mark.parametrize("file_format", LOSSLESS)
@pytest.mark.parametrize("channels", [3, 4])
def test_colours_carry_profile_exif_and_place(file_format: FileFormat, channels: int) -> None:
    content = encode(noise(20, 30, channels), file_format, FULL, QUALITY)
    assert opened(content).info["icc_profile"] == SRGB
    assert_all_said(content)


@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("file_format", EVERY)
def test_both_byte_orders_of_exif_are_carried(file_format: FileFormat, byte_order: str) -> None:
    content = encode(noise(20, 30, 3), file_format, Metadata(exif=exif(byte_order), dpi=(300, 240)), QUALITY)
    assert_all_said(content)
    assert opened(content).size == (30, 20)


@pytest.mark.parametrize("file_format", LOSSLESS)
def test_a_matte_carries_exif_but_no_profile_of_colours(file_format: FileFormat) -> None:
    content = encode(noise(20, 30), file_format, FULL, QUALITY)
    assert "icc_profile" not in opened(content).info or not opened(content).info["icc_profile"]
    assert_all_said(content)


@pytest.mark.parametrize("file_format", ["png", "tiff", "jpeg"])
def test_the_resolution_is_said(file_format: FileFormat) -> None:
    said = opened(encode(noise(20, 30, 3), file_format, FULL, QUALITY)).info["dpi"]
    assert tuple(map(float, said)) == pytest.approx((300, 240), abs=0.02)


@pytest.mark.parametrize("file_format", EVERY)
def test_without_metadata_nothing_is_invented(file_format: FileFormat) -> None:
    read = opened(encode(noise(20, 30, 3), file_format, NOTHING, QUALITY))
    assert not read.info.get("icc_profile")
    assert not {*read.getexif()} & {ExifTags.Base.Make, ExifTags.Base.XResolution, ExifTags.IFD.GPSInfo}
    assert read.info.get("dpi") in (None, (1, 1))  # Pillow's own for a TIFF that says none


# -- TIFF ---------------------------------------------------------------------------------------------------


def test_another_tiff_reader_reads_it_and_its_alpha_is_straight() -> None:
    array = noise(300, 500, 4)
    with tifffile.TiffFile(io.BytesIO(encode(array, "tiff", FULL, QUALITY))) as file:
        page = file.pages[0]
        assert np.array_equal(page.asarray(), array)
        assert page.extrasamples == (tifffile.EXTRASAMPLE.UNASSALPHA,)
        assert page.photometric == tifffile.PHOTOMETRIC.RGB
        assert page.predictor == tifffile.PREDICTOR.HORIZONTAL
        assert page.tags["InterColorProfile"].value == SRGB
        assert page.tags["ImageWidth"].value == 500  # not what the block said
        assert page.tags["ExifTag"].value["LensModel"] == "A lens"
        assert page.tags["GPSTag"].value["GPSLatitudeRef"] == "N"
        assert len(file.pages) == 1


def test_opencv_reads_the_tiff_and_takes_its_alpha_for_straight() -> None:
    grey, cutout = noise(300, 500), noise(300, 500, 4)
    assert np.array_equal(by_opencv(encode(grey, "tiff", NOTHING, QUALITY)), grey)
    assert np.array_equal(by_opencv(encode(cutout[:, :, :3], "tiff", NOTHING, QUALITY))[:, :, ::-1], cutout[:, :, :3])
    read = by_opencv(encode(cutout, "tiff", NOTHING, QUALITY))[:, :, [2, 1, 0, 3]]
    multiplied = cutout[:, :, :3] * (cutout[:, :, 3:] / 255)  # which OpenCV does with alpha that is straight, only
    assert np.array_equal(read[:, :, 3], cutout[:, :, 3])
    assert np.abs(read[:, :, :3] - multiplied).max() <= 1


def by_opencv(content: Content) -> Bytes:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


def test_a_tiff_is_about_as_small_as_others_make_it() -> None:
    ramp = np.linspace(0, 200, 900)[:, np.newaxis, np.newaxis] + np.linspace(0, 40, 1200)[:, np.newaxis]
    array = (ramp + noise(900, 1200, 3) % 6).astype(np.uint8)
    others = io.BytesIO()
    Image.fromarray(array).save(others, "TIFF", compression="tiff_adobe_deflate", tiffinfo={317: 2})
    assert len(encode(array, "tiff", NOTHING, QUALITY)) < 1.2 * len(others.getvalue())


# -- JPEG ---------------------------------------------------------------------------------------------------


def picture() -> Bytes:
    return cv2.resize(noise(12, 16, 3), (320, 240), interpolation=cv2.INTER_CUBIC)


def test_a_jpeg_looks_like_the_picture() -> None:
    array = picture()
    read = np.asarray(opened(encode(array, "jpeg", FULL, 92)))
    assert np.abs(read.astype(int) - array).mean() < 1.5


def test_less_quality_is_smaller() -> None:
    array = picture()
    sizes = [len(encode(array, "jpeg", NOTHING, quality)) for quality in (30, 60, 89, 90, 100)]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize(("quality", "sampling"), [(89, 2), (90, 0), (100, 0)])
def test_from_quality_90_on_colours_are_as_sharp_as_brightness(quality: int, sampling: int) -> None:
    from PIL import JpegImagePlugin

    assert JpegImagePlugin.get_sampling(opened(encode(picture(), "jpeg", NOTHING, quality))) == sampling


@pytest.mark.parametrize("length", [1, 65_519, 65_520, 200_000])
def test_a_profile_too_long_for_one_segment_is_split(length: int) -> None:
    profile = RNG.bytes(length)
    read = opened(encode(picture(), "jpeg", Metadata(icc=profile, exif=exif()), QUALITY))
    assert read.info["icc_profile"] == profile
    read.load()


def test_a_jpeg_carries_everything() -> None:
    content = encode(picture(), "jpeg", FULL, QUALITY)
    assert opened(content).info["icc_profile"] == SRGB
    assert_all_said(content)


# -- limits, and what a file costs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file_format", "shape", "words"),
    [("webp", (1, 16_384), "16383 pixels a side"), ("jpeg", (65_501, 1, 3), "65500 pixels a side")],
)
def test_a_picture_too_large_for_its_format_is_refused_with_advice(
    file_format: FileFormat, shape: tuple[int, ...], words: str
) -> None:
    with pytest.raises(CannotEncode, match=words) as refused:
        encode(np.zeros(shape, np.uint8), file_format, NOTHING, QUALITY)
    assert "write PNG" in str(refused.value)


def test_the_longest_sides_are_written() -> None:
    assert opened(encode(np.zeros((1, 16_383), np.uint8), "webp", NOTHING, QUALITY)).size == (16_383, 1)
    assert opened(encode(np.zeros((65_500, 1, 3), np.uint8), "jpeg", NOTHING, QUALITY)).size == (1, 65_500)


def test_a_tiff_beyond_what_its_offsets_reach_is_refused() -> None:
    endless = np.broadcast_to(np.uint8(0), (40_000, 40_000, 4))
    with pytest.raises(CannotEncode, match="cannot hold 40000 x 40000"):
        encode(endless, "tiff", NOTHING, QUALITY)


def test_exif_too_long_for_jpeg_is_refused() -> None:
    assert encode(picture(), "jpeg", Metadata(exif=exif() + bytes(65_527 - len(exif()))), QUALITY)
    with pytest.raises(CannotEncode, match="65527 bytes of EXIF"):
        encode(picture(), "jpeg", Metadata(exif=bytes(65_528)), QUALITY)


@pytest.mark.parametrize("file_format", EVERY)
def test_a_file_can_be_hashed_measured_and_written_without_a_copy(file_format: FileFormat, tmp_path: Path) -> None:
    content = encode(picture(), file_format, NOTHING, QUALITY)
    with open(tmp_path / "x", "wb", buffering=0) as file:
        assert os.write(file.fileno(), content) == len(content)
    assert hashlib.sha256(content).digest() == hashlib.sha256((tmp_path / "x").read_bytes()).digest()


MEASURE = """
import sys
from pathlib import Path
import numpy as np
from bshm_watchd.delivery.formats import encode
from bshm_watchd.metadata import Metadata

def memory_bytes(line):
    fields = dict(row.split(":", 1) for row in Path("/proc/self/status").read_text().splitlines())
    return int(fields[line].split()[0]) * 1024

channels = int(sys.argv[2])
shape = (2000, 3000, channels) if channels > 1 else (2000, 3000)
encode(np.zeros((64, 64, *shape[2:]), np.uint8), sys.argv[1], Metadata(), 100)
array = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
Path("/proc/self/clear_refs").write_text("5")
before = memory_bytes("VmRSS")
content = encode(array, sys.argv[1], Metadata(), 100)
print(memory_bytes("VmHWM") - before)
"""


@pytest.mark.parametrize(
    ("file_format", "channels"),
    [(file_format, channels) for file_format in LOSSLESS for channels in (1, 3, 4)] + [("jpeg", 3)],
)
def test_encoding_takes_the_memory_that_is_reckoned_with(file_format: FileFormat, channels: int) -> None:
    command = [sys.executable, "-c", MEASURE, file_format, str(channels)]
    peak_bytes = int(subprocess.run(command, capture_output=True, check=True).stdout)
    reckoned = encoding_bytes(file_format, 2000, 3000, channels)
    assert peak_bytes <= reckoned <= 2.5 * peak_bytes + (4 << 20)
