"""Whether two rows of samples differ by more than chance: permutation tests, which assume no distribution. Pure.

Both ask the same: if nothing had changed, and only chance had dealt the samples out as they are, how often would it
have dealt them out at least as unevenly? E. J. G. Pitman, Significance tests which may be applied to samples from any
populations, JRSS Supplement 4 (1937). Where there are too many ways to try them all, a fixed number of random ones is
tried, and the ways that were dealt counts among them, so that p is never 0: B. Phipson and G. K. Smyth, Permutation
p-values should never be zero, Stat. Appl. Genet. Mol. Biol. 9 (2010), p = (hits + 1) / (tries + 1).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_EVERY = 20_000  # so many ways are all tried
_TRIES = 20_000  # of more ways
_BLOCKS = 20  # so that a few hundred samples take megabytes
_ALIKE = 1e-9  # what rounding makes of two equal sums, relative to the largest


def ranks_differ(old: Sequence[float], new: Sequence[float]) -> float:
    """p of the rank sum, two-sided: unpaired samples, such as the rounds of two measurements.

    F. Wilcoxon, Biometrics Bulletin 1 (1945), H. B. Mann and D. R. Whitney, Ann. Math. Stat. 18 (1947), with middle
    ranks for equal samples. One slow outlier counts as one rank. Raises `ValueError` where either has no samples.
    """
    if not old or not new:
        raise ValueError("no samples to compare")
    ranks = _middle_ranks(np.array([*old, *new], np.float64))
    expected = len(old) * ranks.mean()
    found = abs(ranks[: len(old)].sum() - expected)
    sums = _sums_of_ways(ranks, len(old))
    return _share(np.abs(sums - expected), found, _ways_to_deal(len(old), len(new)))


def pairs_differ(differences: Sequence[float]) -> float:
    """p of their sum, two-sided: paired samples, such as one picture's errors in two measurements.

    Each difference might as well have had the other sign: R. A. Fisher, The Design of Experiments (1935), section 21.
    Raises `ValueError` where there are none.
    """
    if not differences:
        raise ValueError("no pairs to compare")
    found = np.array(differences, np.float64)
    sums = _signs(len(found)) @ found
    return _share(np.abs(sums), abs(found.sum()), 1 << len(found))


def least_p_of_ranks(old: int, new: int) -> float:
    """The smallest that `ranks_differ` can give for so many samples, none of them equal."""
    return _least(2, _ways_to_deal(old, new))


def least_p_of_pairs(count: int) -> float:
    """The smallest that `pairs_differ` can give."""
    return _least(2, 1 << count)


def _ways_to_deal(old: int, new: int) -> int:
    return math.comb(old + new, old)


def _least(extremes: int, ways: int) -> float:
    return min(1.0, extremes / ways) if ways <= _EVERY else 1 / (_TRIES + 1)


def _share(found: Floats, as_dealt: float, ways: int) -> float:
    """Of the ways that are at least as uneven."""
    tolerance = _ALIKE * max(1.0, float(np.max(found, initial=0.0))) if as_dealt else 0.0
    hits = int((found >= as_dealt - tolerance).sum())
    return hits / len(found) if ways <= _EVERY else (hits + 1) / (len(found) + 1)


def _sums_of_ways(ranks: Floats, count: int) -> Floats:
    """The sum of the first `count` ranks, dealt in every way, or in random ones."""
    if _ways_to_deal(count, len(ranks) - count) <= _EVERY:
        ways = np.array(list(itertools.combinations(range(len(ranks)), count)))
        every: Floats = ranks[ways].sum(axis=1)
        return every
    chance = np.random.default_rng(0)  # the same files give the same answer
    rows = np.tile(ranks, (_TRIES // _BLOCKS, 1))
    return np.concatenate([chance.permuted(rows, axis=1)[:, :count].sum(axis=1) for _ in range(_BLOCKS)])


def _signs(count: int) -> Floats:
    """Rows of +1 and -1: every one, or random ones."""
    if 1 << count <= _EVERY:
        return np.array(list(itertools.product((1.0, -1.0), repeat=count)))
    signs: Floats = np.random.default_rng(0).choice((1.0, -1.0), (_TRIES, count))
    return signs


def _middle_ranks(values: Floats) -> Floats:
    """1 for the smallest; equal ones share the mean of their ranks."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    middle: Floats = (last - (count - 1) / 2)[place]
    return middle
