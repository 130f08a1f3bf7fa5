"""How far one matte is from another: the errors of Rhemann et al., "A perceptually motivated online benchmark for
image matting" (CVPR 2009), over the whole picture instead of a trimap's unknown part, and two of our own.

Alphas are uint8 H x W of one shape; every formula sees them as 0 to 1. 0 is best for all but `edge_psnr`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from bshm_watchd.matting.edge_error import edge_psnr

Alpha = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

_SIGMA = 1.4  # of the gradient's filter, in pixels
_GRADIENT_POWER = 2.0
_STEPS = 10  # thresholds of the connectivity, 0.1 apart
_TOLERATED_DISTANCE = 0.15


@dataclass(frozen=True)
class Errors:
    """`sad`: sum of absolute differences / 1000. `mse`, `mad`: mean squared, mean absolute difference (0 to 1).

    `gradient`: sum of squared differences of the gradients' lengths / 1000. `connectivity`: sum of differences in how
    well each pixel hangs together with the largest solid part / 1000. `edge_psnr`: decibels, in the true edge only.
    """

    sad: float
    mse: float
    mad: float
    gradient: float
    connectivity: float
    edge_psnr: float


def errors(matte: Alpha, truth: Alpha) -> Errors:
    a, b = matte.astype(np.float64) / 255, truth.astype(np.float64) / 255
    apart = np.abs(a - b)
    return Errors(
        sad=float(apart.sum() / 1000),
        mse=float((apart**2).mean()),
        mad=float(apart.mean()),
        gradient=gradient_error(a, b),
        connectivity=connectivity_error(a, b),
        edge_psnr=edge_psnr(a, b),
    )


def gradient_error(a: Floats, b: Floats) -> float:
    """Both convolved with the derivatives of a Gaussian of variance 1.4 squared; / 1000."""
    return float((np.abs(_gradient(a) - _gradient(b)) ** _GRADIENT_POWER).sum() / 1000)


def _gradient(alpha: Floats) -> Floats:
    smooth, slope = _filters()
    across = cv2.sepFilter2D(alpha, cv2.CV_64F, slope, smooth, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(alpha, cv2.CV_64F, smooth, slope, borderType=cv2.BORDER_REPLICATE)
    return np.hypot(across, down)


def _filters() -> tuple[Floats, Floats]:
    """The Gaussian and its derivative, scaled so that the two-dimensional filter has length 1, as the authors do."""
    reach = int(np.ceil(_SIGMA * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * _SIGMA * 0.01))))
    x = np.arange(-reach, reach + 1, dtype=np.float64)
    smooth = np.exp(-(x**2) / (2 * _SIGMA**2)) / (_SIGMA * np.sqrt(2 * np.pi))
    slope = -x * smooth / _SIGMA**2
    length = np.sqrt((np.outer(smooth, slope) ** 2).sum())
    return smooth, slope / length


def connectivity_error(a: Floats, b: Floats) -> float:
    """A pixel's distance is how far its alpha lies above the highest threshold that still joins it to the source: the
    largest 4-connected region where both mattes reach that threshold. Distances below 0.15 are not counted. / 1000.
    """
    joined = _joined_up_to(a, b)
    return float(np.abs(_togetherness(a, joined) - _togetherness(b, joined)).sum() / 1000)


def _togetherness(alpha: Floats, joined: Floats) -> Floats:
    distance = alpha - joined
    return 1 - distance * (distance >= _TOLERATED_DISTANCE)


def _joined_up_to(a: Floats, b: Floats) -> Floats:
    joined = np.full(a.shape, -1.0)
    for step in range(1, _STEPS + 1):
        threshold = step / _STEPS
        source = _largest_region(np.minimum(a, b) >= threshold)
        joined[(joined < 0) & ~source] = threshold - 1 / _STEPS
    joined[joined < 0] = 1.0
    return joined


def _largest_region(solid: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(solid.astype(np.uint8), connectivity=4)
    if count < 2:
        return np.zeros(solid.shape, bool)
    return np.asarray(labels == 1 + int(statistics[1:, cv2.CC_STAT_AREA].argmax()))
