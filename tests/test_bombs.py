"""Pictures made to take a machine's memory or time: each is bounded by its child's limits, and the next photo works."""

from __future__ import annotations

import functools
import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from PIL import Image

from bshm_watchd.errors import RejectedPhoto
from bshm_watchd.matting.decoder import ChildDecoder, DecoderDied
from bshm_watchd.matting.sandbox import decoding_bytes
from tests.fuzz.fuzzing import in_use, peak_bytes
from tests.support.contracts import Evidence
from tests.support.decoders import decode, decode_children
from tests.support.encoded import COLOURS, jpeg, of, tiff, with_chunks, written
from tests.support.icc import ink_profile
from tests.support.pictures import EOI, chunk
from tests.test_decoder import PICTURE, PNG
from tests.test_formats_damaged import huge_webp
from tests.test_formats_in import turned

_MIB = 1 << 20
_SECONDS = 20.0
_SMALL = of(COLOURS, "PNG")


@functools.cache
def packed(size_bytes: int) -> bytes:
    return zlib.compress(bytes(size_bytes), 6)


def png(width: int, height: int, bits: int, colour: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def one_bit_png(side: int) -> bytes:
    """Whole and valid: white paper of side x side pixels."""
    row, packing = bytes(1 + (side + 7) // 8), zlib.compressobj(9)
    return png(side, side, 1, 0, b"".join(packing.compress(row) for _ in range(side)) + packing.flush())


def strip_tiff(height: int, width: int, strip: bytes, rows: int, compression: int = 8) -> bytes:
    tags = {
        256: width,
        257: height,
        258: 8,
        259: compression,
        262: 1,
        273: 8 + 2 + 12 * 8 + 4,
        278: rows,
        279: len(strip),
    }
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(tags)) + entries + bytes(4) + strip


def tiff_chain(pages: int) -> bytes:
    links = (struct.pack("<HHHIII", 1, 254, 4, 1, 0, 8 + 18 * (page + 1)) for page in range(pages))
    return struct.pack("<2sHI", b"II", 42, 8) + b"".join(links)


def jpeg_of_scans(side: int, scans: int) -> bytes:
    content = of(np.full((side, side), 128, np.uint8), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    return content[:-2] + content[last:-2] * scans + EOI


@dataclass(frozen=True)
class Bomb:
    """`outcome`: "photo", a reason, or "died". `pixels`: those that its header may have the child make room for."""

    make: Callable[[], bytes]
    outcome: str
    pixels: int = COLOURS.size // 3


BOMBS = {
    "png of 900 megapixels": Bomb(lambda: one_bit_png(30_000), "too_large", 0),
    "png whose profile unpacks to 100 MB": Bomb(
        lambda: with_chunks(_SMALL, chunk(b"iCCP", b"b\0\0" + packed(100 * _MIB))), "photo"
    ),
    "png whose words unpack to 100 MB": Bomb(
        lambda: with_chunks(_SMALL, chunk(b"zTXt", b"b\0\0" + packed(100 * _MIB))), "photo"
    ),
    "png of a thousand packed words": Bomb(
        lambda: with_chunks(_SMALL, *[chunk(b"zTXt", b"b\0\0" + packed(7 * _MIB))] * 1000), "photo"
    ),
    "png whose rows unpack to 100 MB too many": Bomb(lambda: png(43, 61, 8, 2, packed(100 * _MIB)), "photo"),
    "jpeg of 4290 megapixels": Bomb(
        lambda: jpeg().replace(struct.pack(">HH", 61, 43), struct.pack(">HH", 65500, 65500)), "too_large", 0
    ),
    "jpeg of 20 megapixels that holds none": Bomb(
        lambda: jpeg().replace(struct.pack(">HH", 61, 43), struct.pack(">HH", 4000, 5000)), "broken", 20_000_000
    ),
    "jpeg of 5000 scans": Bomb(lambda: jpeg_of_scans(100, 5000), "unsupported", 0),
    "webp whose canvas is all there can be": Bomb(lambda: huge_webp(16_000_000), "broken", 0),
    "tiff whose strip unpacks to 100 MB": Bomb(lambda: strip_tiff(61, 43, packed(100 * _MIB), 61), "photo"),
    "tiff of a strip of all rows there can be": Bomb(
        lambda: strip_tiff(61, 43, packed(100 * _MIB), 0xFFFFFFFF), "photo"
    ),
    "tiff of 16 megapixels in 240 kB": Bomb(
        lambda: strip_tiff(4000, 4000, b"\x81\0" * 125_000, 4000, 32773), "photo", 16_000_000
    ),
    "tiff of 200,000 directories": Bomb(lambda: tiff_chain(200_000), "broken", 0),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.contract("S1", "L3")
def test_a_bomb_takes_what_its_picture_may_take_and_no_more(name: str, evidence: Evidence) -> None:
    bomb = BOMBS[name]
    content = bomb.make()
    with ChildDecoder(1, 120_000_000, _SECONDS) as decoder:
        decode(decoder, PNG)
        (child,) = decode_children()
        before = peak_bytes(child)
        begun = time.monotonic()
        assert outcome(decoder, content) == bomb.outcome
        assert time.monotonic() - begun < _SECONDS
        assert peak_bytes(child) - before < decoding_bytes(bomb.pixels, len(content))
        assert np.array_equal(decode(decoder, PNG).pixels, PICTURE)
    evidence(inputs_decoded=1)


def outcome(decoder: ChildDecoder, content: bytes) -> str:
    try:
        decode(decoder, content)
    except RejectedPhoto as error:
        return error.reason
    except DecoderDied:
        return "died"
    return "photo"


@pytest.mark.contract("S1", "L2")
def test_a_picture_that_decodes_for_ever_is_stopped_in_time(evidence: Evidence) -> None:
    endless = jpeg_of_scans(8000, 480)
    with ChildDecoder(1, 120_000_000, 2) as decoder:
        decode(decoder, PNG)
        begun = time.monotonic()
        with pytest.raises(DecoderDied, match="longer than 2 seconds"):
            decode(decoder, endless)
        assert time.monotonic() - begun < 60
        assert np.array_equal(decode(decoder, PNG).pixels, PICTURE)
    evidence(inputs_decoded=1)


LARGE = np.random.default_rng(1).integers(0, 256, (1200, 1600, 4), np.uint8)
DEEP = LARGE.astype(np.uint16) * 257
TURNED: dict[str, Callable[[], bytes]] = {
    "jpeg in ink, progressive": lambda: written(
        Image.fromarray(LARGE, "CMYK"), "JPEG", progressive=True, exif=turned(7), icc_profile=ink_profile()
    ),
    "png of 16 bits with alpha": lambda: with_chunks(
        cv2.imencode(".png", DEEP)[1].tobytes(), chunk(b"eXIf", turned(7).tobytes().removeprefix(b"Exif\0\0"))
    ),
    "webp with alpha": lambda: of(LARGE, "WEBP", lossless=True, exact=True, method=0, quality=0, exif=turned(7)),
    "tiff in ink of 16 bits": lambda: tiff(DEEP, "separated", compression="zlib", extratags=[(274, 3, 1, 7, True)]),
    "tiff of 16 bits, premultiplied": lambda: tiff(
        DEEP, "rgb", extrasamples=["assocalpha"], compression="zlib", extratags=[(274, 3, 1, 7, True)]
    ),
    "tiff of one strip": lambda: tiff(
        LARGE,
        "rgb",
        extrasamples=["assocalpha"],
        compression="zlib",
        rowsperstrip=1200,
        extratags=[(274, 3, 1, 7, True)],
    ),
}


@pytest.mark.parametrize("name", TURNED)
@pytest.mark.contract("L3")
def test_the_pictures_that_take_most_fit_into_their_allowance(name: str) -> None:
    """With nothing to spare: what every picture may take, whatever its size, is not counted."""
    content = TURNED[name]()
    with ChildDecoder(1, 120_000_000, 30) as decoder:
        decode(decoder, PNG)
        (child,) = decode_children()
        before = in_use(child, "VmSize")
        assert decode(decoder, content).pixels.shape in ((1600, 1200, 3), (1200, 1600, 3))
        assert in_use(child, "VmPeak") - before < decoding_bytes(1200 * 1600, len(content)) - decoding_bytes(0, 0)
