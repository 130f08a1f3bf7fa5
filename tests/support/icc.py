"""Small colour profiles, built by hand, whose effect is known beforehand."""

from __future__ import annotations

import itertools
import struct

from PIL import ImageCms

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def grey_profile(gamma: float) -> bytes:
    """A grey that is `level ** gamma` bright."""
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256))
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": curve, b"wtpt": b"XYZ " + bytes(4) + _D50})


def ink_profile(lightness_of_cyan: float = 50) -> bytes:
    """Paper is white, cyan alone a neutral grey of this lightness (as no printer has it), any other ink black."""
    corners = b""
    for cyan, *others in itertools.product((0, 1), repeat=4):
        lightness = 0 if any(others) else lightness_of_cyan if cyan else 100
        corners += bytes([round(lightness * 255 / 100), 128, 128])
    identity = struct.pack(">9i", *(65536 if place % 4 == 0 else 0 for place in range(9)))
    straight = bytes(range(256))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + straight * 4 + corners + straight * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table, b"A2B1": table, b"wtpt": b"XYZ " + bytes(4) + _D50})


_D50 = struct.pack(">3i", 63190, 65536, 54061)


def _profile(device: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += name + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">4xI4s4s4s", 0x02400000, device, space, connection)
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _D50
    whole = bytes(4) + head.ljust(124, b"\0") + table + body
    return struct.pack(">I", len(whole)) + whole[4:]
