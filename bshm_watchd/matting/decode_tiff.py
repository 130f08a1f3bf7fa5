"""TIFF, its first page: strips or tiles, either byte order, 1 to 8 bits by Pillow, 16 by OpenCV where it can.

Both read through libtiff and turn the picture upright themselves.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, TiffImagePlugin

from bshm_watchd.matting.decode_header import ROWS_AT_A_TIME, Colours, Header, Refused, open_cv, sized
from bshm_watchd.matting.exif import DESCRIPTIVE, exif_of
from bshm_watchd.matting.profile import grey_to_srgb, image_to_srgb
from bshm_watchd.matting.samples import opacity_plane, to_8_bit, to_rgb, unmultiply
from bshm_watchd.metadata import MAX_ICC_BYTES
from bshm_watchd.tiff import Directory, Tiff, TiffDamaged, holds_picture, is_camera_raw, is_preview, open_tiff

if TYPE_CHECKING:
    import numpy.typing as npt

    from bshm_watchd.matting.photo import Alpha, Pixels

MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 258, 259, 262, 277
_PLANAR, _EXTRA, _FORMAT, _ICC = 284, 338, 339, 34675
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK, _LAB = 0, 1, 2, 5, 8
_COLOURS: dict[int, Colours] = {_WHITE_IS_ZERO: "GRAY", _BLACK_IS_ZERO: "GRAY", _CMYK: "CMYK", _LAB: "LAB"}
_DEPTHS = {(bits,) for bits in (1, 2, 4, 8, 16)}
_WHOLE_NUMBERS = 1
_PREMULTIPLIED, _STRAIGHT = 1, 2
_MAX_SAMPLES = 6
_MAX_PAGES = 1000
# A tile is decoded as a whole, however little of it the picture fills.
_MAX_TILE_PIXELS, _MAX_TILE_TO_PICTURE = 1 << 22, 4
# What OpenCV reads of 16 bits: none, LZW, deflate under both its numbers, packbits.
_CV_COMPRESSIONS = (1, 5, 8, 32946, 32773)
# What Pillow raises on hostile files: on any of their values, anything but an error of its own.
_BAD_TIFF = (OSError, ValueError, ArithmeticError, LookupError, TypeError, AttributeError, RuntimeError, EOFError,
             SyntaxError, struct.error)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the samples are stored. `extra`: what the samples beyond the colours are, empty where it is not said."""

    depth: tuple[int, ...]
    samples: int
    photometric: int
    compression: int
    planar: bool
    extra: tuple[int, ...]
    whole_numbers: bool

    def read_by_cv(self) -> bool:
        known = self.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) if self.samples == 1 else self.photometric == _RGB
        packed = self.compression in _CV_COMPRESSIONS and not self.planar
        return self.depth == (16,) and self.samples in (1, 3, 4) and known and packed

    def scrambled_by_pillow(self) -> bool:
        """Stored colour by colour, it takes 16 bits without compression for something else, and premultiplied colours
        for straight ones, or fails on them."""
        separate = self.planar and self.samples > 1
        return separate and (self.extra[:1] == (_PREMULTIPLIED,) or (self.depth == (16,) and self.compression == 1))

    def __str__(self) -> str:
        return (
            f"TIFF of {self.samples} samples of {'/'.join(map(str, self.depth))} bits, "
            f"photometric interpretation {self.photometric}, compression {self.compression}"
        )


@dataclass(frozen=True, slots=True)
class TiffPicture:
    content: memoryview
    header: Header
    layout: _Layout

    def decode(self, target: Pixels) -> Alpha | None:
        opacity = self._decode_16_bit(target) if self.layout.read_by_cv() else self._decode_image(target)
        if self.header.colours == "GRAY":
            grey_to_srgb(target, self.header.icc)
        return opacity

    def _decode_16_bit(self, target: Pixels) -> Alpha | None:
        cv2 = open_cv()
        try:
            stored = cv2.imdecode(np.frombuffer(self.content, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            raise self.header.broken("the TIFF cannot be decoded") from error
        if stored is None or stored.shape[:2] != target.shape[:2] or stored.dtype != np.uint16:
            raise self.header.broken("the TIFF cannot be decoded")
        if self.layout.photometric == _WHITE_IS_ZERO:
            np.invert(stored, out=stored)
        if self.layout.extra[:1] == (_PREMULTIPLIED,):
            unmultiply(stored)
        opacity = opacity_plane(stored) if self.layout.extra[:1] in ((), (_PREMULTIPLIED,), (_STRAIGHT,)) else None
        to_rgb(stored, target)
        return opacity

    def _decode_image(self, target: Pixels) -> Alpha | None:
        Image.MAX_IMAGE_PIXELS = None  # our own limit was applied, on the header
        try:
            image = TiffImagePlugin.TiffImageFile(io.BytesIO(self.content))
        except _BAD_TIFF as error:
            raise Refused("unsupported", str(self.layout), *self.header.upright_size()) from error
        # It read the directory for itself: before it allocates, its size must be the one that limits were checked on.
        if image.size != target.shape[1::-1]:
            raise self.header.broken("the TIFF holds another picture than it says")
        try:
            with image:
                image.load()
                return self._taken(image, target)
        except _BAD_TIFF as error:
            raise self.header.broken(f"the TIFF cannot be decoded: {error}") from error

    def _taken(self, image: Image.Image, target: Pixels) -> Alpha | None:
        height, width = target.shape[:2]
        opacity = np.empty((height, width), np.uint8) if image.mode in _WITH_ALPHA else None
        for top in range(0, height, ROWS_AT_A_TIME):
            rows = slice(top, min(top + ROWS_AT_A_TIME, height))
            strip = image.crop((0, rows.start, width, rows.stop))
            if opacity is not None:
                strip = strip.convert("LA" if strip.mode == "La" else "RGBA")
                opacity[rows] = np.asarray(strip.getchannel("A"))
            target[rows] = self._rgb(strip)
        return opacity

    def _rgb(self, strip: Image.Image) -> npt.NDArray[np.uint8]:
        """Height x width x 3, or x 1 where it is grey."""
        if strip.mode in ("CMYK", "LAB"):
            return np.asarray(image_to_srgb(strip, self.header.icc))
        if strip.mode.startswith("I;16"):
            grey = to_8_bit(np.asarray(strip).astype(np.uint16))
            return (~grey if self.layout.photometric == _WHITE_IS_ZERO else grey)[:, :, np.newaxis]
        return np.asarray(strip.convert("RGB"))


_WITH_ALPHA = ("RGBA", "LA", "La", "PA")


def read_tiff(content: memoryview) -> TiffPicture:
    try:
        tiff = open_tiff(lambda offset, length: bytes(content[offset : offset + length]))
        first = tiff.directory(tiff.first_offset)
    except TiffDamaged as error:
        raise Refused("broken", f"damaged TIFF header: {error}") from error
    layout = _layout(tiff, first)
    exif = exif_of(tiff, first, DESCRIPTIVE)
    icc = tiff.raw(first.entries[_ICC], MAX_ICC_BYTES) if _ICC in first.entries else b""
    height, width = sized(tiff.number(first, _HEIGHT), tiff.number(first, _WIDTH))
    colours = _COLOURS.get(layout.photometric, "RGB")
    header = Header(height, width, colours, exif, icc, exif.dpi, pages=_pages(tiff), codec_turns=True)
    _refuse_what_is_not_read(tiff, first, layout, header)
    return TiffPicture(content, header, layout)


def _layout(tiff: Tiff, page: Directory) -> _Layout:
    return _Layout(
        depth=tuple(sorted(set(tiff.numbers(page.entries.get(_BITS), _MAX_SAMPLES) or (1,)))),
        samples=tiff.number(page, _SAMPLES, 1),
        photometric=tiff.number(page, _PHOTOMETRIC, -1),
        compression=tiff.number(page, _COMPRESSION, 1),
        planar=tiff.number(page, _PLANAR, 1) != 1,
        extra=tiff.numbers(page.entries.get(_EXTRA), _MAX_SAMPLES),
        whole_numbers=set(tiff.numbers(page.entries.get(_FORMAT), _MAX_SAMPLES)) <= {_WHOLE_NUMBERS},
    )


def _refuse_what_is_not_read(tiff: Tiff, page: Directory, layout: _Layout, header: Header) -> None:
    """Before a codec sees it: what a camera's raw converter must make a picture of, and what decodes to nonsense."""
    if is_camera_raw(tiff, page):
        raise Refused("not_a_photo", "a camera's raw file")
    known = layout.whole_numbers and layout.depth in _DEPTHS and layout.samples <= _MAX_SAMPLES
    if not known or layout.scrambled_by_pillow():
        raise Refused("unsupported", str(layout), *header.upright_size())
    tile_pixels = tiff.number(page, _TILE_WIDTH) * tiff.number(page, _TILE_HEIGHT)
    if tile_pixels > max(_MAX_TILE_PIXELS, _MAX_TILE_TO_PICTURE * header.height * header.width):
        raise Refused("unsupported", "a TIFF of tiles larger than its picture", *header.upright_size())


def _pages(tiff: Tiff) -> int:
    """Pictures in the chain, previews not counted; as far as it can be followed."""
    pages = 0
    try:
        for page in tiff.directories(_MAX_PAGES):
            pages += holds_picture(page) and not is_preview(tiff, page)
    except TiffDamaged:
        pass
    return max(1, pages)
