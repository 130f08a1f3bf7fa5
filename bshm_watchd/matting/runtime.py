"""The seam to what computes alpha: a model on some library and device, or plain arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bshm_watchd.errors import ConfigError, WatchdError
from bshm_watchd.matting.bundle import ArithmeticModel, Bundle, OnnxModel

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.photo import Alpha, Pixels


class Runtime(Protocol):
    """Computes alpha for pictures that already have the bundle's working size.

    `start` first, then `infer` any number of times from up to `streams` threads at once, then `close`.
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
        answer does not depend on its neighbours. An answer that is an error is a `MattingFailed`. Raises
        `RuntimeBroken` when the model or its device is broken for every picture.
        """
        ...

    def close(self) -> None:
        """Give everything back. May be called twice, and without `start`; calls in progress end first or fail."""
        ...


class MattingFailed(WatchdError):
    """The model gave no usable alpha for this photo; its neighbours are not touched."""


@dataclass(frozen=True, slots=True)
class _Row:
    """Which runtime (as `model.runtime` names it) runs which format of bundle."""

    format: str
    runtime: str
    make: Callable[[Bundle, ModelSettings], Runtime]


def make_runtime(bundle: Bundle, settings: ModelSettings) -> Runtime:
    """The first row that fits, not yet started. Raises `ConfigError` when none does."""
    rows = [row for row in _ROWS if row.format == bundle.manifest.model.format]
    for row in rows:
        if settings.runtime in ("auto", row.runtime):
            return row.make(bundle, settings)
    names = " or ".join(row.runtime for row in rows)
    raise ConfigError(
        [
            f"model.runtime: {settings.runtime} cannot run the bundle {bundle.manifest.name} "
            f"(format {bundle.manifest.model.format}); use auto, or another bundle (it runs on {names})"
        ]
    )


def _openvino(bundle: Bundle, settings: ModelSettings) -> Runtime:
    from bshm_watchd.matting.openvino_runtime import OpenVinoRuntime

    assert isinstance(bundle.manifest.model, OnnxModel)
    return OpenVinoRuntime(bundle, bundle.manifest.model, settings.precision)


def _arithmetic(bundle: Bundle, settings: ModelSettings) -> Runtime:
    from bshm_watchd.matting.arithmetic import ArithmeticRuntime

    assert isinstance(bundle.manifest.model, ArithmeticModel)
    return ArithmeticRuntime(bundle.manifest.model)


_ROWS = (
    _Row("onnx", "openvino", _openvino),
    _Row("arithmetic", "arithmetic", _arithmetic),
)
