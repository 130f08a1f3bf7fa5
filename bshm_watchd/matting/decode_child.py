"""The process that decodes photos, one at a time.

    python -m bshm_watchd.matting.decode_child FD BUFFER_FD MAX_PIXELS MAX_FILE_BYTES SECONDS

Protocol, packets on the SEQPACKET socket FD: first READY from the child, once it has loaded its codecs and given up its
rights (see `sandbox`); then one each way for each photo (see `REQUEST` and `REPLY`):

    parent -> child   size of the original in bytes, with two descriptors: the original (read), an empty memfd (write)
    child -> parent   status, height, width; status 0: the buffer or the memfd (see `room`) now holds one part behind
                      the other, as `Parts` says; else an index of REASONS, then a short detail text

The child trusts nothing it reads and the parent trusts nothing the child says. The end of the socket ends the child.
"""

from __future__ import annotations

import math
import mmap
import os
import signal
import socket
import struct
import sys
import warnings
from typing import TYPE_CHECKING

from bshm_watchd.matting.room import Room
from bshm_watchd.matting.sandbox import (
    EXIT_UNCONFINED,
    Allowance,
    CannotConfine,
    Walls,
    confine,
    die_with_the_parent,
    walls,
)

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Pixels

REQUEST = struct.Struct("<Q")
REPLY = struct.Struct("<BQQ")  # a BigTIFF may say sides of 64 bits
DECODED = 0
REASONS = ("", "broken", "too_large", "not_a_photo", "unsupported")
PACKET_BYTES = 512
READY = b"ready"


def main(arguments: list[str], here: Walls) -> None:
    fd, buffer_fd, max_pixels, max_file_bytes = map(int, arguments[:4])
    seconds = math.ceil(float(arguments[4]))
    die_with_the_parent()
    buffer = mmap.mmap(buffer_fd, os.fstat(buffer_fd).st_size)
    with socket.socket(fileno=fd) as parent:
        _load_codecs(max_pixels)
        # Here the child gives up its rights: everything it needs is loaded, and nothing foreign has been read yet.
        allowance = _confined(fd, max_pixels, max_file_bytes, seconds, here)
        parent.send(READY)
        while _serve(parent, buffer, max_pixels, allowance):
            pass


def _confined(fd: int, max_pixels: int, max_file_bytes: int, seconds: int, here: Walls) -> Allowance:
    try:
        return confine(fd, max_pixels, max_file_bytes, seconds, here)
    except CannotConfine as error:
        print(error, file=sys.stderr)  # noqa: T201  the parent reads it
        sys.exit(EXIT_UNCONFINED)


def _serve(parent: socket.socket, buffer: mmap.mmap, max_pixels: int, allowance: Allowance) -> bool:
    """Answer one request; False when the parent has closed the socket."""
    packet, descriptors, _, _ = socket.recv_fds(parent, REQUEST.size, 2)
    if not packet:
        return False
    # The default action ends the process even where a codec never gives the interpreter back (and no parent is left).
    signal.alarm(allowance.seconds + 1)
    source_fd, target_fd = descriptors
    (size_bytes,) = REQUEST.unpack(packet)
    allowance.begin(size_bytes)
    try:
        reply = _decode(source_fd, Room(buffer, target_fd), size_bytes, max_pixels, allowance)
    except MemoryError:
        sys.exit("the picture takes more memory than one of its size may")
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
    signal.alarm(0)
    parent.send(reply[:PACKET_BYTES])
    return True


def _decode(source_fd: int, room: Room, size_bytes: int, max_pixels: int, allowance: Allowance) -> bytes:
    from bshm_watchd.matting.decoding import Refused, decode_picture

    def allocate(height: int, width: int) -> Pixels:
        allowance.picture(height * width, size_bytes)
        return room.pixels(height, width)

    try:
        if size_bytes == 0:
            raise Refused("not_a_photo", "the file is empty")
        decoded = decode_picture(_content(source_fd, size_bytes), max_pixels, allocate)
    except Refused as refused:
        status = REASONS.index(refused.reason)
        return REPLY.pack(status, refused.height, refused.width) + refused.detail.encode(errors="replace")
    return REPLY.pack(DECODED, *room.size) + room.append(decoded).pack()


def _content(source_fd: int, size_bytes: int) -> memoryview:
    """Raises `ValueError` where the file is shorter: what would be mapped beyond its end must not be touched."""
    if not os.pread(source_fd, 1, size_bytes - 1):
        raise ValueError("the file is shorter than it is said to be")
    return memoryview(mmap.mmap(source_fd, size_bytes, prot=mmap.PROT_READ))


def _load_codecs(max_pixels: int) -> None:
    from bshm_watchd.matting import decoding

    decoding.open_cv(max_pixels)
    warnings.simplefilter("ignore")  # about damaged metadata, which is no reason to refuse or to speak


if __name__ == "__main__":
    main(sys.argv[1:], walls())
