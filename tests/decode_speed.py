"""What the sandbox costs a photo: `python -m tests.decode_speed [--pairs N] [--size WxH] [--photo FILE]`.

The same JPEG is decoded in this process and in a confined child, one after the other in pairs, so that both see the
same machine; which of the two comes first alternates. Prints both medians and the median difference of the pairs in
milliseconds; exit 1 where that is above `--most`.
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
from pathlib import Path

from PIL import Image

from bshm_watchd.bench import drawn
from bshm_watchd.matting.decoder import ChildDecoder, Decoder
from bshm_watchd.matting.sandbox import walls
from tests.support.decoders import InProcessDecoder, holding

_WARM_UP = 10


def portrait(size: str) -> bytes:
    width, height = map(int, size.split("x"))
    file = io.BytesIO()
    Image.fromarray(drawn.compose(1, height, width).pixels).save(file, "JPEG", quality=92)
    return file.getvalue()


def milliseconds(decoder: Decoder, fd: int, size_bytes: int) -> float:
    begun = time.perf_counter()
    photo = decoder.decode(fd, size_bytes)
    taken = (time.perf_counter() - begun) * 1000
    assert photo.pixels[0, 0, 0] >= 0  # what is mapped is there
    return taken


def pairs(content: bytes, count: int) -> list[tuple[float, float]]:
    """In this process, and in a child."""
    here = InProcessDecoder()
    seen = []
    with ChildDecoder(1, 120_000_000, 60, photos_per_child=count + _WARM_UP + 1) as there, holding(content) as fd:
        for turn in range(count + _WARM_UP):
            if turn % 2:
                apart, in_process = (milliseconds(decoder, fd, len(content)) for decoder in (there, here))
            else:
                in_process, apart = (milliseconds(decoder, fd, len(content)) for decoder in (here, there))
            seen.append((in_process, apart))
    return seen[_WARM_UP:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--photo", type=Path)
    parser.add_argument("--most", type=float, default=2.0, metavar="MS")
    arguments = parser.parse_args()
    content = arguments.photo.read_bytes() if arguments.photo else portrait(arguments.size)
    seen = pairs(content, arguments.pairs)
    in_process, apart = (statistics.median(side) for side in zip(*seen, strict=True))
    difference = statistics.median(there - here for here, there in seen)
    print(f"{len(content) / 1e6:.2f} MB JPEG, {len(seen)} pairs; behind {walls()}")
    print(f"in this process {in_process:.2f} ms, in a child {apart:.2f} ms, median difference {difference:+.2f} ms")
    return 1 if difference > arguments.most else 0


if __name__ == "__main__":
    sys.exit(main())
