"""What a process and all that it started take: CPU time and memory, by /proc."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from bshm_watchd.clock import cpu_seconds

_PROC = Path("/proc")
_RESET_PEAK = "5"  # proc_pid_clear_refs(5)
_PARENT, _WAITED_USER, _WAITED_SYSTEM = 1, 13, 14  # fields of proc_pid_stat(5) after the name, from 0


def family(pid: int) -> list[int]:
    """The process and all that descends from it, itself first."""
    children: dict[int, list[int]] = {}
    for other, parent in _parents():
        children.setdefault(parent, []).append(other)
    found = [pid]
    for one in found:  # which grows meanwhile
        found += children.get(one, [])
    return found


def family_cpu_seconds(pid: int) -> float:
    """CPU time of the process, of its children that it has waited for, and of all that descend from it now.

    Between two calls nothing is lost but what a grandchild took that ended. Raises `OSError` where the process is gone.
    """
    total = cpu_seconds(pid) + _waited_seconds(pid)
    for other in family(pid)[1:]:
        with contextlib.suppress(OSError):  # it has just ended
            total += cpu_seconds(other)
    return total


def family_peak_mib(pid: int) -> float:
    """The sum of each one's most resident memory; what they share counts in each of them.

    Since `reset_peaks`, or since their start where that was not allowed. Raises `OSError` where the process is gone.
    """
    peaks = [_peak_mib(pid)]
    for other in family(pid)[1:]:
        with contextlib.suppress(OSError):
            peaks.append(_peak_mib(other))
    return sum(peaks)


def reset_peaks(pid: int) -> None:
    """Forget what was the most so far. Decode children let nobody do that: theirs is of their whole life."""
    for other in family(pid):
        with contextlib.suppress(OSError):
            (_PROC / str(other) / "clear_refs").write_text(_RESET_PEAK, encoding="ascii")


def _parents() -> Iterator[tuple[int, int]]:
    """Every process with its parent."""
    for name in os.listdir(_PROC):
        if name.isdigit():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                yield int(name), int(_stat(int(name))[_PARENT])


def _stat(pid: int) -> list[str]:
    """What comes after the name, which may hold anything."""
    return (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _waited_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[_WAITED_USER]) + int(fields[_WAITED_SYSTEM])) / os.sysconf("SC_CLK_TCK")


def _peak_mib(pid: int) -> float:
    """0 for one that has ended and was not waited for yet."""
    for line in (_PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0
