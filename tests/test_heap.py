"""Freed memory is kept for the next photo: asked of a process of its own, since it is that process's for good."""

from __future__ import annotations

import subprocess
import sys

_FAULTS_A_ROUND = """
import resource
import numpy as np
from bshm_watchd.heap import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def work():
    for _ in range(20):
        np.zeros(8 << 20, np.uint8)[:] = 1
        np.ones(6 << 20, np.uint8)

if {kept}:
    assert keep_freed_memory()
work()
before = faults()
work()
print(faults() - before)
"""


def _faults(*, kept: bool) -> int:
    # Small pages: how many large ones the kernel happens to have is not what is asked.
    program = "import ctypes; ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)\n" + _FAULTS_A_ROUND.format(kept=kept)
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)


def test_memory_that_was_freed_is_used_again_without_the_kernel() -> None:
    assert _faults(kept=True) < 100 < _faults(kept=False)
