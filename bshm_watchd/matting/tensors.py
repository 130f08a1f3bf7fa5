"""Between pictures (uint8) and what networks take and give (float32)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from bshm_watchd.matting.runtime import MattingFailed

if TYPE_CHECKING:
    from bshm_watchd.matting.manifest import InputTensor
    from bshm_watchd.matting.photo import Alpha, Pixels

    Values = npt.NDArray[np.float32]

_DARKEST = 1e-6  # a black picture is divided by this instead of by zero


def normalised(pixels: Pixels, rule: InputTensor) -> Values:
    """height x width x 3 to 1 x 3 x height x width: by the picture's largest value, then mean and std."""
    scaled = pixels.astype(np.float32) / max(float(pixels.max()), _DARKEST)
    channels = (scaled - np.array(rule.mean, np.float32)) / np.array(rule.std, np.float32)
    return np.ascontiguousarray(channels.transpose(2, 0, 1)[np.newaxis])


def by_255(pixels: Pixels) -> Values:
    """height x width x 3 to 1 x height x width x 3, from 0 to 1."""
    return pixels.astype(np.float32)[np.newaxis] / np.float32(255)


def alpha_of(values: Values, span: Literal["unit", "stretched"]) -> Alpha | MattingFailed:
    """A network's answer, height x width, as alpha; `MattingFailed` where one of its values is no number."""
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        return MattingFailed("the model answered with values that are no numbers")
    if span == "unit":
        return np.asarray(np.round(np.clip(values, 0, 1) * 255), np.uint8)
    if high == low:  # a flat answer means that nobody was found
        return np.zeros(values.shape, np.uint8)
    return ((values - low) / (high - low) * 255).astype(np.uint8)
