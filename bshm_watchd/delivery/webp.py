"""Writing lossless WebP."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from bshm_watchd.metadata import Metadata

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]

# Of libwebp's 0 (fast) to 6. Colours are a quarter smaller than PNG at 0; 1 saves another sixth and takes three times
# as long. A grey picture needs 1 to become smaller than PNG at all.
_METHOD_COLOUR, _METHOD_GREY = 0, 1


def encode_webp(array: Bytes, metadata: Metadata) -> memoryview:
    """A whole WebP file of uint8 pixels: height x width (grey), or height x width x 3 (RGB) or x 4 (straight RGBA).

    Every value is kept, also colours under alpha 0. WebP has no grey: a grey picture is stored as RGB of three equal
    channels. It has no place for a resolution either: the EXIF block says it.
    """
    from PIL import Image

    method = _METHOD_GREY if array.ndim == 2 else _METHOD_COLOUR
    file = io.BytesIO()
    Image.fromarray(array).save(
        file, "WEBP", lossless=True, exact=True, method=method, quality=0, icc_profile=metadata.icc, exif=metadata.exif
    )
    return file.getbuffer()
