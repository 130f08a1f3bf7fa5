"""Measures PNG writers on photos: `python -m tests.png_speed [--photos DIR --mattes DIR] [--count N] [--size WxH]`.

Each photo is brought to the size asked for and written as three kinds of result: a cutout that keeps its hidden
colours, a cutout whose hidden colours are 0, and the opaque photo; its matte is the fourth. Sizes are ratios to zlib's
level 6 on the rows as libpng's heuristic filters them (OpenCV's writer, all filters). Times are of one core's work,
the routes one after another on each picture, so that all see the same machine; medians over the pictures.

Without photos, portraits are composed. With `--mattes`, each photo needs a matte `STEM.png` there.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import deflate
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from bshm_watchd.bench import drawn
from bshm_watchd.delivery.png import encode_png
from bshm_watchd.delivery.png_filters import PAETH, UP, Filtered

Bytes = NDArray[np.uint8]
_TURNS = 5


def by_opencv(level: int, filters: int) -> Callable[[Bytes], object]:
    options = [cv2.IMWRITE_PNG_COMPRESSION, level, cv2.IMWRITE_PNG_FILTER, filters]
    return lambda picture: cv2.imencode(".png", picture, options)[1]


def deflated(filtering: object, compress: Callable[[Bytes], bytes | bytearray]) -> Callable[[Bytes], object]:
    return lambda picture: compress(Filtered(picture, filtering).rows(0, len(picture)))  # type: ignore[arg-type]


ROUTES: dict[str, Callable[[Bytes], object]] = {
    "zlib 6, adaptive": by_opencv(6, cv2.IMWRITE_PNG_ALL_FILTERS),
    "OpenCV 1, up": by_opencv(1, cv2.IMWRITE_PNG_FILTER_UP),
    "up, isal 2": deflated(UP, lambda rows: isal_zlib.compress(rows, 2)),
    "up, libdeflate 1": deflated(UP, lambda rows: deflate.zlib_compress(rows, 1)),
    "paeth, isal 2 near": deflated(PAETH, lambda rows: isal_zlib.compress(rows, 2, 9)),
    "paeth, libdeflate 1": deflated(PAETH, lambda rows: deflate.zlib_compress(rows, 1)),
    "ours": encode_png,
}
REFERENCE = "zlib 6, adaptive"


def kinds(pixels: Bytes, alpha: Bytes) -> dict[str, Bytes]:
    cleared = pixels * (alpha > 0)[..., None]
    return {
        "cutout": np.dstack([pixels, alpha]),
        "cutout, nothing hidden": np.dstack([cleared, alpha]),
        "photo": pixels,
        "matte": alpha,
    }


def pictures(arguments: argparse.Namespace, height: int, width: int) -> Iterator[tuple[Bytes, Bytes]]:
    if arguments.photos is None:
        for seed in range(arguments.count):
            portrait = drawn.compose(seed, height, width)
            yield portrait.pixels, portrait.alpha
        return
    paths = sorted(arguments.photos.iterdir())
    for path in paths[:: max(1, len(paths) // arguments.count)][: arguments.count]:
        pixels = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        matte = cv2.imread(str(arguments.mattes / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
        yield covering(pixels, height, width), covering(matte, height, width)


def covering(picture: Bytes, height: int, width: int) -> Bytes:
    """Resized to cover height x width, and cut to it below and on both sides."""
    scale = max(height / picture.shape[0], width / picture.shape[1])
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    resized = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=method)
    left = (resized.shape[1] - width) // 2
    return np.ascontiguousarray(resized[:height, left : left + width])


def timed(route: Callable[[Bytes], object], picture: Bytes) -> tuple[float, int]:
    """Milliseconds of this thread's own work, and bytes."""
    start = time.thread_time()
    written = route(picture)
    return (time.thread_time() - start) * 1000, len(written)  # type: ignore[arg-type]


def measured(picture: Bytes) -> dict[str, tuple[float, int]]:
    """Each route's median time and its size; the routes take turns."""
    turns: dict[str, list[tuple[float, int]]] = {name: [] for name in ROUTES}
    for turn in range(_TURNS):
        for name, route in ROUTES.items():
            if turn == 0 or name != REFERENCE:  # whose size alone is asked for, and which takes all the time
                turns[name].append(timed(route, picture))
    return {name: (statistics.median(ms for ms, _ in seen), seen[0][1]) for name, seen in turns.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--mattes", type=Path)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--size", default="1920x1080")
    arguments = parser.parse_args()
    if (arguments.photos is None) != (arguments.mattes is None):
        parser.error("--photos needs --mattes, and the other way round")
    width, height = map(int, arguments.size.split("x"))
    cv2.setNumThreads(1)
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for pixels, alpha in pictures(arguments, height, width):
        for kind, picture in kinds(pixels, alpha).items():
            seen = measured(picture)
            for name, (ms, size) in seen.items():
                found.setdefault(kind, {}).setdefault(name, []).append((ms, size / seen[REFERENCE][1]))
    report(found)


def report(found: dict[str, dict[str, list[tuple[float, float]]]]) -> None:
    print("| picture | route | ms, median | ms, most | size, median | size, most |\n|---|---|---|---|---|---|")
    for kind, routes in found.items():
        for name, seen in routes.items():
            ms, sizes = [ms for ms, _ in seen], [size for _, size in seen]
            print(
                f"| {kind} | {name} | {statistics.median(ms):.0f} | {max(ms):.0f} "
                f"| {statistics.median(sizes):.3f} | {max(sizes):.3f} |"
            )


if __name__ == "__main__":
    main()
