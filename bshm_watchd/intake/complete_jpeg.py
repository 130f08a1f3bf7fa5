"""Is a JPEG all there? Its markers are walked up to its end mark."""

from __future__ import annotations

import re
import struct
from dataclasses import replace

from bshm_watchd.intake.inspection import MAX_STEPS, Inspection, Verdict, Window

# A marker inside the coded picture: not a stuffed FF00, not a restart, not one of several fill bytes.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_SOI, _EOI, _SOS, _TEM = 0xD8, 0xD9, 0xDA, 0x01
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0..SOF15; the others define tables


def walk_jpeg(window: Window) -> Inspection:
    """From marker to marker: segments are skipped by their length, coded pictures searched for what ends them.

    Thumbnails lie inside segments and are never looked into; what follows the end mark (a motion photo's film)
    is not ours. Stray bytes between segments are passed over, as decoders do.
    """
    found, scans, offset = Inspection(Verdict.INCOMPLETE), 0, 2
    for _ in range(MAX_STEPS):
        offset = window.find(_MARKER, offset)
        if offset < 0:
            break
        marker = window.at(offset, 2)[1]
        if marker == _EOI:
            whole = scans > 0 and found.width > 0
            return replace(found, verdict=Verdict.COMPLETE) if whole else found
        offset += 2
        if marker in (_SOI, _TEM):
            continue
        segment = window.at(offset, 7)
        length = int.from_bytes(segment[:2], "big")
        if len(segment) < 2 or length < 2:
            break
        if marker in _FRAMES and len(segment) == 7:
            height, width = struct.unpack_from(">HH", segment, 3)
            found = replace(found, width=width, height=height)
        scans += marker == _SOS
        offset += length
    return found
