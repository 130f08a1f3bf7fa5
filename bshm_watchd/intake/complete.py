"""Is a photo all there? Decided by its structure, before it is claimed, without decoding a pixel. Pure.

A file that is being copied looks like one that ends too early, one that was preallocated like one full of zeros:
both are INCOMPLETE, which means *not yet*. A damaged one looks the same and stays that way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bshm_watchd.intake.complete_jpeg import walk_jpeg
from bshm_watchd.intake.complete_png import walk_png
from bshm_watchd.intake.complete_tiff import walk_tiff
from bshm_watchd.intake.complete_webp import walk_webp
from bshm_watchd.intake.inspection import BLOCK_BYTES, Blank, Inspection, Verdict, Window
from bshm_watchd.intake.kinds import KINDS
from bshm_watchd.tiff import ReadAt

__all__ = ["BLOCK_BYTES", "TAIL_BYTES", "Inspection", "Verdict", "inspect"]

TAIL_BYTES = 4096
_HEAD_BYTES = 16


def inspect(read_at: ReadAt, size_bytes: int) -> Inspection:
    """Judge a file of `size_bytes` by `read_at(offset, length_bytes)`, which may return less at the end.

    Reads no byte twice but those of the last `TAIL_BYTES` and what a TIFF's directories point to, skips what its
    structure lets it skip, and comes to an end on any bytes. Raises only what `read_at` raises.
    """
    window = Window(read_at, size_bytes)
    head = window.at(0, _HEAD_BYTES)
    for kind in KINDS:
        if kind.begins(head):
            found = _WALKS[kind.name](window)
            return replace(found, kind=kind.name, zero_tail=_ends_in_zeros(read_at, size_bytes))
    written = head.rstrip(b"\0")  # nothing at all, in a preallocated file that is still to be filled
    begun = any(kind.may_begin(written) for kind in KINDS)
    if not begun:
        return Inspection(Verdict.NOT_A_PHOTO)
    return Inspection(Verdict.INCOMPLETE, blank=None if written else _blank(window))


_WALKS: dict[str, Callable[[Window], Inspection]] = {
    "jpeg": walk_jpeg,
    "png": walk_png,
    "webp": walk_webp,
    "tiff": walk_tiff,
}


def _blank(window: Window) -> Blank | None:
    if not window.size_bytes:
        return Blank.EMPTY
    blocks = (window.at(start, BLOCK_BYTES) for start in range(0, window.size_bytes, BLOCK_BYTES))
    return None if any(block.strip(b"\0") for block in blocks) else Blank.ONLY_ZEROS


def _ends_in_zeros(read_at: ReadAt, size_bytes: int) -> bool:
    if size_bytes < TAIL_BYTES:
        return False
    return not any(read_at(size_bytes - TAIL_BYTES, TAIL_BYTES))
