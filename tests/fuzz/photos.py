"""The photos that are damaged: every way to store one that the golden table knows, photos that tell much about
themselves, those that take longest to decode, and those that are refused.
"""

from tests.support.encoded import COLOURS, of, tiff
from tests.support.icc import SRGB
from tests.test_formats_damaged import REFUSED
from tests.test_formats_in import TABLE
from tests.test_photo_metadata import PHOTOS as TELLING
from tests.test_photo_metadata import camera

PHOTOS = [
    *(golden.content for golden in TABLE.values()),
    *TELLING.values(),
    of(COLOURS, "JPEG", progressive=True, exif=camera(5), icc_profile=SRGB),
    of(COLOURS, "JPEG", progressive=True, subsampling=2, restart_marker_blocks=2),
    of(COLOURS, "WEBP", exif=camera(7), icc_profile=SRGB, lossless=True),
    tiff(COLOURS, "rgb", tile=(16, 16), compression="zlib", predictor=True),
    *(content for content, _ in REFUSED.values()),
]
