"""Golden pictures: what a bundle makes of them, and how far that may be from the mattes that they must give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.decoding import Refused, decode_picture
from bshm_watchd.matting.edge_error import edge_psnr
from bshm_watchd.matting.int8 import read_int8
from bshm_watchd.matting.int8_gate import golden_bound
from bshm_watchd.matting.photo import Photo

if TYPE_CHECKING:
    from bshm_watchd.matting.batcher import Batcher
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.manifest import GoldenPicture
    from bshm_watchd.matting.photo import Alpha, Pixels
    from bshm_watchd.matting.runtimes import Precision

_MAX_PIXELS = 4_000_000
# What the same precision may show on another machine: a mean, and a root mean square in the edge band.
_EXACT_MEAN, _EXACT_EDGE = 0.002, 0.01
_TWICE = 2.0  # another precision may differ by so much more than it did when it was measured


@dataclass(frozen=True, slots=True)
class Apart:
    """How far an alpha is from what it must be: mean absolute difference (0 to 1), and PSNR in the edge band."""

    mean: float
    edge_psnr_db: float


@dataclass(frozen=True, slots=True)
class Bounds:
    """The largest mean and the least PSNR; None where none is set."""

    mean: float | None
    edge_psnr_db: float | None


@dataclass(frozen=True, slots=True)
class GoldenFound:
    """One golden picture, computed in `precision`."""

    picture: str
    precision: Precision
    found: Apart
    bounds: Bounds

    @property
    def can_be_judged(self) -> bool:
        return self.bounds.mean is not None

    @property
    def misses(self) -> list[str]:
        """By how much it is out of bounds, one sentence a bound."""
        missed = []
        if (most := self.bounds.mean) is not None and self.found.mean > most:
            missed.append(f"alpha differs by {self.found.mean - most:.5f} too much on average")
        if (least := self.bounds.edge_psnr_db) is not None and self.found.edge_psnr_db < least:
            missed.append(f"its edge is {least - self.found.edge_psnr_db:.1f} dB too poor")
        return missed

    def told(self) -> str:
        """Both figures beside their bounds."""
        most, least = self.bounds.mean, self.bounds.edge_psnr_db
        mean = f"alpha differs by {self.found.mean:.5f} on average at {self.precision}"
        allowed = "" if most is None else f" (at most {most:.4g})"
        edge = f"its edge has {self.found.edge_psnr_db:.1f} dB"
        return f"{mean}{allowed}, {edge}" + ("" if least is None else f" (at least {least:.4g})")


def golden_found(bundle: Bundle, golden: GoldenPicture, batcher: Batcher, precision: Precision) -> GoldenFound:
    """Raises `ConfigError` where a picture can't be read, and what the batcher raises."""
    return GoldenFound(golden.picture, precision, apart(bundle, golden, batcher), bounds_of(bundle, golden, precision))


def apart(bundle: Bundle, golden: GoldenPicture, batcher: Batcher) -> Apart:
    """What the running batcher makes of the picture, against the matte that it must give."""
    expected = read_picture(bundle.path(golden.matte)).pixels[:, :, 0]
    alpha = batcher.matte(read_picture(bundle.path(golden.picture)), bundle.golden_size)
    return Apart(difference(alpha, expected), edge_difference(alpha, expected))


def bounds_of(bundle: Bundle, golden: GoldenPicture, precision: Precision) -> Bounds:
    """The manifest's; that of INT8 networks comes of what they were found to be worth when they were made."""
    if precision != "int8":
        return Bounds(golden.mean_difference.get(precision), golden.edge_psnr_db.get(precision))
    record = read_int8(bundle)
    if record is None or record.judgement is None or (mean := record.judgement.golden.get(golden.picture)) is None:
        return Bounds(None, None)
    edge = record.judgement.golden_edge_psnr_db.get(golden.picture)
    return Bounds(golden_bound(mean), None if edge is None else edge_bound(edge))


def mean_bound(mean: float) -> float:
    """What a mean difference may be from now on, by what it is now."""
    return _EXACT_MEAN + _TWICE * mean


def edge_bound(psnr_db: float) -> float:
    """The same for an edge: its root mean square may be twice what it is now."""
    return float(-20 * np.log10(_EXACT_EDGE + _TWICE * _root_mean_square(psnr_db)))


def _root_mean_square(psnr_db: float) -> float:
    return float(10 ** (-psnr_db / 20))


def difference(alpha: Alpha, expected: Alpha) -> float:
    """The mean over all pixels of two alphas of one size, 0 to 1."""
    return float(np.abs(alpha.astype(np.int16) - expected).mean()) / 255


def edge_difference(alpha: Alpha, expected: Alpha) -> float:
    """Decibels: `edge_psnr` of two alphas of one size, 0 to 255."""
    return edge_psnr(alpha.astype(np.float64) / 255, expected.astype(np.float64) / 255)


def read_picture(path: Path) -> Photo:
    """A picture of our own (its hash was checked), decoded in this process."""
    made: list[Pixels] = []

    def allocate(height: int, width: int) -> Pixels:
        made.append(np.empty((height, width, 3), np.uint8))
        return made[0]

    try:
        decoded = decode_picture(memoryview(path.read_bytes()), _MAX_PIXELS, allocate)
    except Refused as error:
        raise ConfigError([f"{path}: {error.detail}"]) from error
    return Photo(made[0], decoded.opacity, decoded.metadata)
