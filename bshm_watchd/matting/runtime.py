"""The seam to what computes alpha: a model on some library and device, or plain arithmetic."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from bshm_watchd.errors import WatchdError

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels


class Runtime(Protocol):
    """Computes alpha for pictures that already have the bundle's working size.

    `start` first, then `infer` any number of times from up to `streams` threads at once, then `close`. What it gains
    from may be asked for once it is started.
    """

    @property
    def streams(self) -> int:
        """How many `infer` calls gain from running at the same time; more are allowed and wait."""
        ...

    @property
    def max_batch(self) -> int:
        """The largest batch that one `infer` call gains from; 1 where batching gains nothing."""
        ...

    def start(self) -> None:
        """Load the model and warm it up, so that the first photo is as fast as the tenth.

        Raises `ConfigError` where the bundle, the settings or the machine must be changed, `RuntimeBroken` where the
        device fails. After an error nothing is left behind but what `close` removes.
        """
        ...

    def infer(self, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
        """One answer for each picture, in the same order: its alpha (uint8, height x width), or its own error.

        All pictures of a batch have one shape (uint8, height x width x 3, RGB) and are not changed. A picture's
        answer does not depend on its neighbours. An answer that is an error is a `MattingFailed`. Raises `OutOfMemory`
        when this batch does not fit the device's memory though a smaller one may, with nothing of it left there, and
        `RuntimeBroken` when the model or its device is broken for every picture.
        """
        ...

    def close(self) -> None:
        """Give everything back. May be called twice, and without `start`.

        Calls in progress end first or fail; later ones raise `RuntimeBroken`.
        """
        ...


class MattingFailed(WatchdError):
    """The model gave no usable alpha for this photo; its neighbours are not touched."""


class OutOfMemory(WatchdError):
    """This batch does not fit the device's memory; a smaller one, or the same one alone, may."""


class OneByOne:
    """What runtimes on the CPU have in common: batching gains nothing there, streams do.

    Larger batches than `max_batch`, 1, are worked off one by one. `cores`: None: all that this process may use.
    """

    def __init__(self, cores: int | None = None) -> None:
        self._cores = cores or len(os.sched_getaffinity(0))

    @property
    def streams(self) -> int:
        return streams_for(self._cores)

    @property
    def max_batch(self) -> int:
        return 1


def streams_for(cores: int) -> int:
    """Two streams on two cores measured best; beyond that, half the cores each get one."""
    return min(cores, max(2, cores // 2))
