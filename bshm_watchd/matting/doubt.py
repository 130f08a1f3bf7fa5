"""Is a matte one that somebody should look at? Pure; the results are published all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from bshm_watchd.jobs import Problem

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha

_LEAST_COVERAGE = 0.005
_SMALL_SIDE = 320
_PERSON = 128
_PIECE = 0.1  # a part with less than this of the largest is a piece, not a person
_MOST_IN_PIECES = 0.15
_CLEAR, _SOLID = 25, 230  # alpha up to the one and from the other on is decided
_MOST_UNDECIDED = 0.18

_LOOK = "look at the result; if it is wrong, cut this photo by hand, or with another model"


def doubt(alpha: Alpha) -> Problem | None:
    """None for a matte that looks like people. Otherwise `empty`, `fragmented` or `undecided`, with its figures.

    Measured on composed groups and single people: docs/models.md has what is caught and what is flagged for nothing.
    """
    coverage = cv2.mean(alpha)[0] / 255
    if coverage < _LEAST_COVERAGE:
        return Problem("empty", f"nobody was found: the matte covers {coverage:.2%} of the picture", _LOOK)
    small = _small(alpha)
    if (share := _share_in_pieces(small)) > _MOST_IN_PIECES:
        return Problem("fragmented", f"the matte lies in pieces: {share:.0%} of it in small ones", _LOOK)
    if (share := _share_undecided(small)) > _MOST_UNDECIDED:
        return Problem("undecided", f"{share:.0%} of the matte is neither person nor background", _LOOK)
    return None


def _share_in_pieces(alpha: Alpha) -> float:
    """The share of the person's pixels in connected parts that are too small to be somebody."""
    _, _, statistics, _ = cv2.connectedComponentsWithStats((alpha >= _PERSON).astype(np.uint8))
    areas = statistics[1:, cv2.CC_STAT_AREA]
    return float(areas[areas < _PIECE * areas.max(initial=0)].sum() / max(areas.sum(), 1))


def _share_undecided(alpha: Alpha) -> float:
    """The share of half-transparent areas, as wide as no edge is, in all that is not clear."""
    between = ((alpha > _CLEAR) & (alpha < _SOLID)).astype(np.uint8)
    areas = cv2.morphologyEx(between, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return int(np.count_nonzero(areas)) / max(int(np.count_nonzero(alpha > _CLEAR)), 1)


def _small(alpha: Alpha) -> Alpha:
    """Averaged to at most `_SMALL_SIDE` on its longer side.

    Of a large photo only every nth row and column is averaged: thousands of values for each pixel tell no more.
    """
    step = max(1, max(alpha.shape) // (4 * _SMALL_SIDE))
    sampled = np.ascontiguousarray(alpha[::step, ::step])
    height, width = sampled.shape
    scale = min(1.0, _SMALL_SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(sampled, size, interpolation=cv2.INTER_AREA), np.uint8)
