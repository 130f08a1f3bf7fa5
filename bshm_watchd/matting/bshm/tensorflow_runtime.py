"""BSHM's graph on TensorFlow, on a GPU or a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bshm_watchd import logs
from bshm_watchd.errors import ConfigError, RuntimeBroken
from bshm_watchd.matting.bshm.compute import Computation, Place, computation
from bshm_watchd.matting.quiet_tensorflow import tensorflow
from bshm_watchd.matting.runtime import MattingFailed, OutOfMemory

if TYPE_CHECKING:
    from pathlib import Path

    from bshm_watchd.matting.buckets import Size
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.manifest import BshmModel
    from bshm_watchd.matting.photo import Alpha, Pixels

Opening = Callable[["BshmModel", "Path", Place], Computation]
"""Makes TensorFlow compute a bundle's model, of files in this directory, in this place."""


class TensorFlowRuntime:
    """On a GPU batches up to `max_batch`; on a CPU they gain nothing, and every picture is computed by itself.

    TensorFlow shares one pool of threads, so one call at a time has all of it: `streams` is 1.
    """

    def __init__(
        self, bundle: Bundle, model: BshmModel, place: Place, max_batch: int = 1, opening: Opening = computation
    ) -> None:
        self._bundle = bundle
        self._model = model
        self._place = place
        self._max_batch = max_batch if place.gpu and model.batch else 1
        self._opening = opening
        self._computation: Computation | None = None
        self._warm: dict[Size, int] = {}  # the largest batch that was tried at each size

    def __repr__(self) -> str:
        where = "GPU" if self._place.gpu else f"{self._place.threads} threads"
        return f"<TensorFlowRuntime {self._model.file} {self._place.precision} {where}, batches of {self._max_batch}>"

    @property
    def streams(self) -> int:
        return 1

    @property
    def max_batch(self) -> int:
        return self._max_batch

    @property
    def traces(self) -> int:
        """How often the graph was built; 1 once it is started, and ever after."""
        return self._computation.traces if self._computation else 0

    @property
    def device_peak_bytes(self) -> int | None:
        """The most that was taken of the GPU's memory so far; None on a CPU."""
        if not self._place.gpu:
            return None
        return int(tensorflow().config.experimental.get_memory_info("GPU:0")["peak"])

    def largest_batch(self, size: Size) -> int:
        """How many pictures of this size one call is given; once started, what the device has memory for."""
        return self._warm.get(size, self._max_batch)

    def start(self) -> None:
        self._bundle.refuse_damage()
        if self._place.gpu and self._model.batch is None:
            logs.warning("this model takes one picture a call: no batches are made", bundle=self._bundle.manifest.name)
        self._computation = self._opening(self._model, self._bundle.directory, self._place)
        for size in self._bundle.manifest.working_size.every:
            self._warm[size] = self._warmed_up(size)
        if self._place.gpu and "GPU" not in self._computation.computed_on:
            where = self._computation.computed_on
            raise RuntimeBroken(f"TensorFlow computed {self._model.file} on {where}, not on the GPU that was chosen")

    def _warmed_up(self, size: Size) -> int:
        """The largest batch of this size that the device has memory for, all smaller ones being warm then."""
        largest = 0
        for count in _counts(self._max_batch):
            black = [np.zeros((*size, 3), np.uint8)] * count
            try:
                self._run(black)
            except OutOfMemory as error:
                if largest == 0:
                    raise ConfigError([_does_not_fit(size, error)]) from error
                logs.warning("the device's memory limits the batch", height=size[0], width=size[1], batch=largest)
                break
            except MattingFailed as error:
                raise ConfigError([f"{error}; import it again with a larger --stride"]) from error
            largest = count
        return largest

    def infer(self, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
        size = batch[0].shape[0], batch[0].shape[1]
        answers: list[Alpha | Exception] = []
        for part in _parts(batch, self.largest_batch(size)):
            answers += self._run(part)
        return answers

    def close(self) -> None:
        self._computation = None

    def _run(self, pictures: Sequence[Pixels]) -> list[Alpha | Exception]:
        computation = self._computation
        if computation is None:
            raise RuntimeBroken("the runtime is closed")
        errors = tensorflow().errors
        try:
            alphas, finite = computation.alphas(np.stack(pictures))
        except errors.ResourceExhaustedError as error:
            raise OutOfMemory(f"{len(pictures)} pictures of {pictures[0].shape[1]} x {pictures[0].shape[0]}") from error
        except errors.InvalidArgumentError as error:
            raise MattingFailed(f"{self._model.file} cannot take a picture of this size: {error.message}") from error
        except errors.OpError as error:
            raise RuntimeBroken(f"TensorFlow cannot run {self._model.file}: {error.message}") from error
        return [_answer(alpha, is_finite) for alpha, is_finite in zip(alphas, finite, strict=True)]


def _answer(alpha: Alpha, finite: bool) -> Alpha | MattingFailed:
    return alpha if finite else MattingFailed("the model answered with values that are no numbers")


def _counts(max_batch: int) -> Iterator[int]:
    """1, 2, 4 ... and the largest: what is warmed up, and all that is ever run."""
    count = 1
    while count < max_batch:
        yield count
        count *= 2
    yield max_batch


def _parts(batch: Sequence[Pixels], largest: int) -> Iterator[Sequence[Pixels]]:
    """The batch in pieces of the sizes that are warm, largest first."""
    left = batch
    for count in sorted(_counts(largest), reverse=True):
        while len(left) >= count:
            yield left[:count]
            left = left[count:]


def _does_not_fit(size: Size, error: OutOfMemory) -> str:
    return (
        f"the device has no memory for one picture of {size[1]} x {size[0]} ({error}); lower model.working_side, "
        "raise model.memory_limit_mib, or end what else uses the GPU"
    )
