"""From pixels and alpha to the bytes of a result: one function and one row a kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]


def render(kind: str, pixels: Bytes, alpha: Bytes) -> bytes:
    """The finished file of a result of this kind.

    `pixels`: uint8 height x width x 3 RGB; `alpha`: uint8 height x width, 255 is person. Neither is changed.
    """
    return _KINDS[kind].render(pixels, alpha)


def cost_bytes(height: int, width: int, kinds: Iterable[str]) -> int:
    """Peak memory that a photo of this size needs beyond its original's bytes, in the decoder and here together.

    Counts its decoding, its matting, and its results rendered one at a time, each written before the next is begun.
    """
    rendering = _HELD + max(_KINDS[kind].bytes_per_pixel for kind in kinds)
    return _FIXED_BYTES + height * width * max(_DECODING, rendering)


def _cutout(pixels: Bytes, alpha: Bytes) -> bytes:
    """Straight alpha: colours stay as they are in the photo, also where alpha is 0."""
    import cv2
    import numpy as np

    from bshm_watchd.delivery.png import encode_png

    picture = np.empty((*alpha.shape, 4), np.uint8)
    cv2.mixChannels([pixels, alpha], [picture], [0, 0, 1, 1, 2, 2, 3, 3])
    return encode_png(picture)


def _matte(pixels: Bytes, alpha: Bytes) -> bytes:
    from bshm_watchd.delivery.png import encode_png

    return encode_png(alpha)


@dataclass(frozen=True, slots=True)
class _Kind:
    """`bytes_per_pixel`: what rendering takes at its peak beyond pixels and alpha, the finished file included."""

    render: Callable[[Bytes, Bytes], bytes]
    bytes_per_pixel: int


_KINDS = {
    "cutout": _Kind(_cutout, 16),
    "matte": _Kind(_matte, 4),
}
_HELD = 4  # pixels 3, alpha 1
_DECODING = 16  # the worst case: a PNG of 16 bits with alpha; a JPEG takes 3, turned ones 6
_FIXED_BYTES = 16 << 20  # working copy, tensors, what small photos cost whatever their size
