"""The real program, but that its model dies of marked photos: `python -m tests.support.poisoned SIGNAL run ...`.

The only difference to the program is one row in the table of runtimes, as a new runtime would add one.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bshm_watchd.cli.main import main
from bshm_watchd.matting import runtimes
from bshm_watchd.matting.arithmetic import ArithmeticRuntime
from bshm_watchd.matting.manifest import ArithmeticModel
from tests.support.studio import png

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels

_MARK = 0xAB


def poison(serial: int) -> bytes:
    """A photo of which the process dies."""
    return png(_MARK << 16 | serial)


class _Dying(ArithmeticRuntime):
    """Takes a while for each photo, so that others are in work when it dies."""

    def __init__(self, model: ArithmeticModel, number: int) -> None:
        super().__init__(model.model_copy(update={"delay_seconds_per_photo": 0.05}))
        self._number = number

    def infer(self, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
        answers = super().infer(batch)
        if any(pixels[0, 0, 2] == _MARK for pixels in batch):
            signal.raise_signal(self._number)  # of this thread, so that nothing of it goes on
        return answers


def _poisoned(number: int) -> None:
    def make(bundle: runtimes.Bundle, wanted: runtimes.Wanted) -> _Dying:  # type: ignore[name-defined]
        return _Dying(bundle.manifest.model, number)

    runtimes._ROWS = (runtimes._Row("arithmetic", "arithmetic", ("f32",), (), make),)


if __name__ == "__main__":
    _poisoned(signal.Signals[sys.argv.pop(1)])
    main()
