"""Prints the peak memory that one photo of 24 megapixels takes: `python -m tests.support.peak_memory photo.jpg cutout`.

Decoding, matting and rendering run in this one process, one after another, so that its high-water mark counts all.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bshm_watchd.delivery.render import render
from bshm_watchd.matting.scaling import enlarged, shrunk
from tests.support.decoders import InProcessDecoder, holding

HEIGHT, WIDTH = 4000, 6000


def photo() -> np.ndarray:
    """Soft shapes with a camera's noise: compresses as a real photo does."""
    rng = np.random.default_rng(1)
    shapes = cv2.resize(rng.integers(40, 216, (40, 60, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    noise = cv2.resize(rng.integers(0, 13, (1000, 1500, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    return cv2.add(shapes, noise)


def content_of(name: str) -> bytes:
    if name == "noise16.png":
        noise = np.random.default_rng(1).integers(0, 65536, (HEIGHT, WIDTH, 4), np.uint16)
        return cv2.imencode(".png", noise, [cv2.IMWRITE_PNG_COMPRESSION, 0])[1].tobytes()
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 7 if name == "turned.jpg" else 1
    Image.fromarray(photo()).save(file, "JPEG", quality=92, exif=exif)
    return file.getvalue()


def process(content: bytes, kind: str) -> tuple[int, int]:
    with holding(content) as fd:
        picture = InProcessDecoder().decode(fd, len(content))
    working = shrunk(picture.pixels, 320, 320)
    alpha = enlarged(working[:, :, 1].copy(), picture.height, picture.width)
    render(kind, picture.pixels, alpha)
    return picture.height, picture.width


def memory_bytes(line: str) -> int:
    fields = dict(row.split(":", 1) for row in Path("/proc/self/status").read_text().splitlines())
    return int(fields[line].split()[0]) * 1024


def main(name: str, kind: str) -> None:
    process(cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes(), kind)  # loads every library
    content = content_of(name)
    Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark to what is in use now
    before = memory_bytes("VmRSS")
    height, width = process(content, kind)
    peak_bytes = memory_bytes("VmHWM") - before
    print(json.dumps({"height": height, "width": width, "peak_bytes": peak_bytes, "original_bytes": len(content)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
