"""Which runtime runs which format of bundle, on what, and how exactly: one row each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bshm_watchd import logs
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.int8 import refuse_without_int8
from bshm_watchd.matting.manifest import ArithmeticModel, BshmModel, FusedModel, OnnxModel, TfliteModel

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.buckets import Size
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.runtime import Runtime

Precision = Literal["f32", "bf16", "fp16", "int8"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a runtime is made for: `max_batch` pictures at once at most, at `precision`."""

    settings: ModelSettings
    precision: Precision
    max_batch: int

    @property
    def on_gpu(self) -> bool:
        return self.settings.device == "gpu"


@dataclass(frozen=True, slots=True)
class _Row:
    """Which runtime (as `model.runtime` names it) runs which format of bundle.

    `cpu`, `gpu`: the precisions that it knows there, first the one that `auto` means; none where it can't compute.
    `undecided`: which row of this format is the fastest hangs on the network and the machine, so it is tried.
    """

    format: str
    runtime: str
    cpu: tuple[Precision, ...]
    gpu: tuple[Precision, ...]
    make: Callable[[Bundle, Wanted], Runtime]
    undecided: bool = False

    def precisions(self, settings: ModelSettings) -> tuple[Precision, ...]:
        return self.gpu if settings.device == "gpu" else self.cpu


def make_runtime(bundle: Bundle, settings: ModelSettings, max_batch: int = 1) -> Runtime:
    """The first row that fits, not yet started; `max_batch`: how many pictures it may get at once.

    `settings.device` is settled: `auto` means the CPU here. So is `settings.runtime` where several fit; which of them
    is the faster one `measured_runtime.py` finds out. Raises `ConfigError` when no row fits.
    """
    row = _row_for(bundle, settings)
    precision = precision_of(bundle, settings)
    if precision == "int8":
        refuse_without_int8(bundle)
    return row.make(bundle, Wanted(settings, precision, max_batch))


def runtime_of(bundle: Bundle, settings: ModelSettings) -> str:
    """The name of the runtime that `make_runtime` takes. Raises `ConfigError` where none fits."""
    return _row_for(bundle, settings).runtime


def fitting_runtimes(bundle: Bundle, settings: ModelSettings) -> list[str]:
    """Those to choose from: all that compute the bundle on the settled device, in the precision that `precision_of`
    settles, where the first of them is not known to be the fastest; else that one.
    """
    precision = precision_of(bundle, settings)
    rows = [row for row in _fitting(bundle, settings) if precision in row.precisions(settings)]
    return [row.runtime for row in rows if row.undecided or row is rows[0]]


def can_use_gpu(bundle: Bundle, settings: ModelSettings) -> bool:
    """Whether any runtime that fits the bundle and the settings computes on a GPU."""
    return any(row.gpu for row in _fitting(bundle, settings))


def runtime_names(bundle: Bundle, settings: ModelSettings) -> str:
    """Which runtimes compute it, as `model.runtime` names them: `openvino`, of a fused bundle `openvino + litert`."""
    rows = [_row_for(one, settings) for one in bundle.parts or [bundle]]
    return " + ".join(dict.fromkeys(row.runtime for row in rows))


def precisions_of(bundle: Bundle, settings: ModelSettings) -> tuple[Precision, ...]:
    """All that the bundle can be computed with on the settings' device, first the one that `auto` means."""
    _row_for(bundle, settings)
    rows = [row for one in [bundle, *bundle.parts] for row in _fitting(one, settings)]
    return tuple(dict.fromkeys(precision for row in rows for precision in row.precisions(settings)))


def precision_of(bundle: Bundle, settings: ModelSettings) -> Precision:
    """What the bundle is computed with. Raises `ConfigError` where its runtime does not know the wanted one.

    A fused bundle is computed with it where one of its parts can; the others stay at f32.
    """
    known = precisions_of(bundle, settings)
    if settings.precision == "auto":
        return known[0]
    if settings.precision in known:
        return settings.precision
    words = f"{known[0]} only" if len(known) == 1 else " or ".join(known)
    where = "a GPU" if settings.device == "gpu" else "a CPU"
    raise ConfigError(
        [
            f"model.precision: the bundle {bundle.manifest.name} computes in {words} on {where}; "
            f"set it to {known[0]} or auto"
        ]
    )


def part_precision(part: Bundle, settings: ModelSettings) -> Precision:
    """Of one part of a fused bundle, or of the bundle itself: f32 where its runtime does not know the wanted one."""
    known = _row_for(part, settings).precisions(settings)
    return settings.precision if settings.precision in known else known[0]


def _row_for(bundle: Bundle, settings: ModelSettings) -> _Row:
    # What was decided for a GPU is never computed elsewhere.
    rows = [row for row in _fitting(bundle, settings) if row.gpu or settings.device != "gpu"]
    knowing = [row for row in rows if settings.precision in row.precisions(settings)]
    if found := knowing or rows:
        return found[0]
    where = " on a GPU" if settings.device == "gpu" else ""
    raise ConfigError(
        [
            f"model.runtime: {settings.runtime} cannot run the bundle {bundle.manifest.name} "
            f"(format {bundle.manifest.model.format}){where}; use auto, or another bundle"
        ]
    )


def _fitting(bundle: Bundle, settings: ModelSettings) -> list[_Row]:
    return [row for row in _of_format(bundle) if settings.runtime in ("auto", row.runtime)]


def _of_format(bundle: Bundle) -> list[_Row]:
    """All that could run the bundle. TensorFlow does not read ONNX files."""
    model = bundle.manifest.model
    rows = [row for row in _ROWS if row.format == model.format]
    if isinstance(model, BshmModel) and model.kind == "onnx":
        return [row for row in rows if row.runtime != "tensorflow"]
    return rows


def _openvino(bundle: Bundle, wanted: Wanted) -> Runtime:
    from bshm_watchd.matting.openvino_runtime import OpenVinoRuntime

    assert wanted.precision != "fp16"
    return OpenVinoRuntime(bundle, wanted.precision)


def _ncnn(bundle: Bundle, wanted: Wanted) -> Runtime:
    """Unless it was named, OpenVINO instead where the network has what can't be written for ncnn."""
    from bshm_watchd.matting.ncnn_network import written
    from bshm_watchd.matting.ncnn_runtime import NcnnRuntime

    model = bundle.manifest.model
    assert isinstance(model, OnnxModel)
    try:
        return NcnnRuntime(bundle, model, written(bundle.path(model.file), model.output.tensor, _only_size(bundle)))
    except (ConfigError, ImportError) as error:
        if wanted.settings.runtime == "ncnn":
            raise ConfigError([str(error)]) from error
        logs.info("OpenVINO computes the network", why=error)
        return _openvino(bundle, wanted)


def _only_size(bundle: Bundle) -> Size:
    """Raises `ConfigError` where pictures have several."""
    sizes = bundle.manifest.working_size.every
    if len(sizes) != 1:
        raise ConfigError([f"model.runtime: ncnn computes one size, {bundle.manifest.name} has {len(sizes)}"])
    return sizes[0]


def _bshm_on_tensorflow(bundle: Bundle, wanted: Wanted) -> Runtime:
    from bshm_watchd.matting.bshm.compute import Place, threads_beside_decoding
    from bshm_watchd.matting.bshm.tensorflow_runtime import TensorFlowRuntime

    assert isinstance(bundle.manifest.model, BshmModel)
    assert wanted.precision != "int8"
    limit = wanted.settings.memory_limit_mib
    place = Place(wanted.on_gpu, threads_beside_decoding(), wanted.precision, limit)
    return TensorFlowRuntime(bundle, bundle.manifest.model, place, wanted.max_batch)


def _litert(bundle: Bundle, wanted: Wanted) -> Runtime:
    from bshm_watchd.matting.litert_runtime import LiteRtRuntime

    assert isinstance(bundle.manifest.model, TfliteModel)
    return LiteRtRuntime(bundle, bundle.manifest.model)


def _fused(bundle: Bundle, wanted: Wanted) -> Runtime:
    from bshm_watchd.matting.fused_runtime import FusedRuntime, Part

    assert isinstance(bundle.manifest.model, FusedModel)
    model, settings = bundle.manifest.model, wanted.settings
    parts = []
    for part, said in zip(bundle.parts, model.parts, strict=True):
        its_own = Wanted(settings, part_precision(part, settings), wanted.max_batch)
        runtime = _row_for(part, settings).make(part, its_own)
        parts.append(Part(runtime, *part.working_size(1, 1), mirrored=said.mirrored))
    return FusedRuntime(parts, model.fusion)


def _arithmetic(bundle: Bundle, wanted: Wanted) -> Runtime:
    from bshm_watchd.matting.arithmetic import ArithmeticRuntime

    assert isinstance(bundle.manifest.model, ArithmeticModel)
    return ArithmeticRuntime(bundle.manifest.model)


_ROWS = (
    _Row("onnx", "ncnn", ("f32",), (), _ncnn),
    _Row("onnx", "openvino", ("f32", "bf16", "int8"), (), _openvino),
    _Row("bshm", "openvino", ("f32", "bf16", "int8"), (), _openvino, undecided=True),
    _Row("bshm", "tensorflow", ("f32", "bf16"), ("fp16", "f32"), _bshm_on_tensorflow, undecided=True),
    _Row("tflite", "litert", ("f32",), (), _litert),
    _Row("fused", "fused", ("f32",), (), _fused),
    _Row("arithmetic", "arithmetic", ("f32", "bf16"), (), _arithmetic),
)
