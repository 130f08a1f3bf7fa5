"""How the C library keeps memory that was freed: for the next photo, instead of giving it back to the kernel.

A photo's arrays are some megabytes each. By default each goes back when it is freed, and the kernel clears new pages
for the next one, which cost a tenth of all CPU time beside the model. Larger arrays still go back at once, and so does
what is free above a bound, so that the memory of a large shoot is not kept.
"""

from __future__ import annotations

import ctypes

# From malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_KEPT_BYTES = 256 << 20
_LARGE_BYTES = 32 << 20  # the most that the C library takes for it
_HEAPS = 2  # with one for each thread, each would keep as much


def keep_freed_memory() -> bool:
    """For this process, from now on. False where the C library has no such settings (it is not the GNU one)."""
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is None:
        return False
    wanted = ((_M_ARENA_MAX, _HEAPS), (_M_MMAP_THRESHOLD, _LARGE_BYTES), (_M_TRIM_THRESHOLD, _KEPT_BYTES))
    answers = [set_option(option, value) for option, value in wanted]
    return all(answers)
