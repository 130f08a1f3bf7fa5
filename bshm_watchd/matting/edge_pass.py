"""How `edges.py` finds the edges of a coarse alpha in the photo, as `bundle.yaml` says it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class EdgePass(BaseModel):
    """Lengths are pixels of the working copy: the photo, made smaller where its longest side exceeds `longest_side`.

    `sure_below`, `sure_above`: alpha (0 to 1) that is certainly background, certainly person. `widened`: how far the
    uncertain band reaches into both. `radius`, `epsilon`: windows in which alpha follows colour, and how much colour
    must change to count (variance, of colours from 0 to 1). `trust`: pull towards the coarse alpha. `rounds` of the
    solver. `sharpened`: this much at both ends of the solved alpha becomes 0 and 1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    longest_side: int = Field(960, ge=64, le=4096)
    sure_below: float = Field(0.02, ge=0, lt=0.5)
    sure_above: float = Field(0.98, gt=0.5, le=1)
    widened: int = Field(2, ge=0, le=64)
    radius: int = Field(5, ge=1, le=32)
    epsilon: float = Field(1e-4, ge=5e-5, le=1)
    trust: float = Field(0.03, gt=0, le=10)
    rounds: int = Field(3, ge=1, le=100)
    sharpened: float = Field(0.08, ge=0, lt=0.5)
