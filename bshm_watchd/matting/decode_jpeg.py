"""JPEG: its segments, and its pixels. What follows its end (a motion photo's film) is not ours."""

from __future__ import annotations

import functools
import io
import itertools
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import simplejpeg
from PIL import Image, JpegImagePlugin

from bshm_watchd.matting.decode_header import ROWS_AT_A_TIME, Colours, Header, Refused, sized
from bshm_watchd.matting.exif import Exif, plausible_dpi, read_exif
from bshm_watchd.matting.profile import grey_to_srgb, image_to_srgb
from bshm_watchd.metadata import MAX_ICC_BYTES
from bshm_watchd.tiff import TiffDamaged, open_tiff

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Pixels

MAGIC = b"\xff\xd8\xff"

_MARKER = re.compile(rb"\xff\xff*[\x01-\xcf\xd8-\xfe]")  # stray bytes before it are passed over, as decoders do
_SOI, _EOI, _SOS, _TEM, _APP0, _APP1, _APP2 = 0xD8, 0xD9, 0xDA, 0x01, 0xE0, 0xE1, 0xE2
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Baseline, extended and progressive, each by Huffman's code or arithmetic; the others are lossless or hierarchical.
_FRAMES_READ, _BITS_READ = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA}), 8
_MAX_SEGMENTS = 10_000
# Progressive pictures have a dozen. Each costs a walk over the whole picture, and may be but ten bytes long.
_MAX_SCANS = 500
_PADDED = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_READ_AHEAD_BYTES = 8  # that the decoder does not count
_INCHES_A_UNIT = {1: 1.0, 2: 1 / 2.54}
_ICC, _MPF = b"ICC_PROFILE\0", b"MPF\0"
_MP_ENTRIES, _MP_ENTRY_BYTES = 0xB002, 16
# Of a multi-picture's entry: panorama, disparity, several angles. Previews of the same picture are none.
_A_PICTURE_OF_ITS_OWN = 0x02

_Route = Literal["fast", "ink", "rare"]
# What Pillow raises on hostile files.
_BAD_JPEG = (OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, SyntaxError, struct.error)


@dataclass(frozen=True, slots=True)
class JpegPicture:
    """`route`: who decodes it. Grey and colours are simplejpeg's, subsamplings that it does not know are Pillow's."""

    content: memoryview
    header: Header
    route: _Route

    def decode(self, target: Pixels) -> None:
        if self.route == "ink":
            self._decode_ink(target)
        elif self.route == "rare":
            self._decode_rare(target)
        else:
            self._decoded("RGB", target)
        if self.header.colours == "GRAY":
            grey_to_srgb(target, self.header.icc)

    def _decoded(self, colours: str, target: Pixels | None) -> Pixels:
        try:
            return simplejpeg.decode_jpeg(self.content, colours, buffer=target, strict=True)  # type: ignore[no-any-return]
        except ValueError as error:
            if not _only_padded(self.content, str(error)):
                raise self.header.broken(str(error)) from error
            return simplejpeg.decode_jpeg(self.content, colours, buffer=target, strict=False)  # type: ignore[no-any-return]

    def _decode_ink(self, target: Pixels) -> None:
        """CMYK and YCCK, taken for Adobe's, who stores them inverted, as every program takes them."""
        ink = self._decoded("CMYK", None)
        for top in range(0, len(ink), ROWS_AT_A_TIME):
            rows = ~ink[top : top + ROWS_AT_A_TIME]
            image = Image.frombuffer("CMYK", (rows.shape[1], rows.shape[0]), rows, "raw", "CMYK", 0, 1)
            target[top : top + ROWS_AT_A_TIME] = np.asarray(image_to_srgb(image, self.header.icc))

    def _decode_rare(self, target: Pixels) -> None:
        try:
            with JpegImagePlugin.JpegImageFile(io.BytesIO(self.content)) as image:
                if image.size != (self.header.width, self.header.height):
                    raise self.header.broken("the JPEG holds another picture than it says")
                target[:] = np.asarray(image.convert("RGB"))
        except _BAD_JPEG as error:
            raise self.header.broken(str(error)) from error


def read_jpeg(content: memoryview) -> JpegPicture:
    segments = _head(content)
    kind, frame = next((found for found in segments if found[0] in _FRAMES and len(found[1]) >= 6), (0, b""))
    if not frame:
        raise Refused("broken", "damaged JPEG header")
    bits, height, width, components = struct.unpack_from(">BHHB", frame)
    height, width = sized(height, width)
    exif = _exif(segments)
    header = Header(
        height,
        width,
        _colours(components),
        exif,
        _icc(segments),
        _jfif_dpi(segments) or exif.dpi,
        pages=_pages(segments),
    )
    _refuse_what_is_not_read(content, kind, bits, header)
    return JpegPicture(content, header, _route(content, header))


def _refuse_what_is_not_read(content: memoryview, kind: int, bits: int, header: Header) -> None:
    size = header.upright_size()
    if kind not in _FRAMES_READ or bits != _BITS_READ:
        raise Refused("unsupported", f"a JPEG of {bits} bits, of the kind SOF{kind & 0xF}", *size)
    scans = (marker for marker, _, _ in _marked(content) if marker == _SOS)
    if next(itertools.islice(scans, _MAX_SCANS, None), None):
        raise Refused("unsupported", f"a JPEG of more than {_MAX_SCANS} scans", *size)


def _colours(components: int) -> Colours:
    return {1: "GRAY", 4: "CMYK"}.get(components, "RGB")  # type: ignore[return-value]


def _route(content: memoryview, header: Header) -> _Route:
    """The decoder must see the size that limits are checked on: it looks at no other when it decodes."""
    try:
        *size, colours, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return "rare"
    if size != [header.height, header.width]:
        raise header.broken("the JPEG holds another picture than it says")
    return "ink" if colours in ("CMYK", "YCCK") else "fast"


def _only_padded(content: memoryview, complaint: str) -> bool:
    """Whether all that the decoder complains of is what some cameras put between the picture and its end: zeros or FF.

    A hole of zeros at the picture's end is no such padding: some of it was taken for the picture.
    """
    counted = _PADDED.search(complaint)
    ends = [begin for marker, begin, _ in _marked(content) if marker in (_SOS, _EOI)]
    if counted is None or len(ends) < 2:
        return False
    last_scan = bytes(content[ends[-2] : ends[-1]])
    padding_bytes = len(last_scan) - len(last_scan.rstrip(b"\0\xff"))
    return 0 <= padding_bytes - int(counted[1]) <= _READ_AHEAD_BYTES


def _marked(content: memoryview) -> Iterator[tuple[int, int, int]]:
    """Each segment's marker, where its body begins and ends; that of the end mark, which is the last, is before it.

    Thumbnails inside segments are not looked into.
    """
    position = 2
    for _ in range(_MAX_SEGMENTS):
        found = _MARKER.search(content, position)
        if found is None:
            return
        marker, position = content[found.end() - 1], found.end()
        if marker == _EOI:
            yield marker, found.start(), found.start()
            return
        if marker in (_SOI, _TEM):
            continue
        length = int.from_bytes(content[position : position + 2], "big")
        if length < 2 or position + length > len(content):
            return
        yield marker, position + 2, position + length
        position += length
    raise Refused("broken", "a JPEG of too many segments")


_Segments = list[tuple[int, memoryview]]


def _head(content: memoryview) -> _Segments:
    """Marker and body of each segment before the first scan."""
    before = itertools.takewhile(lambda found: found[0] not in (_SOS, _EOI), _marked(content))
    return [(marker, content[begin:end]) for marker, begin, end in before]


def _bodies(segments: _Segments, marker: int, begin: bytes) -> Iterator[memoryview]:
    """What follows `begin` in the segments that begin so."""
    for found, body in segments:
        if found == marker and body[: len(begin)] == begin:
            yield body[len(begin) :]


def _exif(segments: _Segments) -> Exif:
    return next((read_exif(bytes(body)) for body in _bodies(segments, _APP1, b"Exif\0\0")), Exif())


def _icc(segments: _Segments) -> bytes:
    """A profile comes in numbered pieces; one of which a piece is missing is none."""
    pieces = {body[0]: body[1:] for body in _bodies(segments, _APP2, _ICC) if len(body) > 2}
    counts = {piece[0] for piece in pieces.values()}
    if counts != {len(pieces)} or set(pieces) != set(range(1, len(pieces) + 1)):
        return b""
    icc = b"".join(bytes(pieces[number][1:]) for number in sorted(pieces))
    return icc if len(icc) <= MAX_ICC_BYTES else b""


def _jfif_dpi(segments: _Segments) -> tuple[float, float] | None:
    body = next(_bodies(segments, _APP0, b"JFIF\0"), None)
    if body is None or len(body) < 7:
        return None
    unit, across, down = struct.unpack_from(">2xBHH", body)
    inches = _INCHES_A_UNIT.get(unit)
    return None if inches is None else plausible_dpi(across / inches, down / inches)


def _pages(segments: _Segments) -> int:
    """Pictures of their own that follow the first in the same file, and it."""
    body = next(_bodies(segments, _APP2, _MPF), None)
    if body is None:
        return 1
    try:
        tiff = open_tiff(functools.partial(_part, bytes(body)))
        entry = tiff.directory(tiff.first_offset).entries.get(_MP_ENTRIES)
    except TiffDamaged:
        return 1
    entries = tiff.raw(entry, len(body)) if entry else b""
    kinds = struct.unpack_from(f"{tiff.order}{len(entries) // 4}I", entries)[:: _MP_ENTRY_BYTES // 4]
    return 1 + [kind >> 16 & 0xFF for kind in kinds[1:]].count(_A_PICTURE_OF_ITS_OWN)


def _part(block: bytes, offset: int, length: int) -> bytes:
    return block[offset : offset + length]
