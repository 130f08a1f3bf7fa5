"""The real program, but that its model hangs outside of Python: `python -m tests.support.hanging run ...`.

The only difference to the program is one row in the table of runtimes, as a new runtime would add one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bshm_watchd.cli.main import main
from bshm_watchd.matting import runtimes
from bshm_watchd.matting.arithmetic import ArithmeticRuntime

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels


class _Hanging(ArithmeticRuntime):
    def infer(self, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
        ctypes.CDLL(None).pause()  # which comes back when this thread gets a signal, and not before
        return super().infer(batch)


def _hang(bundle: runtimes.Bundle, wanted: runtimes.Wanted) -> _Hanging:  # type: ignore[name-defined]
    return _Hanging(bundle.manifest.model)


if __name__ == "__main__":
    runtimes._ROWS = (runtimes._Row("arithmetic", "arithmetic", ("f32",), (), _hang),)
    main()
