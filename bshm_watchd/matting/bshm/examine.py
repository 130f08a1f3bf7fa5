"""What a graph really does, found out by giving it pictures: value range, channel order, where alpha is, batches.

The file says none of it, and a wrong guess gives mattes that are wrong without an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import cv2
import numpy as np

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bshm.compute import picture_function
from bshm_watchd.matting.bshm.graph import operation_name
from bshm_watchd.matting.bshm.reading import fed, plane
from bshm_watchd.matting.bshm.rebind import ALPHAS, BATCH, rebound, ways
from bshm_watchd.matting.manifest import PictureInput, PictureOutput
from bshm_watchd.matting.quiet_tensorflow import tensorflow

if TYPE_CHECKING:
    import numpy.typing as npt

    from bshm_watchd.matting.bshm.graph import Graph
    from bshm_watchd.matting.photo import Alpha, Pixels

    Values = npt.NDArray[np.float32]
    Network = Callable[[Values], Values]
    """float32 height x width x 3 to whatever the network answers."""

SAME = 1e-4  # of alpha, 0 to 1: single and batched answers may differ by this
CLEARLY = 0.02  # mean difference of alpha by which another reading must be nearer to be believed
PLAUSIBLE = 0.1  # mean difference of alpha from the known matte above which the network did not see the person
_ALPHA_CHANNELS = {4: 3, 1: 0}
_WHITES: tuple[Literal[1, 255], ...] = (255, 1)
_ORDERS: tuple[Literal["rgb", "bgr"], ...] = ("rgb", "bgr")
_TELLING = 0.05  # least spread of alpha within a picture that says anything about channels and ranges
_SEEN_SIDE = 192
_MORE_THAN_ONE = 1.5  # a largest alpha that only a range up to 255 explains
_SIZES = ((96, 160), (160, 96))


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read the network; `difference`: mean absolute difference of alpha from the known matte, 0 to 1."""

    input: PictureInput
    output: PictureOutput
    difference: float

    def alpha(self, network: Network, pixels: Pixels) -> Values:
        """float32, height x width, about 0 to 1."""
        return plane(network(fed(pixels, self.input)), self.output.channel) / np.float32(self.output.opaque)


@dataclass(frozen=True, slots=True)
class BatchFound:
    """A graph for batches, and how far its answers are from those of single calls (largest difference of alpha)."""

    graph: Graph
    channel: int
    opaque: Literal[1, 255]
    difference: float


def read(network: Network, tensors: tuple[str, str], pixels: Pixels, matte: Alpha, path: Path) -> list[Reading]:
    """All four ways to feed it, the believed one first: RGB from 0 to 255, unless another is clearly nearer
    and finds the person (what is fed wrongly often finds nobody, which may be nearer than a poor matte).

    `tensors`: names of input and output. Raises `ConfigError` where its answer is no alpha of the picture's size.
    """
    readings = [
        _read_as(network, PictureInput(tensor=tensors[0], channels=order, white=white), tensors[1], pixels, matte, path)
        for white in _WHITES
        for order in _ORDERS
    ]
    nearest = min(readings, key=lambda reading: reading.difference)
    clearly = readings[0].difference - nearest.difference > CLEARLY and nearest.difference <= PLAUSIBLE
    believed = nearest if clearly else readings[0]
    return [believed, *(reading for reading in readings if reading is not believed)]


def _read_as(network: Network, rule: PictureInput, output: str, pixels: Pixels, matte: Alpha, path: Path) -> Reading:
    answer = network(fed(pixels, rule))
    channel = alpha_channel(answer.shape, pixels.shape, path)
    values = plane(answer, channel)
    opaque: Literal[1, 255] = 255 if float(np.nanmax(values)) > _MORE_THAN_ONE else 1
    difference = float(np.abs(np.clip(values / opaque, 0, 1) - matte.astype(np.float32) / 255).mean())
    found = PictureOutput(tensor=output, channel=channel, opaque=opaque)
    return Reading(rule, found, difference if np.isfinite(difference) else 1.0)


def alpha_channel(answer: Sequence[int], picture: Sequence[int], path: Path) -> int | None:
    """Which channel of an answer of this shape is alpha. Raises `ConfigError` where it is no matte of the picture."""
    shape = tuple(answer)
    while len(shape) > 2 and shape[0] == 1 != picture[0]:
        shape = shape[1:]
    if shape[:2] == tuple(picture[:2]):
        if len(shape) == 2:
            return None
        if len(shape) == 3 and shape[2] in _ALPHA_CHANNELS:
            return _ALPHA_CHANNELS[shape[2]]
    raise ConfigError(
        [
            f"{path}: for a picture of {' x '.join(map(str, picture))} it answers with {' x '.join(map(str, answer))}: "
            "wanted are height x width x 4 (RGBA), x 1, or height x width; name another output with --output"
        ]
    )


def batched(graph: Graph, reading: Reading, single: Network, portrait: Pixels, path: Path) -> BatchFound | str:
    """The graph bound to a batch, its answers compared with single ones; else why it can't be had.

    Of several channels and ranges that are near enough the nearest is taken.
    """
    shown = [*(_noise(*size) for size in _SIZES), _seen(portrait)]
    expected = [[reading.alpha(single, pixels) for pixels in pictures] for pictures in shown]
    if max(float(np.ptp(alpha)) for alphas in expected for alpha in alphas) < _TELLING:
        return "its alpha is the same all over every picture that was shown, so nothing can be compared"
    nearest = "the graph makes no batch of its picture that could be found"
    for graph_of_batch in _candidates(graph, reading):
        try:
            network = picture_function(graph_of_batch, BATCH, ALPHAS, path)
            answers = [network(fed(pictures, reading.input)) for pictures in shown]
        except (ConfigError, ValueError, tensorflow().errors.OpError) as error:  # the next one may do
            nearest = f"bound to a batch it can't be run: {str(error).strip().partition(chr(10))[0]}"
            continue
        found = min(_compared(answers, expected), key=lambda one: one[2], default=(0, _WHITES[0], 1.0))
        if found[2] <= SAME:
            return BatchFound(graph_of_batch, *found)
        nearest = f"bound to a batch its alpha differs by {found[2]:.2g} from single calls, {SAME:g} are allowed"
    return nearest


def _candidates(graph: Graph, reading: Reading) -> Iterator[Graph]:
    start, end = operation_name(reading.input.tensor), operation_name(reading.output.tensor)
    for way in ways(graph, start, end):
        try:
            yield rebound(graph, start, way)
        except (ValueError, KeyError, IndexError):  # it does not fit this graph: the next one may
            continue


def _compared(answers: list[Values], expected: list[list[Values]]) -> Iterator[tuple[int, Literal[1, 255], float]]:
    """Every channel as alpha, in both ranges: the largest difference over all pictures, 0 to 1."""
    if any(answer.ndim != 4 or len(answer) != len(alphas) for answer, alphas in zip(answers, expected, strict=True)):
        return
    for channel in range(min(answers[0].shape[3], 4)):
        for opaque in _WHITES:
            differences = [
                float(np.abs(answer[..., channel] / opaque - np.stack(alphas)).max())
                if answer.shape[1:3] == alphas[0].shape
                else 1.0
                for answer, alphas in zip(answers, expected, strict=True)
            ]
            largest = float(np.max(differences))
            yield channel, opaque, largest if np.isfinite(largest) else 1.0


def _noise(height: int, width: int) -> Any:
    """Three pictures of many colours, a dark, a bright and a mixed one, so that a batch that averages them shows.

    uint8, 3 x height x width x 3.
    """
    random = np.random.default_rng(height)
    kinds = ((0, 60), (190, 250), (0, 256))
    return np.stack([random.integers(*kind, (height, width, 3)) for kind in kinds]).astype(np.uint8)


def _seen(portrait: Pixels) -> Any:
    """The portrait, mirrored as well, and noise beside it: uint8, 3 x side x side x 3."""
    small = cv2.resize(portrait, (_SEEN_SIDE, _SEEN_SIDE), interpolation=cv2.INTER_AREA)
    return np.stack([small, small[:, ::-1], _noise(_SEEN_SIDE, _SEEN_SIDE)[2]])
