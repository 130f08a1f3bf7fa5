"""The process that decodes photos, one at a time: `python -m bshm_watchd.matting.decode_child FD MAX_PIXELS SECONDS`.

Protocol, one packet each way on the SEQPACKET socket FD (see `REQUEST` and `REPLY`):

    parent -> child   size of the original in bytes, with two descriptors: the original (read), an empty memfd (write)
    child -> parent   status, height, width, then a short detail text
                      status 0: the memfd now holds height x width x 3 bytes of upright RGB; else an index of REASONS

The child trusts nothing it reads and the parent trusts nothing the child says. The end of the socket ends the child.
"""

from __future__ import annotations

import ctypes
import math
import mmap
import os
import signal
import socket
import struct
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Pixels

REQUEST = struct.Struct("<Q")
REPLY = struct.Struct("<BII")
DECODED = 0
REASONS = ("", "broken", "too_large", "not_a_photo")
PACKET_BYTES = 512

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    fd, max_pixels, seconds = int(arguments[0]), int(arguments[1]), float(arguments[2])
    _die_with_the_parent()
    with socket.socket(fileno=fd) as parent:
        _load_codecs(max_pixels)
        # Here the child gives up its rights: everything it needs is loaded, and nothing foreign has been read yet.
        while _serve(parent, max_pixels, seconds):
            pass


def _serve(parent: socket.socket, max_pixels: int, seconds: float) -> bool:
    """Answer one request; False when the parent has closed the socket."""
    packet, descriptors, _, _ = socket.recv_fds(parent, REQUEST.size, 2)
    if not packet:
        return False
    # The default action ends the process even where a codec never gives the interpreter back (and no parent is left).
    signal.alarm(math.ceil(seconds) + 1)
    source_fd, target_fd = descriptors
    (size_bytes,) = REQUEST.unpack(packet)
    try:
        reply = _decode(source_fd, target_fd, size_bytes, max_pixels)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    signal.alarm(0)
    parent.send(reply[:PACKET_BYTES])
    return True


def _decode(source_fd: int, target_fd: int, size_bytes: int, max_pixels: int) -> bytes:
    from bshm_watchd.matting.decoding import Refused, decode_picture

    size: list[int] = []

    def allocate(height: int, width: int) -> Pixels:
        size[:] = (height, width)
        return _shared_pixels(target_fd, height, width)

    try:
        if size_bytes == 0:
            raise Refused("not_a_photo", "the file is empty")
        content = memoryview(mmap.mmap(source_fd, size_bytes, prot=mmap.PROT_READ))
        decode_picture(content, max_pixels, allocate)
    except Refused as refused:
        status = REASONS.index(refused.reason)
        return REPLY.pack(status, refused.height, refused.width) + refused.detail.encode()
    return REPLY.pack(DECODED, *size)


def _shared_pixels(target_fd: int, height: int, width: int) -> Pixels:
    import numpy as np

    size_bytes = height * width * 3
    os.ftruncate(target_fd, size_bytes)
    shared = mmap.mmap(target_fd, size_bytes)
    return np.frombuffer(shared, np.uint8).reshape(height, width, 3)


def _load_codecs(max_pixels: int) -> None:
    from bshm_watchd.matting import decoding

    decoding.open_cv(max_pixels)


def _die_with_the_parent() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


if __name__ == "__main__":
    main(sys.argv[1:])
