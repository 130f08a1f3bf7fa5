"""Photos damaged on purpose: the same number gives the same bytes.

Half of the damage knows the format, so that it gets past the first check: PNG chunks get right check sums, pictures are
packed anew, WebP's outer length fits. The other half is blind.
"""

from __future__ import annotations

import functools
import random
import struct
import zlib
from collections.abc import Callable, Sequence

from tests.support.pictures import chunk

Damage = Callable[[random.Random, bytes], bytes]

_MAX_BYTES = 200_000
_NUMBERS = (0, 1, 2, 3, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x3FFF, 0x4000, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0xFFFFFF,
            0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)  # fmt: skip
_PNG, _JPEG, _RIFF, _TIFFS = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"RIFF", (b"II*\0", b"MM\0*")
_SOS = 0xDA


def damaged(number: int, photos: Sequence[bytes]) -> bytes:
    rng = random.Random(number)
    content = rng.choice(photos)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4))):
        knowing = _knowing(content)
        damage = (
            knowing if knowing and rng.random() < 0.6 else rng.choice((*_BLIND, functools.partial(_spliced, photos)))
        )
        content = damage(rng, content)[:_MAX_BYTES]
    return content


def _knowing(content: bytes) -> Damage | None:
    if content.startswith(_PNG):
        return _png
    if content.startswith(_JPEG):
        return _jpeg
    if content.startswith(_RIFF) and len(content) > 12:
        return _webp
    return _tiff if content[:4] in _TIFFS and len(content) > 8 else None


def _place(rng: random.Random, content: bytes, room: int = 0) -> int:
    """More often near the beginning, where the structure is."""
    last = max(0, len(content) - room)
    return rng.randint(0, min(last, 64) if rng.random() < 0.3 else last)


def _flipped(rng: random.Random, content: bytes) -> bytes:
    spoilt = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 40))):
        if spoilt:
            spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
    return bytes(spoilt)


def _renumbered(rng: random.Random, content: bytes) -> bytes:
    code = rng.choice(("B", "<H", ">H", "<I", ">I"))
    size = struct.calcsize(code)
    at = _place(rng, content, size)
    return content[:at] + struct.pack(code, rng.choice(_NUMBERS) & (1 << 8 * size) - 1) + content[at + size :]


def _cut(rng: random.Random, content: bytes) -> bytes:
    return content[: _place(rng, content)]


def _shortened(rng: random.Random, content: bytes) -> bytes:
    at = _place(rng, content)
    return content[:at] + content[at + rng.choice((1, 2, 4, 30, 1000)) :]


def _filled(rng: random.Random, content: bytes) -> bytes:
    at, length = _place(rng, content), rng.choice((1, 3, 16, 300, 5000))
    filling = rng.choice((b"\0", b"\xff", b"\xff\xd9", bytes([rng.randrange(256)]))) * length
    return content[:at] + filling[:length] + content[at + rng.choice((0, length)) :]


def _doubled(rng: random.Random, content: bytes) -> bytes:
    begin, length = _place(rng, content), rng.choice((2, 12, 100, 2000))
    return (
        content[: begin + length] + content[begin : begin + length] * rng.choice((1, 1, 5)) + content[begin + length :]
    )


def _spliced(photos: Sequence[bytes], rng: random.Random, content: bytes) -> bytes:
    other = rng.choice(photos)
    return content[: _place(rng, content)] + other[_place(rng, other) :]


_BLIND: tuple[Damage, ...] = (_flipped, _renumbered, _cut, _shortened, _filled, _doubled)


def _rearranged(rng: random.Random, parts: list[tuple[bytes, bytes]], at: int) -> None:
    """One part moved, doubled or dropped."""
    what = rng.choice(("drop", "double", "move"))
    part = parts[at] if what == "double" else parts.pop(at)
    if what != "drop":
        parts.insert(rng.randint(0, len(parts)), part)


def _png(rng: random.Random, content: bytes) -> bytes:
    parts, position = [], 8
    while position + 12 <= len(content):
        length = int.from_bytes(content[position : position + 4], "big")
        parts.append((content[position + 4 : position + 8], content[position + 8 : position + 8 + length]))
        position += 12 + length
    if not parts:
        return _renumbered(rng, content)
    at = rng.randrange(len(parts))
    name, body = parts[at]
    if rng.random() < 0.25:
        _rearranged(rng, parts, at)
    else:
        packed = name in (b"IDAT", b"iCCP", b"fdAT") and rng.random() < 0.6
        parts[at] = (name, _repacked(rng, body) if packed else rng.choice(_BLIND)(rng, body))
    return _PNG + b"".join(chunk(name, body) for name, body in parts)


def _repacked(rng: random.Random, body: bytes) -> bytes:
    """Damaged inside of its packing."""
    begin = max(0, body.find(b"\x78"))
    try:
        rows = zlib.decompress(body[begin:])
    except zlib.error:
        return rng.choice(_BLIND)(rng, body)
    return body[:begin] + zlib.compress(rng.choice(_BLIND)(rng, rows), 1)


def _jpeg(rng: random.Random, content: bytes) -> bytes:
    parts, position = [], 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker, length = content[position : position + 2], int.from_bytes(content[position + 2 : position + 4], "big")
        parts.append((marker, content[position + 4 : position + 2 + length]))
        position += 2 + max(2, length)
        if marker[1] == _SOS:
            break
    rest = content[position:]
    if not parts or rng.random() < 0.2:
        return content[:position] + rng.choice(_BLIND)(rng, rest)
    at = rng.randrange(len(parts))
    if rng.random() < 0.3:
        _rearranged(rng, parts, at)
    else:
        parts[at] = (parts[at][0], rng.choice(_BLIND)(rng, parts[at][1])[:65533])
    return _JPEG + b"".join(marker + struct.pack(">H", len(body) + 2) + body for marker, body in parts) + rest


def _webp(rng: random.Random, content: bytes) -> bytes:
    parts, position = [], 12
    while position + 8 <= len(content):
        length = int.from_bytes(content[position + 4 : position + 8], "little")
        parts.append((content[position : position + 4], content[position + 8 : position + 8 + length]))
        position += 8 + length + length % 2
    if not parts:
        return _renumbered(rng, content)
    at = rng.randrange(len(parts))
    if rng.random() < 0.3:
        _rearranged(rng, parts, at)
    else:
        parts[at] = (parts[at][0], rng.choice(_BLIND)(rng, parts[at][1]))
    chunks = b"".join(name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2) for name, body in parts)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def _tiff(rng: random.Random, content: bytes) -> bytes:
    """One entry of the first directory: another tag, type, count or value; or the link to the next one."""
    order = "<" if content[:2] == b"II" else ">"
    (first,) = struct.unpack_from(f"{order}I", content, 4)
    if first + 2 > len(content):
        return _renumbered(rng, content)
    (count,) = struct.unpack_from(f"{order}H", content, first)
    at = first + 2 + 12 * rng.randint(0, count)
    code, offset = rng.choice((("H", 0), ("H", 2), ("I", 4), ("I", 4), ("I", 8), ("I", 8), ("H", 8)))
    if at + 12 > len(content):
        return _renumbered(rng, content)
    known = (*_NUMBERS, first, len(content), *range(254, 290), 322, 323, 324, 325, 330, 338, 339, 34665, 34853)
    value = rng.choice(known) & (1 << 8 * struct.calcsize(code)) - 1
    return content[: at + offset] + struct.pack(order + code, value) + content[at + offset + struct.calcsize(code) :]
