"""What the CPU knows, as the kernel tells it."""

from __future__ import annotations

import re
from pathlib import Path


def features(cpuinfo: Path = Path("/proc/cpuinfo")) -> set[str]:
    """The flags of the first core, in the kernel's spelling: `avx512_bf16`."""
    told = cpuinfo.read_text(encoding="utf-8", errors="replace")
    found = re.search(r"^(?:flags|Features)\s*: (.*)$", told, re.MULTILINE)
    return set(found[1].split()) if found else set()
