"""Pictures as files of every format, made by other libraries than those that read them, or by hand."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence

import cv2
import numpy as np
import tifffile
from PIL import Image

from tests.support.pictures import chunk

_RNG = np.random.default_rng(7)
COLOURS = cv2.resize(_RNG.integers(0, 256, (8, 6, 3), np.uint8), (43, 61), interpolation=cv2.INTER_CUBIC)
DEEP = _RNG.integers(0, 65536, (61, 43, 4), np.uint16)
ALPHA = cv2.resize(_RNG.integers(0, 256, (5, 4), np.uint8), (43, 61), interpolation=cv2.INTER_CUBIC)
ALPHA[:4], ALPHA[-4:] = 0, 255
GREY = COLOURS[:, :, 0].copy()


def written(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def of(pixels: np.ndarray, kind: str, **options: object) -> bytes:
    """By Pillow: height x width, x 3 or x 4 of 8 bits."""
    return written(Image.fromarray(pixels), kind, **options)


def jpeg(**options: object) -> bytes:
    return of(COLOURS, "JPEG", quality=95, subsampling=0, **options)


def tiff(pixels: np.ndarray, photometric: str, **options: object) -> bytes:
    """By tifffile: as stored, in any layout."""
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, photometric=photometric, **options)
    return file.getvalue()


def deep_png(samples: np.ndarray, colour_type: int, *chunks: bytes) -> bytes:
    """16 bits: height x width x channels."""
    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return _png(struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0), rows, *chunks)


def keyed_png(grey: np.ndarray, bits: int, transparent: int) -> bytes:
    """Grey of few bits, one value of which is transparent."""
    height, width = grey.shape
    levels = ((grey[:, :, np.newaxis] >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8).reshape(height, -1)
    rows = b"".join(b"\0" + np.packbits(row).tobytes() for row in levels)
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    return _png(header, rows, chunk(b"tRNS", struct.pack(">H", transparent)))


def _png(header: bytes, rows: bytes, *chunks: bytes) -> bytes:
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    """Put in right behind IHDR."""
    return png[:33] + b"".join(chunks) + png[33:]


def flat_jpeg_of_rare_subsampling() -> bytes:
    """32 x 16 of one grey, 4:1:0: eight luma blocks and two of colour, all of them zeros, in 56 bits."""
    content = bytearray(written(Image.new("RGB", (32, 16), (128, 128, 128)), "JPEG"))
    frame = content.index(b"\xff\xc0")
    content[frame + 11] = 0x42
    scan = content.index(b"\xff\xda")
    begin = scan + 2 + int.from_bytes(content[scan + 2 : scan + 4], "big")
    bits = "001010" * 8 + "0000" * 2
    return bytes(content[:begin]) + int(bits, 2).to_bytes(7, "big") + b"\xff\xd9"


def ink_jpeg_as(transform: int, **options: object) -> bytes:
    """CMYK with the number in Adobe's mark that says how the inks are coded: 0 as they are, 2 as YCCK."""
    content = written(Image.fromarray(COLOURS).convert("CMYK"), "JPEG", quality=95, **options)
    mark = content.index(b"Adobe") + 11
    return content[:mark] + bytes([transform]) + content[mark + 1 :]


def multi_picture_jpeg(kinds: list[int]) -> bytes:
    """One JPEG whose list of pictures names others of these kinds behind it."""
    entries = b"".join(struct.pack("<IIIHH", kind << 16, 1, 0, 0, 0) for kind in [0x03, *kinds])
    table = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<HHHII", 1, 0xB002, 7, len(entries), 26) + bytes(4)
    body = b"MPF\0" + table + entries
    content = jpeg()
    return content[:20] + b"\xff\xe2" + struct.pack(">H", len(body) + 2) + body + content[20:]


def premultiplied(colours: np.ndarray, alpha: np.ndarray, top: int) -> np.ndarray:
    """With their alpha, as samples up to `top`."""
    factor = alpha[:, :, np.newaxis].astype(np.float64) / top
    return np.dstack([np.rint(colours * factor).astype(colours.dtype), alpha])


def rows_of(pixels: np.ndarray) -> bytes:
    """Deflated as a PNG's, none of them filtered."""
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))


def animated_png(
    pixels: np.ndarray, frames: int, *, first_is_frame: bool = False, behind: Sequence[bytes] = ()
) -> bytes:
    """RGB that says so many frames; `behind`: the deflated rows of those that follow the picture."""
    height, width = pixels.shape[:2]
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))]
    parts.append(chunk(b"acTL", struct.pack(">II", frames, 0)))
    parts += [frame_control(0, width, height)] if first_is_frame else []
    parts.append(chunk(b"IDAT", rows_of(pixels)))
    for place, rows in enumerate(behind):
        number = 2 * place + first_is_frame
        parts += [frame_control(number, width, height), chunk(b"fdAT", struct.pack(">I", number + 1) + rows)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")


def frame_control(number: int, width: int, height: int) -> bytes:
    return chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, width, height, 0, 0, 1, 10, 0, 0))
