"""Decoded samples of 8 or 16 bits, brought to 8, a strip at a time so that nothing of the picture's size is added."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bshm_watchd.matting.decode_header import ROWS_AT_A_TIME, open_cv

if TYPE_CHECKING:
    import numpy.typing as npt

    from bshm_watchd.matting.photo import Alpha, Pixels

    Samples = npt.NDArray[np.uint8 | np.uint16]
    """Height x width, of grey; or height x width x 3 or 4, BGR or BGRA."""

_LEVELS_16 = 65535


def to_rgb(stored: Samples, target: Pixels) -> None:
    """Colours stay as stored, whatever their alpha."""
    cv2 = open_cv()
    code = cv2.COLOR_GRAY2RGB if stored.ndim == 2 else [cv2.COLOR_BGR2RGB, cv2.COLOR_BGRA2RGB][stored.shape[2] - 3]
    for top in range(0, len(stored), ROWS_AT_A_TIME):
        rows = slice(top, top + ROWS_AT_A_TIME)
        cv2.cvtColor(to_8_bit(stored[rows]), code, dst=target[rows])


def opacity_plane(stored: Samples) -> Alpha | None:
    """The alpha of BGRA in 8 bits, None where there is none."""
    if stored.ndim == 2 or stored.shape[2] < 4:
        return None
    cv2 = open_cv()
    opacity = np.empty(stored.shape[:2], np.uint8)
    for top in range(0, len(stored), ROWS_AT_A_TIME):
        rows = slice(top, top + ROWS_AT_A_TIME)
        opacity[rows] = to_8_bit(cv2.extractChannel(stored[rows], 3))
    return opacity


def to_8_bit(rows: Samples) -> npt.NDArray[np.uint8]:
    """16 bits rounded to the nearest of 8: 65535 is 255."""
    if rows.dtype == np.uint8:
        return rows.astype(np.uint8, copy=False)
    return open_cv().convertScaleAbs(rows, alpha=255 / _LEVELS_16)  # type: ignore[no-any-return]


def unmultiply(stored: npt.NDArray[np.uint16]) -> None:
    """Change premultiplied colours of 16-bit BGRA to straight ones, in place; under alpha 0 they stay as stored."""
    for top in range(0, len(stored), ROWS_AT_A_TIME):
        rows = stored[top : top + ROWS_AT_A_TIME]
        alpha = rows[:, :, 3:].astype(np.float32)
        factors = np.divide(_LEVELS_16, alpha, out=np.ones_like(alpha), where=alpha > 0)
        rows[:, :, :3] = np.minimum(rows[:, :, :3] * factors + 0.5, _LEVELS_16)
