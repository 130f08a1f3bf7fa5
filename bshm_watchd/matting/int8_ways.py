"""The ways in which NNCF makes a network INT8, the fastest to make and to run first, and what they must know of it."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import types
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bshm_watchd.errors import ConfigError, WatchdError
from bshm_watchd.matting.int8_gate import MOST_MEAN, MOST_WORST
from bshm_watchd.matting.openvino_network import Network
from bshm_watchd.matting.quiet_openvino import openvino

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels


_LAYERS = {"Convolution", "ConvolutionBackpropData", "GroupConvolution", "GroupConvolutionBackpropData", "MatMul"}
_SEARCHED_BY = 12  # photos
_UNSPOILT = 0.5  # score: half of what the gate allows
_CAREFUL_WITHIN = 0.8  # of what the gate allows: it asks about other photos
_RANKED_BY = 30  # photos; each layer costs so many inferences
_RANKING_WORKERS = 1  # each of them holds the network once more


Way = Callable[[Network, Sequence["Pixels"]], Any]
"""An OpenVINO model made of a network with these pictures of the bundle's working size, which may be read from disk
each time: NNCF goes through them more than once."""


class WayFailed(WatchdError):
    """NNCF can't make this network INT8 in this way; it may in another."""


def quiet_nncf() -> types.ModuleType:
    """The library, which tells its makers of each use over the network otherwise; see `quiet_openvino`.

    Raises `ConfigError` where it is not installed.
    """
    openvino()
    try:
        nncf = importlib.import_module("nncf")
    except ImportError as error:
        install = "pip install 'bshm-watchd[quantize]'"
        raise ConfigError(
            [f"NNCF, which makes networks INT8, can't be loaded: {error}; install it: {install}"]
        ) from error
    nncf.set_log_level(logging.ERROR)
    return nncf


def ways() -> dict[str, Way]:
    """By name, in the order in which they are tried."""
    return {"performance": _performance, "mixed": _mixed, "layers": _layers, "bias": _bias, "accuracy": _accuracy}


def _performance(network: Network, pictures: Sequence[Pixels]) -> Any:
    """Weights and activations symmetric: the fastest."""
    return _quantized(network, pictures, preset=quiet_nncf().QuantizationPreset.PERFORMANCE)


def _mixed(network: Network, pictures: Sequence[Pixels]) -> Any:
    """Activations with an offset of their own."""
    return _quantized(network, pictures, preset=quiet_nncf().QuantizationPreset.MIXED)


def _layers(network: Network, pictures: Sequence[Pixels]) -> Any:
    """Layers that alone spoil the alpha are found by halving, with few pictures, and left in f32."""
    few = [pictures[number * len(pictures) // _SEARCHED_BY] for number in range(min(_SEARCHED_BY, len(pictures)))]
    model = openvino().Core().read_model(str(network.path))
    layers = [node.get_friendly_name() for node in model.get_ordered_ops() if node.get_type_name() in _LAYERS]
    scoring = _Scoring(network, few, _compiled(model))

    def spoil(some: Sequence[str]) -> bool:
        tried = _mixed_but_for(network, few, [layer for layer in layers if layer not in some])
        score, _ = scoring(_compiled(tried), iter(range(len(few))))
        return score < _UNSPOILT

    return _mixed_but_for(network, pictures, spoiling(layers, spoil))


def spoiling(layers: Sequence[str], spoil: Callable[[Sequence[str]], bool]) -> list[str]:
    """Those that spoil the alpha when no other layer is INT8; `spoil` says whether some do together. Asks it about
    twice the logarithm of their number, for each that it finds."""
    if not layers or not spoil(layers):
        return []
    if len(layers) == 1:
        return [*layers]
    half = len(layers) // 2
    return spoiling(layers[:half], spoil) + spoiling(layers[half:], spoil)


def _mixed_but_for(network: Network, pictures: Sequence[Pixels], layers: Sequence[str]) -> Any:
    nncf = quiet_nncf()
    kept = {"ignored_scope": nncf.IgnoredScope(names=[*layers])} if layers else {}
    return _quantized(network, pictures, preset=nncf.QuantizationPreset.MIXED, **kept)


def _bias(network: Network, pictures: Sequence[Pixels]) -> Any:
    """Biases corrected layer by layer on the quantised network, which takes longer to make."""
    return _quantized(network, pictures, preset=quiet_nncf().QuantizationPreset.MIXED, fast_bias_correction=False)


def _quantized(network: Network, pictures: Sequence[Pixels], **options: Any) -> Any:
    nncf = quiet_nncf()
    with _said_by(nncf):
        return nncf.quantize(
            openvino().Core().read_model(str(network.path)),
            nncf.Dataset(pictures, network.tensors),
            target_device=nncf.TargetDevice.CPU,
            subset_size=len(pictures),
            **options,
        )


def _accuracy(network: Network, pictures: Sequence[Pixels]) -> Any:
    """Layers that cost most of the alpha are left in f32, until what is left is well within the gate."""
    nncf = quiet_nncf()
    model = openvino().Core().read_model(str(network.path))
    numbers = range(len(pictures))
    with _said_by(nncf):
        return nncf.quantize_with_accuracy_control(
            model,
            nncf.Dataset(pictures, network.tensors),
            nncf.Dataset(numbers, lambda number: network.tensors(pictures[number])),
            _Scoring(network, pictures, _compiled(model)),
            max_drop=_CAREFUL_WITHIN,
            drop_type=nncf.DropType.ABSOLUTE,
            preset=nncf.QuantizationPreset.MIXED,
            target_device=nncf.TargetDevice.CPU,
            subset_size=len(pictures),
            advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
                ranking_subset_size=min(_RANKED_BY, len(pictures)), num_ranking_workers=_RANKING_WORKERS
            ),
        )


class _Scoring:
    """1 for an alpha like that of f32, 0 for one that the gate only just lets through, less for others."""

    def __init__(self, network: Network, pictures: Sequence[Pixels], f32: Any) -> None:
        self._network = network
        self._pictures = pictures
        self._f32 = f32
        self._expected: dict[int, Alpha | Exception] = {}

    def __call__(self, model: Any, numbers: Iterator[int]) -> tuple[float, list[float]]:
        found = [self._difference(model, number) for number in numbers]
        score = 1 - max(sum(found) / len(found) / MOST_MEAN, max(found) / MOST_WORST)
        return score, [-difference for difference in found]

    def _difference(self, model: Any, number: int) -> float:
        if number not in self._expected:
            self._expected[number] = self._alpha(self._f32, number)
        expected, actual = self._expected[number], self._alpha(model, number)
        if isinstance(expected, Exception) or isinstance(actual, Exception):
            return 1.0
        return float(np.abs(actual.astype(np.int16) - expected).mean()) / 255

    def _alpha(self, model: Any, number: int) -> Alpha | Exception:
        return self._network.alpha(model(dict(self._network.tensors(self._pictures[number]))))


def _compiled(model: Any) -> Any:
    return openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


@contextlib.contextmanager
def _said_by(nncf: types.ModuleType) -> Iterator[None]:
    """Raises `WayFailed`. NNCF draws bars of its own on standard output, which is for what was asked."""
    refusals = (nncf.InternalError, nncf.ValidationError, nncf.UnsupportedModelError, nncf.ParameterNotSupportedError)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except (*refusals, RuntimeError, ValueError) as error:
        raise WayFailed(f"NNCF can't make this network INT8 so: {error}") from error
