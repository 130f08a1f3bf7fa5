"""How much of the old background is left in the edges: `python -m tests.halo PACK_DIR [COUNT]`.

Composed pictures with known foreground and alpha are cut out and laid over black, white and green, and compared with
the true foreground laid over the same colour. The figures are mean absolute differences of a colour value, in levels
of 255, in the edge: where the true or the used alpha is between 0 and 1, and two pixels around. "drawn" pictures come
from a script and are exact; those of the pack (laid out as bshm_watchd/bench/pack.py says) are people as photographed,
whose own colours were estimated by blur fusion before they were composed, which favours that method a little. Where
the matte is slightly wrong, most of the error is alpha's own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bshm_watchd.bench.drawn import compose
from bshm_watchd.bench.figures import own_colours
from bshm_watchd.bench.pack import read_pack
from bshm_watchd.delivery.foreground import foreground
from tests.quality.scenes import scenes

Bytes = npt.NDArray[np.uint8]
Estimate = Callable[[Bytes, Bytes], Bytes]

_BACKGROUNDS = {"black": (0, 0, 0), "white": (255, 255, 255), "green": (0, 177, 64)}
_AROUND = np.ones((5, 5), np.uint8)
_DRAWN_SIZE = (1080, 840)


@dataclass(frozen=True)
class Truth:
    source: str
    pixels: Bytes
    alpha: Bytes
    foreground: Bytes


def truths(pack: Path, count: int) -> Iterator[Truth]:
    for make in scenes(read_pack(pack, "held-back"), seed=11, count=count):
        scene = make()
        yield Truth("pack", scene.pixels, scene.alpha, scene.foreground)
    for seed in range(max(1, count // 5)):
        composed = compose(seed, *_DRAWN_SIZE)
        yield Truth("drawn", composed.pixels, composed.alpha, composed.foreground)


def _own_pixels(pixels: Bytes, alpha: Bytes) -> Bytes:
    return pixels


def _blur_fusion(pixels: Bytes, alpha: Bytes) -> Bytes:
    return np.rint(own_colours(pixels, alpha.astype(np.float32) / 255)).astype(np.uint8)


def _nearest(pixels: Bytes, alpha: Bytes) -> Bytes:
    """The colour of the nearest pixel that is all person."""
    _, labels = cv2.distanceTransformWithLabels(
        np.where(alpha == 255, 0, 255).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    colours = np.zeros((labels.max() + 1, 3), np.uint8)
    colours[labels[alpha == 255]] = pixels[alpha == 255]
    return colours[labels]


_ESTIMATES: dict[str, Estimate] = {
    "the photo's own": _own_pixels,
    "nearest solid": _nearest,
    "blur fusion x2": _blur_fusion,
    "foreground": foreground,
}

_MATTES: dict[str, Callable[[Bytes], Bytes]] = {
    "exact": lambda alpha: alpha,
    "blurred": lambda alpha: np.asarray(cv2.GaussianBlur(alpha, (0, 0), 1.5), np.uint8),
    "eroded": lambda alpha: np.asarray(cv2.erode(alpha, np.ones((3, 3), np.uint8)), np.uint8),
    "dilated": lambda alpha: np.asarray(cv2.dilate(alpha, np.ones((3, 3), np.uint8)), np.uint8),
}


def halo(truth: Truth, alpha: Bytes, colours: Bytes, background: tuple[int, int, int]) -> float:
    """Mean error in the edge, in levels."""
    edge = cv2.dilate((_soft(truth.alpha) | _soft(alpha)).astype(np.uint8), _AROUND) > 0
    used = np.where(_soft(alpha)[..., None], colours, truth.pixels)
    off = _over(used, alpha, background) - _over(truth.foreground, truth.alpha, background)
    return float(np.abs(off)[edge].mean())


def _soft(alpha: Bytes) -> npt.NDArray[np.bool_]:
    return (alpha > 0) & (alpha < 255)


def _over(colours: Bytes, alpha: Bytes, background: tuple[int, int, int]) -> npt.NDArray[np.float32]:
    share = alpha[..., None].astype(np.float32) / 255
    return colours * share + np.array(background, np.float32) * (1 - share)


def main(pack: str, count: str = "40") -> None:
    found: dict[tuple[str, str, str], list[list[float]]] = {}
    for truth in truths(Path(pack), int(count)):
        for matte, spoil in _MATTES.items():
            alpha = spoil(truth.alpha)
            for name, estimate in _ESTIMATES.items():
                start = time.perf_counter()
                colours = estimate(truth.pixels, alpha)
                milliseconds = (time.perf_counter() - start) * 1000 / alpha.size * 1e6
                errors = [halo(truth, alpha, colours, background) for background in _BACKGROUNDS.values()]
                found.setdefault((truth.source, matte, name), []).append([*errors, milliseconds])
    print(f"{'pictures':9}{'matte':9}{'colours':17}" + "".join(f"{name:>8}" for name in _BACKGROUNDS) + "   ms a MP")
    for (source, matte, name), rows in sorted(found.items(), key=lambda item: item[0][:2]):
        *errors, milliseconds = np.mean(rows, axis=0)
        print(f"{source:9}{matte:9}{name:17}" + "".join(f"{error:8.2f}" for error in errors) + f"{milliseconds:10.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
