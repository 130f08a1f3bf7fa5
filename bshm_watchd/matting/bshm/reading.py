"""Between a picture (uint8) and what a BSHM network takes and gives (float32)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from bshm_watchd.matting.manifest import PictureInput
    from bshm_watchd.matting.photo import Pixels

    Values = npt.NDArray[np.float32]


def fed(pixels: Pixels, rule: PictureInput) -> Values:
    """uint8 RGB, height x width x 3 (or a batch of them), as the network wants it."""
    values = pixels.astype(np.float32) * np.float32(rule.white / 255)
    return np.ascontiguousarray(values[..., ::-1]) if rule.channels == "bgr" else values


def plane(answer: Values, channel: int | None) -> Values:
    """Alpha of one picture's answer, height x width, whatever leading ones its shape has."""
    height_width = answer.shape[-2:] if channel is None else answer.shape[-3:-1]
    return (answer if channel is None else answer[..., channel]).reshape(height_width)
