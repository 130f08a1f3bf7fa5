"""The processor, and which precisions it makes fast."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from bshm_watchd.cli.findings import Finding, note, ok
from bshm_watchd.matting.cpu_features import BF16, flags

# What decides how fast a network runs on a CPU, in the kernel's spelling.
_FEATURES = (
    *("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8", "amx_bf16"),
    *("asimddp", "i8mm", "bf16", "sve"),
)
_INT8 = ("amx_int8", "avx512_vnni", "avx_vnni", "i8mm", "asimddp")


@dataclass(frozen=True, slots=True)
class Processor:
    """`cores`: that this process may use, of `cores_of_machine`; `features`: those that matter here."""

    name: str
    cores: int
    cores_of_machine: int
    features: tuple[str, ...]

    @property
    def fast(self) -> dict[str, str]:
        """The precisions that it has instructions of their own for, each with the best of these."""
        found: dict[str, str] = {}
        for feature in reversed(_INT8):
            if feature in self.features:
                found["int8"] = feature
        for feature in reversed(BF16):
            if feature in self.features:
                found["bf16"] = feature
        return found

    def findings(self) -> list[Finding]:
        told = ", ".join(self.features) or f"none of {', '.join(_FEATURES)}"
        cores = f"{self.cores} of {self.cores_of_machine} cores for us"
        if self.cores == self.cores_of_machine:
            cores = f"{self.cores} cores for us"
        return [ok("cpu", f"{self.name}, {cores}; {told}"), self._fast_finding()]

    def _fast_finding(self) -> Finding:
        told = [f"{precision} ({feature})" for precision, feature in self.fast.items()]
        if told:
            return ok("fast precisions", f"{', '.join(told)}; f32 always")
        return note("fast precisions", "f32 alone: this CPU has no instructions of their own for bf16 or int8")


def processor(told: str, cores: int | None = None, cores_of_machine: int | None = None) -> Processor:
    """Of what /proc/cpuinfo tells; the numbers of cores are those here where they are not given."""
    model = re.search(r"^model name\s*: (.*)$", told, re.MULTILINE)
    known = flags(told)
    usable = cores or len(os.sched_getaffinity(0))
    features = tuple(feature for feature in _FEATURES if feature in known)
    return Processor(model[1] if model else "unknown", usable, cores_of_machine or os.cpu_count() or usable, features)
