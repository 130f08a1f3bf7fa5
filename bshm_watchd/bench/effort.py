"""How much is done to measure speed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """`photos`: in a burst; `rounds`: bursts; `lone`: photos by themselves; `cold`: starts; `alone`: photos whose
    stages are measured. None of them counts what is done first and not counted. Fewer than five of a kind on each
    side can't be told from chance by a comparison, however far they are apart."""

    photos: int = 20
    rounds: int = 6
    lone: int = 20
    cold: int = 5
    alone: int = 7


BY_DEFAULT = Effort()
