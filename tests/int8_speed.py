"""Measures a bundle at each precision: `python -m tests.int8_speed BUNDLE_DIR --photos DIR [--mattes DIR] [--count N]`.

Each photo goes through all precisions in turn, which stay loaded beside each other, so that all see the same machine;
the first photo is not counted. Prints for each precision the median milliseconds of the networks alone and of the
whole matte, each with the median of the ratios f32 : precision photo by photo; how far its alpha is from f32 (mean and
worst photo); and, with `--mattes`, the mean absolute difference from the true mattes (`STEM.png` there). INT8 is left
out where the bundle has none. `--every N --first K` takes each Nth photo from the Kth on: with 3 and 2 those that
judge, where the directory is what `model quantize` got.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from bshm_watchd.bench.pack import Alpha, read_rgb
from bshm_watchd.cli.matte_files import photos_in
from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.bundle import Bundle, read_bundle
from bshm_watchd.matting.golden import difference
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.runtime import Runtime
from bshm_watchd.matting.runtimes import make_runtime
from bshm_watchd.matting.scaling import shrunk

PRECISIONS = ("f32", "bf16", "int8")


@dataclass
class Course:
    """What was measured of one precision, photo by photo."""

    runtime: Runtime
    batcher: Batcher
    network_ms: list[float] = field(default_factory=list)
    matte_ms: list[float] = field(default_factory=list)
    from_f32: list[float] = field(default_factory=list)
    from_truth: list[float] = field(default_factory=list)

    def measure(self, bundle: Bundle, photo: Photo) -> Alpha:
        working = shrunk(photo.pixels, *bundle.working_size(photo.height, photo.width))
        begun = time.perf_counter()
        self.runtime.infer([working])
        between = time.perf_counter()
        alpha = self.batcher.matte(photo)
        self.network_ms.append((between - begun) * 1000)
        self.matte_ms.append((time.perf_counter() - between) * 1000)
        return alpha


def main() -> None:
    chosen = _arguments()
    bundle = read_bundle(chosen.bundle)
    paths = [Path(path) for path in photos_in([str(chosen.photos)])][chosen.first :: chosen.every][: chosen.count]
    with ExitStack() as stack:
        courses = _loaded(bundle, stack)
        for path in paths:
            truth = _truth(chosen.mattes, path)
            _one(bundle, courses, Photo(np.ascontiguousarray(read_rgb(path))), truth)
    for name, course in courses.items():
        print(_line(name, course, courses["f32"]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.int8_speed", description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--mattes", type=Path)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    return parser.parse_args()


def _loaded(bundle: Bundle, stack: ExitStack) -> dict[str, Course]:
    courses = {}
    for precision in PRECISIONS:
        try:
            runtime = make_runtime(bundle, ModelSettings.model_validate({"precision": precision}))
            courses[precision] = Course(runtime, stack.enter_context(Batcher(runtime, bundle, 1, 0)))
        except ConfigError as error:
            print(f"{precision} is left out: {error}")
    return courses


def _truth(mattes: Path | None, photo: Path) -> Alpha | None:
    if mattes is None:
        return None
    return np.asarray(cv2.imread(str(mattes / f"{photo.stem}.png"), cv2.IMREAD_GRAYSCALE), np.uint8)


def _one(bundle: Bundle, courses: dict[str, Course], photo: Photo, truth: Alpha | None) -> None:
    alphas = {name: course.measure(bundle, photo) for name, course in courses.items()}
    for name, course in courses.items():
        course.from_f32.append(difference(alphas[name], alphas["f32"]))
        if truth is not None:
            course.from_truth.append(difference(alphas[name], truth))


def _line(name: str, course: Course, f32: Course) -> str:
    network, matte = course.network_ms[1:], course.matte_ms[1:]
    network_ratio = statistics.median(a / b for a, b in zip(f32.network_ms[1:], network, strict=True))
    matte_ratio = statistics.median(a / b for a, b in zip(f32.matte_ms[1:], matte, strict=True))
    told = (
        f"{name}: networks {statistics.median(network):.1f} ms (f32 : {name} = {network_ratio:.2f}), "
        f"matte {statistics.median(matte):.1f} ms ({matte_ratio:.2f}), {len(network)} photos; "
        f"from f32 {statistics.fmean(course.from_f32):.4f} on average, {max(course.from_f32):.4f} at worst"
    )
    return told + (f"; MAD {statistics.fmean(course.from_truth):.4f}" if course.from_truth else "")


if __name__ == "__main__":
    main()
