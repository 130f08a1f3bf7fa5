"""From a matted photo to the finished file of a result, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bshm_watchd.delivery import kinds
from bshm_watchd.delivery.background import Backgrounds, converted
from bshm_watchd.delivery.formats import CannotEncode, encode, encoding_bytes
from bshm_watchd.delivery.matted import Matted
from bshm_watchd.errors import RejectedPhoto
from bshm_watchd.metadata import Metadata
from bshm_watchd.output_settings import OutputKind, OutputSettings

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from bshm_watchd.delivery.formats import Content

    Bytes = npt.NDArray[np.uint8]


class Renderer:
    """Makes the finished file of an output. Callable from many threads, each with a photo of its own.

    Raises `PlaceUnavailable` when a background picture can't be had, `RejectedPhoto` when the format can't hold the
    photo.
    """

    def __init__(self, backgrounds: Backgrounds) -> None:
        self._backgrounds = backgrounds

    def __call__(self, output: OutputSettings, matted: Matted) -> Content:
        picture = self._picture(output, matted)
        metadata = _metadata(output, matted.metadata)
        try:
            return encode(picture, output.format, metadata, output.jpeg_quality)
        except CannotEncode as error:
            what_to_do = "Ask your administrator for another format of this output, or drop a smaller copy."
            raise RejectedPhoto("too_large_for_format", f"{error}.", what_to_do) from error

    def _picture(self, output: OutputSettings, matted: Matted) -> Bytes:
        match output.kind:
            case "cutout":
                return kinds.cutout(matted)
            case "matte":
                return kinds.matte(matted)
            case "trimap":
                return kinds.trimap(matted)
            case "composite":
                return kinds.composite(matted, self._background(output, matted))

    def _background(self, output: OutputSettings, matted: Matted) -> Bytes:
        """In the photo's own colours: the background is converted, so that nobody's skin changes."""
        height, width = matted.alpha.shape
        if (path := output.background_picture) is not None:
            return self._backgrounds.fitted(path, height, width, matted.metadata.icc)
        colour = output.background_colour
        assert colour is not None
        return _filled(colour, height, width, matted.metadata.icc)


def _filled(colour: tuple[int, int, int], height: int, width: int, icc: bytes) -> Bytes:
    """A view that repeats one pixel: an sRGB colour in the colours of `icc`."""
    import numpy as np

    pixel = converted(np.array([[colour]], np.uint8), b"", icc)
    return np.broadcast_to(pixel, (height, width, 3))


def _metadata(output: OutputSettings, metadata: Metadata) -> Metadata:
    return replace(metadata, exif=metadata.exif_without_gps) if output.strip_gps else metadata


# -- cost ---------------------------------------------------------------------------------------------------

_FIXED_BYTES = 16 << 20  # working copy, tensors, what small photos cost whatever their size
_DECODING = 16  # the worst case: a PNG of 16 bits with alpha; a JPEG takes 3, turned ones 6
_HELD = 5  # pixels 3, alpha 1, the photo's own alpha 1
_EDGE_PASS_SIDE = 960  # its working copy's longest side, in the bundles that have one
_EDGE_PASS, _CARRYING = 140, 2  # a pixel of its working copy, and of the photo
_FOREGROUND = 3  # estimating it takes 2 more for a moment, less than what follows
_FITTING = 6  # a background picture that is fitted to a new size, and converted to the photo's profile


def cost_bytes(height: int, width: int, outputs: Iterable[OutputSettings]) -> int:
    """Peak memory that a photo of this size needs beyond its original's bytes, in the decoder and here together.

    Counts its decoding, its matting, and its results rendered one at a time, each written before the next is begun.
    Background pictures as they are kept are not counted: all photos share them.
    """
    listed = list(outputs)
    held = _HELD + max(_COSTS[output.kind].held for output in listed)
    rendering = max(_rendering_bytes(height, width, output) for output in listed)
    pixels = height * width
    return _FIXED_BYTES + max(
        pixels * _DECODING, pixels * _HELD + _edge_pass_bytes(height, width), pixels * held + rendering
    )


def _edge_pass_bytes(height: int, width: int) -> int:
    scale = min(1.0, _EDGE_PASS_SIDE / max(height, width, 1))
    return round(height * width * (_CARRYING + _EDGE_PASS * scale * scale))


def _rendering_bytes(height: int, width: int, output: OutputSettings) -> int:
    cost = _COSTS[output.kind]
    making = height * width * (cost.making if output.background_picture is None else cost.making + _FITTING)
    encoding = height * width * cost.channels + encoding_bytes(output.format, height, width, cost.channels)
    return max(making, encoding)


@dataclass(frozen=True, slots=True)
class _Cost:
    """Bytes a pixel. `held`: until the photo's last result is written; `making`: the peak before it is encoded."""

    held: int
    making: int
    channels: int


_COSTS: dict[OutputKind, _Cost] = {
    "cutout": _Cost(held=_FOREGROUND, making=5, channels=4),
    "matte": _Cost(held=0, making=0, channels=1),
    "composite": _Cost(held=_FOREGROUND, making=5, channels=3),
    "trimap": _Cost(held=0, making=3, channels=1),
}
