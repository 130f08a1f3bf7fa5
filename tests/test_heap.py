"""Freed memory is kept for the next photo: asked of a process of its own, since it is that process's for good."""

from __future__ import annotations

import json
import subprocess
import sys

_ASKED = """
import ctypes, json
from bshm_watchd.heap import keep_freed_memory

MIB = 1 << 20
names = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in names]

libc = ctypes.CDLL(None)
libc.mallinfo2.restype = Info
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]

def mapped_and_kept(mib, count):
    "Blocks that the kernel gave on their own, and MiB that are kept at the heap's end once all are freed."
    before = libc.mallinfo2().hblks
    blocks = [libc.malloc(mib * MIB) for _ in range(count)]
    mapped = libc.mallinfo2().hblks - before
    for block in reversed(blocks):
        libc.free(block)
    return mapped, libc.mallinfo2().keepcost // MIB

taken = keep_freed_memory()
print(json.dumps([taken, mapped_and_kept(8, 12), mapped_and_kept(300, 1), mapped_and_kept(30, 20)]))
"""


def test_a_photos_arrays_are_kept_and_larger_ones_and_large_shoots_go_back() -> None:
    said = subprocess.run([sys.executable, "-c", _ASKED], capture_output=True, text=True, check=True).stdout
    taken, arrays, large, shoot = json.loads(said)
    assert taken
    assert arrays[0] == 0
    assert arrays[1] >= 12 * 8
    assert large[0] == 1
    assert shoot[0] == 0
    assert shoot[1] < 256
