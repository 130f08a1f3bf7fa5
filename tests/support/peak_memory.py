"""Prints the peak memory that one photo of 24 megapixels takes, beside what it is said to cost.

    python -m tests.support.peak_memory photo.jpg cutout.png,matte.webp

Pictures: photo.jpg, turned.jpg, noise16.png. Outputs: a kind and its format each; `wall` is a composite with a picture.
Decoding, matting and rendering run in this one process, one after another, so that its high-water mark counts all.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bshm_watchd.delivery.background import BackgroundFiles
from bshm_watchd.delivery.matted import Matted
from bshm_watchd.delivery.render import Renderer, cost_bytes
from bshm_watchd.matting.edge_pass import EdgePass
from bshm_watchd.matting.edges import refined
from bshm_watchd.matting.scaling import enlarged, shrunk
from bshm_watchd.output_settings import OutputSettings
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


def output(name: str, wall: Path) -> OutputSettings:
    kind, extension = name.split(".")
    backgrounds = {"composite": "#00b140", "wall": str(wall)}
    kind_named = "composite" if kind == "wall" else kind
    return OutputSettings(kind=kind_named, path=f"{{stem}}.{extension}", background=backgrounds.get(kind))  # type: ignore[arg-type]


def process(content: bytes, outputs: Sequence[OutputSettings], render: Renderer) -> tuple[int, int]:
    with holding(content) as fd:
        picture = InProcessDecoder().decode(fd, len(content))
    working = shrunk(picture.pixels, 320, 320)
    coarse = working[:, :, 1].copy()  # uncertain everywhere, which costs the edge pass most
    refined(picture.pixels, coarse, EdgePass())
    alpha = enlarged(coarse, picture.height, picture.width)  # soft everywhere, which costs the rendering most
    matted = Matted(picture.pixels, alpha, picture.metadata, picture.opacity)
    for output in outputs:
        render(output, matted)
    return picture.height, picture.width


def memory_bytes(line: str) -> int:
    fields = dict(row.split(":", 1) for row in Path("/proc/self/status").read_text().splitlines())
    return int(fields[line].split()[0]) * 1024


def measure(name: str, outputs: Sequence[OutputSettings], wall: Path) -> dict[str, int]:
    small = cv2.imencode(".jpg", np.full((64, 64, 3), 90, np.uint8))[1].tobytes()
    wall.write_bytes(small)
    render = Renderer(BackgroundFiles(InProcessDecoder().decode))
    process(small, outputs, render)  # loads every library
    content = content_of(name)
    Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark to what is in use now
    before = memory_bytes("VmRSS")
    height, width = process(content, outputs, render)
    peak_bytes = memory_bytes("VmHWM") - before
    return {"peak_bytes": peak_bytes, "cost_bytes": cost_bytes(height, width, outputs) + len(content)}


def main(name: str, listed: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        wall = Path(directory) / "wall.jpg"
        outputs = [output(each, wall) for each in listed.split(",")]
        print(json.dumps(measure(name, outputs, wall)))


if __name__ == "__main__":
    main(*sys.argv[1:])
