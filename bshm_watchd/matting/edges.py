"""The edge pass: alpha of a network's few pixels, solved anew where it is uncertain and carried to the photo's size.

In a small window the alpha of a photo is nearly a linear function of its colours (Levin, Lischinski, Weiss: A closed
form solution to natural image matting, PAMI 2008). The pass looks for the alpha that is so in every window, equals the
coarse one where that is sure, and stays near it elsewhere. With larger windows few rounds are enough, and the matting
Laplacian times a vector is what a guided filter leaves over (He, Sun, Tang: Fast matting using large kernel matting
Laplacian matrices, CVPR 2010): box filters, and no matrix. The windows' linear functions, applied to the photo itself,
then give alpha at full size (He, Sun: Fast guided filter, 2015).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from bshm_watchd.matting.scaling import enlarged

if TYPE_CHECKING:
    from bshm_watchd.matting.edge_pass import EdgePass
    from bshm_watchd.matting.photo import Alpha, Pixels

Plane = npt.NDArray[np.floating[Any]]
"""float32, height x width."""
Mask = npt.NDArray[np.bool_]
Box = tuple[slice, slice]

_TILE_PIXELS = 256
_TINY = 1e-12  # of a sum of squares: nothing is left to solve


def refined(pixels: Pixels, coarse: Alpha, rule: EdgePass) -> Alpha:
    """Alpha at the photo's size. `coarse`: alpha of any size, squeezed over the whole photo.

    Where the coarse alpha is sure the result is 0 or 255. The same arguments give the same alpha, on any thread. Takes
    at most 140 bytes a pixel of the working copy (130 MB with a longest side of 960) and 2 a pixel of the photo.
    """
    height, width = pixels.shape[:2]
    small = _working_copy(pixels, rule.longest_side)
    guess = enlarged(coarse, *small.shape[:2]).astype(np.float32) / 255
    band = _uncertain(guess, rule)
    solved = (guess > 0.5).astype(np.float32)
    if (box := _box_around(band, 2 * rule.radius + 1)) is None:
        return enlarged(_alpha(solved), height, width)
    windows = _Windows(small[box], rule.radius, rule.epsilon)
    solved[box] = _solved(windows, np.where(band, guess, solved)[box], band[box], rule)
    if small.shape == pixels.shape:
        return _alpha(solved)
    flat = enlarged(_alpha(solved), height, width)
    return _carried(pixels, flat, band, _functions(windows, solved[box], small.shape[:2], box))


def _working_copy(pixels: Pixels, longest_side: int) -> Pixels:
    height, width = pixels.shape[:2]
    scale = longest_side / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


# -- the uncertain band ------------------------------------------------------------------------------------


def _uncertain(guess: Plane, rule: EdgePass) -> Mask:
    """Neither sure background nor sure person, and everything near that."""
    reach = np.ones((2 * rule.widened + 1,) * 2, np.uint8)
    nobody = cv2.erode((guess <= rule.sure_below).astype(np.uint8), reach)
    person = cv2.erode((guess >= rule.sure_above).astype(np.uint8), reach)
    return np.asarray(cv2.max(nobody, person) == 0)


def _box_around(band: Mask, margin: int) -> Box | None:
    """The rectangle that holds the band and the windows it looks into; None where all is sure."""
    rows, columns = np.flatnonzero(band.any(axis=1)), np.flatnonzero(band.any(axis=0))
    if not len(rows):
        return None
    return _span(rows, margin), _span(columns, margin)


def _span(indices: npt.NDArray[np.intp], margin: int) -> slice:
    return slice(max(0, int(indices[0]) - margin), int(indices[-1]) + margin + 1)


# -- alpha as a linear function of colour, window by window ------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Linear:
    """alpha = red * R + green * G + blue * B + offset, colours from -0.5 to 0.5; one function a pixel."""

    red: Plane
    green: Plane
    blue: Plane
    offset: Plane


class _Windows:
    """The colours of a picture and their covariances in the window around each pixel."""

    def __init__(self, pixels: Pixels, radius: int, epsilon: float) -> None:
        self._size = (2 * radius + 1,) * 2
        # Around 0, so that single precision is enough for the covariances.
        self.colours = [pixels[..., channel].astype(np.float32) / 255 - np.float32(0.5) for channel in range(3)]
        self._means = [self._mean(colour) for colour in self.colours]
        self._inverse = _inverse(*self._covariances(epsilon))

    def fitted(self, alpha: Plane) -> _Linear:
        """For each window the function that is nearest to `alpha` in it, the mean of those of all windows over it."""
        mean = self._mean(alpha)
        r, g, b = (
            self._mean(colour * alpha) - its_mean * mean
            for colour, its_mean in zip(self.colours, self._means, strict=True)
        )
        rr, rg, rb, gg, gb, bb = self._inverse
        red, green, blue = rr * r + rg * g + rb * b, rg * r + gg * g + gb * b, rb * r + gb * g + bb * b
        offset = mean - red * self._means[0] - green * self._means[1] - blue * self._means[2]
        return _Linear(self._mean(red), self._mean(green), self._mean(blue), self._mean(offset))

    def filtered(self, alpha: Plane) -> Plane:
        fit, (r, g, b) = self.fitted(alpha), self.colours
        return fit.red * r + fit.green * g + fit.blue * b + fit.offset

    def _mean(self, plane: Plane) -> Plane:
        return np.asarray(cv2.blur(plane, self._size, borderType=cv2.BORDER_REFLECT), np.float32)

    def _covariances(self, epsilon: float) -> Iterator[Plane]:
        """rr, rg, rb, gg, gb, bb; with epsilon on the diagonal, which makes each window solvable."""
        for one in range(3):
            for other in range(one, 3):
                product = self._mean(self.colours[one] * self.colours[other])
                yield product - self._means[one] * self._means[other] + np.float32(epsilon if one == other else 0)


def _inverse(rr: Plane, rg: Plane, rb: Plane, gg: Plane, gb: Plane, bb: Plane) -> tuple[Plane, ...]:
    """Of the symmetric 3 x 3 matrix at each pixel, in the same order."""
    first, second, third = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    scale = 1 / (rr * first + rg * second + rb * third)
    rest = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    return tuple(plane * scale for plane in (first, second, third, *rest))


# -- solving -----------------------------------------------------------------------------------------------


def _solved(windows: _Windows, guess: Plane, band: Mask, rule: EdgePass) -> Plane:
    """Conjugate gradients from the guess, in the band only: (1 - filter + trust) alpha = trust * guess."""
    inside, alpha = band.astype(np.float32), guess.copy()
    rest = (windows.filtered(alpha) - alpha) * inside
    direction, left = rest, _squared(rest)
    for _ in range(rule.rounds):
        if left < _TINY:
            break
        pushed = (direction * np.float32(1 + rule.trust) - windows.filtered(direction)) * inside
        step = np.float32(left / max(float((direction * pushed).sum()), _TINY))
        alpha += step * direction
        rest = rest - step * pushed
        left, before = _squared(rest), left
        direction = rest + np.float32(left / before) * direction
    sharp = (alpha - rule.sharpened) / (1 - 2 * rule.sharpened)
    return np.where(band, np.clip(sharp, 0, 1), guess).astype(np.float32)


def _squared(plane: Plane) -> float:
    return float((plane * plane).sum())


def _alpha(values: Plane) -> Alpha:
    return np.asarray(np.round(values * 255), np.uint8)


# -- to the photo's size -----------------------------------------------------------------------------------


def _functions(windows: _Windows, solved: Plane, shape: tuple[int, ...], box: Box) -> Plane:
    """height x width x 4 of the working copy: what makes alpha of the photo's colours. Only filled inside the box."""
    fit = windows.fitted(solved)
    planes = np.zeros((*shape, 4), np.float32)
    planes[box] = np.dstack([fit.red / 255, fit.green / 255, fit.blue / 255, fit.offset - _half(fit)])
    return planes


def _half(fit: _Linear) -> Plane:
    """So that the functions take colours from 0 to 255."""
    return (fit.red + fit.green + fit.blue) * np.float32(0.5)


def _carried(pixels: Pixels, flat: Alpha, band: Mask, functions: Plane) -> Alpha:
    """`flat` with the band's functions applied to the photo's own colours; changed in place and returned.

    The band fades out over a pixel of the working copy, else its steps would show in a photo many times larger.
    """
    height, width = flat.shape
    opaque = np.where(band, np.uint8(255), np.uint8(0))
    near = np.asarray(cv2.resize(opaque, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
    for tile in _tiles(height, width):
        if (share := near[tile]).any():
            alpha = _applied(functions, pixels[tile], tile, height, width)
            flat[tile] = _faded(alpha, flat[tile], share)
    return flat


def _faded(alpha: Alpha, flat: Alpha, share: Alpha) -> Alpha:
    """`alpha` where the share is 255, `flat` where it is 0."""
    mixed = alpha.astype(np.uint16) * share + flat.astype(np.uint16) * (255 - share)
    return np.asarray((mixed + 127) // 255, np.uint8)


def _tiles(height: int, width: int) -> Iterator[Box]:
    for top in range(0, height, _TILE_PIXELS):
        for left in range(0, width, _TILE_PIXELS):
            yield (
                slice(top, min(height, top + _TILE_PIXELS)),
                slice(left, min(width, left + _TILE_PIXELS)),
            )


def _applied(functions: Plane, colours: Pixels, tile: Box, height: int, width: int) -> Alpha:
    """The functions, interpolated to the pixels of this tile of a photo of height x width, on its colours."""
    across, down = functions.shape[1] / width, functions.shape[0] / height
    top, left = tile[0].start, tile[1].start
    # Centres on centres, as cv2.resize does it.
    where = np.array(
        [[across, 0, (left + 0.5) * across - 0.5], [0, down, (top + 0.5) * down - 0.5]],
    )
    here = cv2.warpAffine(
        functions,
        where,
        (colours.shape[1], colours.shape[0]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    alpha = here[..., 3]
    for channel in range(3):
        alpha = alpha + here[..., channel] * colours[..., channel]
    return _alpha(np.clip(alpha, 0, 1))
