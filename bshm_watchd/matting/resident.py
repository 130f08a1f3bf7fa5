"""The daemon's model: which runtime computes it is settled where it is started, since finding out may take minutes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bshm_watchd.matting.measured_runtime import settled_runtime
from bshm_watchd.matting.runtimes import make_runtime, precision_of

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.measured_runtime import Try
    from bshm_watchd.matting.photo import Alpha, Pixels
    from bshm_watchd.matting.runtime import Runtime


class ResidentModel:
    """A `Runtime` that is made by `start`; before that only `close` may be called.

    `settings`: with the device settled; once started with the runtime settled as well. `try_out`: as of
    `settled_runtime`. Raises `ConfigError` where no runtime fits the bundle and the settings, whichever is faster.
    """

    def __init__(
        self, bundle: Bundle, settings: ModelSettings, state_dir: Path, max_batch: int, try_out: Try | None = None
    ) -> None:
        precision_of(bundle, settings)
        self.settings = settings
        self._bundle = bundle
        self._state_dir = state_dir
        self._max_batch = max_batch
        self._try_out = try_out
        self._made: Runtime | None = None

    def __repr__(self) -> str:
        return f"<ResidentModel {self._made or 'not started'}>"

    @property
    def streams(self) -> int:
        return self._runtime.streams

    @property
    def max_batch(self) -> int:
        return self._runtime.max_batch

    def start(self) -> None:
        self.settings = settled_runtime(self._bundle, self.settings, self._state_dir, try_out=self._try_out)
        self._made = make_runtime(self._bundle, self.settings, self._max_batch)
        self._made.start()

    def infer(self, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
        return self._runtime.infer(batch)

    def close(self) -> None:
        if self._made is not None:
            self._made.close()

    @property
    def _runtime(self) -> Runtime:
        assert self._made is not None, "the model was not started"
        return self._made
