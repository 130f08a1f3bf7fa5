"""Decoders for tests, and how to hand them bytes."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bshm_watchd.matting.decoder import rejection
from bshm_watchd.matting.decoding import Refused, decode_picture
from bshm_watchd.matting.photo import Photo

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Pixels


class InProcessDecoder:
    """The same decoding as in the children, here: fast, and not safe from hostile pictures."""

    def __init__(self, max_pixels: int = 120_000_000) -> None:
        self._max_pixels = max_pixels

    def decode(self, source_fd: int, size_bytes: int) -> Photo:
        made: list[Pixels] = []

        def allocate(height: int, width: int) -> Pixels:
            made.append(np.empty((height, width, 3), np.uint8))
            return made[0]

        try:
            if size_bytes == 0:
                raise Refused("not_a_photo", "the file is empty")
            content = memoryview(mmap.mmap(source_fd, size_bytes, prot=mmap.PROT_READ))
            decoded = decode_picture(content, self._max_pixels, allocate)
        except Refused as refused:
            reason, height, width = refused.reason, refused.height, refused.width
            raise rejection(reason, height, width, self._max_pixels, refused.detail) from None
        for plane in (made[0], decoded.opacity):
            if plane is not None:
                plane.flags.writeable = False
        return Photo(made[0], decoded.opacity, decoded.metadata)


@contextlib.contextmanager
def holding(content: bytes) -> Iterator[int]:
    """A descriptor of these bytes, as the pipeline gives one to a decoder: its offset is at the end."""
    fd = os.memfd_create("original", os.MFD_CLOEXEC)
    try:
        os.write(fd, content)
        yield fd
    finally:
        os.close(fd)


def decode(decoder: object, content: bytes) -> Photo:
    with holding(content) as fd:
        return decoder.decode(fd, len(content))  # type: ignore[attr-defined,no-any-return]


def decode_children() -> list[int]:
    """Process ids of this process's decode children, oldest first."""
    listed = [path.read_text().split() for path in Path("/proc/self/task").glob("*/children")]
    pids = sorted(int(pid) for pids in listed for pid in pids)
    return [pid for pid in pids if b"decode_child" in Path(f"/proc/{pid}/cmdline").read_bytes()]
