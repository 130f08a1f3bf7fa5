"""How many cores a program can use at most here."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

_MOUNT, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


def usable_cores(mount: Path = _MOUNT, own: Path = _OWN) -> int:
    """Those that it may run on, and no more than its control groups (version 2) give it time for, rounded up."""
    return min([len(os.sched_getaffinity(0)), *map(math.ceil, _quotas(mount, own))])


def _quotas(mount: Path, own: Path) -> Iterator[float]:
    """In cores, above 0: of its own group, and of each that this one lies in; none where nothing is limited or told."""
    with contextlib.suppress(OSError):
        for line in own.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            if line.startswith("0::/"):
                group = mount / line.removeprefix("0::/")
                yield from _quotas_of([group, *(above for above in group.parents if above.is_relative_to(mount))])


def _quotas_of(groups: list[Path]) -> Iterator[float]:
    for group in groups:
        with contextlib.suppress(OSError, ValueError):
            quota, period = map(int, (group / "cpu.max").read_text().split())  # "max 100000" where there is none
            yield quota / period
