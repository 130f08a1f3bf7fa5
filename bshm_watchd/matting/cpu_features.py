"""What the kernel tells of the CPU in `/proc/cpuinfo`: of its first core, which are all alike."""

from __future__ import annotations

import re
from pathlib import Path

BF16 = ("amx_bf16", "avx512_bf16", "bf16")  # instructions of their own for bf16, the best first


def cpuinfo() -> str:
    """All that it tells."""
    return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")


def flags(told: str) -> set[str]:
    """In the kernel's spelling: `avx512_bf16`; empty where it tells none."""
    found = re.search(r"^(?:flags|Features)\s*: (.*)$", told, re.MULTILINE)
    return set(found[1].split()) if found else set()
