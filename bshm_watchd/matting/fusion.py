"""One alpha from those of several networks that looked at the same picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from bshm_watchd.matting.fusion_rule import FusionRule
    from bshm_watchd.matting.photo import Alpha

    Values = npt.NDArray[np.float32]


def fused(masks: Sequence[Alpha], rule: FusionRule) -> Alpha:
    """The masks, in the order of the bundle's parts and all of one height x width, as one alpha of that size.

    Log-odds add up what networks know as independent witnesses do: where two of them disagree, the surer one wins.
    """
    weights = rule.weights or (1.0,) * len(masks)
    odds = _log_odds(rule.doubt)
    total = np.zeros(masks[0].shape, np.float32)
    for mask, weight in zip(masks, weights, strict=True):
        total += odds[mask] * np.float32(weight / sum(weights))
    chance = 1 / (1 + np.exp(-total))
    stretched = np.clip((chance - rule.low) / (rule.high - rule.low), 0, 1)
    return np.asarray(np.round(stretched * 255), np.uint8)


@lru_cache(maxsize=8)
def _log_odds(doubt: float) -> Values:
    """Of each value of alpha, 0 to 255."""
    chance = np.clip(np.arange(256) / 255, doubt, 1 - doubt)
    odds: Values = np.log(chance / (1 - chance)).astype(np.float32)
    odds.setflags(write=False)
    return odds
