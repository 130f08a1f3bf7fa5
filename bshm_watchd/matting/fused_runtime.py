"""Several networks that look at the same picture, and one alpha made of what they say."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bshm_watchd.errors import RuntimeBroken
from bshm_watchd.matting.fusion import fused
from bshm_watchd.matting.scaling import enlarged, shrunk

if TYPE_CHECKING:
    from bshm_watchd.matting.fusion_rule import FusionRule
    from bshm_watchd.matting.photo import Alpha, Pixels
    from bshm_watchd.matting.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Part:
    """A runtime and the one size of picture that it takes; `mirrored`: it sees left and right swapped."""

    runtime: Runtime
    height: int
    width: int
    mirrored: bool = False

    def view(self, pixels: Pixels) -> Pixels:
        picture = shrunk(pixels, self.height, self.width)
        return np.ascontiguousarray(picture[:, ::-1]) if self.mirrored else picture

    def upright(self, answer: Alpha | Exception) -> Alpha | Exception:
        if isinstance(answer, Exception) or not self.mirrored:
            return answer
        return np.ascontiguousarray(answer[:, ::-1])


class FusedRuntime:
    """The parts look one after the other, so as many pictures are in work as the part with most streams can take.

    A picture that fails in one part fails alone; a part that is broken breaks the whole.
    """

    def __init__(self, parts: Sequence[Part], rule: FusionRule) -> None:
        self._parts = parts
        self._rule = rule

    def __repr__(self) -> str:
        return f"<FusedRuntime {' + '.join(repr(part.runtime).strip('<>') for part in self._parts)}>"

    @property
    def streams(self) -> int:
        return max(part.runtime.streams for part in self._parts)

    @property
    def max_batch(self) -> int:
        return max(part.runtime.max_batch for part in self._parts)

    def start(self) -> None:
        for part in self._parts:
            part.runtime.start()

    def infer(self, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
        by_part = [_looked(part, batch) for part in self._parts]
        return [self._fused(answers, pixels) for pixels, *answers in zip(batch, *by_part, strict=True)]

    def close(self) -> None:
        """In reverse, and all of them, whatever one of them says."""
        with ExitStack() as stack:
            for part in self._parts:
                stack.callback(part.runtime.close)

    def _fused(self, answers: Sequence[Alpha | Exception], pixels: Pixels) -> Alpha | Exception:
        height, width = pixels.shape[:2]
        masks = []
        for answer in answers:
            if isinstance(answer, Exception):
                return answer
            masks.append(enlarged(answer, height, width))
        return fused(masks, self._rule)


def _looked(part: Part, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
    """The part's answer to each picture, at the part's own size."""
    answers = part.runtime.infer([part.view(pixels) for pixels in batch])
    if len(answers) != len(batch):
        raise RuntimeBroken(f"{part.runtime!r} gave {len(answers)} answers for {len(batch)} pictures")
    return [part.upright(answer) for answer in answers]
