"""Small pictures as bytes: the structure is real, so that completeness is decided as on a photo; pixels are noise."""

from __future__ import annotations

import struct
import zlib

SOI, EOI = b"\xff\xd8", b"\xff\xd9"


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def frame(width: int, height: int, marker: int = 0xC0) -> bytes:
    return segment(marker, struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00")


def scan(coded: bytes) -> bytes:
    """A scan header and its coded picture: `coded` may hold restart markers, but no bare FF."""
    return segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + coded


def jpeg(width: int = 64, height: int = 48, coded_bytes: int = 500, app1: bytes = b"Exif\0\0") -> bytes:
    coded = bytes(i % 251 for i in range(coded_bytes)).replace(b"\xff", b"\xff\x00")
    return SOI + segment(0xE1, app1) + frame(width, height) + scan(coded) + EOI


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width: int = 64, height: int = 48) -> bytes:
    """A whole, decodable grey PNG."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(x % 256 for x in range(width)) for _ in range(height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
