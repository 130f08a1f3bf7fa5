"""Making a bundle of a network that somebody brings: looked through, tried out and measured before it is installed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
import yaml

from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bshm.compute import Place, set_up, threads_beside_decoding
from bshm_watchd.matting.bshm.looking import Looked, look_at
from bshm_watchd.matting.bundle import MANIFEST, Bundle, catalogue, sha256_of
from bshm_watchd.matting.devices.opening import opened_device
from bshm_watchd.matting.edge_error import BEST_PSNR
from bshm_watchd.matting.golden import difference, edge_bound, edge_difference, mean_bound, read_picture
from bshm_watchd.matting.installing import install
from bshm_watchd.matting.manifest import BshmModel, BucketedSize, GoldenPicture, ListedFile, Manifest
from bshm_watchd.matting.trial import Trial, tried

if TYPE_CHECKING:
    from bshm_watchd.matting.devices.choice import Device
    from bshm_watchd.matting.photo import Alpha, Pixels

Tell = Callable[[str], None]
Precision = Literal["f32", "bf16", "fp16"]

GOLDEN, MATTE = "golden/collins.jpg", "golden/collins.matte.png"
_SIDES = (768, 1536)  # of the squares that memory is measured with
_MEGAPIXEL = 1e6


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to import, and what the file does not say. `input`, `output`: tensors, None for BSHM's own names."""

    path: Path
    name: str = "bshm"
    input: str | None = None
    output: str | None = None
    licence: str = "not known"
    source: str = "brought by the user"
    size: BucketedSize = field(default_factory=lambda: BucketedSize(rule="buckets"))


@dataclass(frozen=True, slots=True)
class Compared:
    """One way to compute the network: seconds a picture, and how far its alpha is from TensorFlow's in f32 (0 to 1).

    `edge_psnr_db`: of that alpha in the edge band (`edge_error.py`). For an ONNX file it is
    compared with OpenVINO's in f32. `why_not`: why it can't be computed so here.
    """

    runtime: str
    precision: Precision
    seconds: float = 0.0
    mean: float = 0.0
    largest: float = 0.0
    edge_psnr_db: float = BEST_PSNR
    why_not: str | None = None
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Imported:
    bundle: Bundle
    looked: Looked
    compared: tuple[Compared, ...]

    @property
    def mib_per_megapixel(self) -> float:
        """What a picture takes while it is computed, measured; 0 where it was not."""
        model = self.bundle.manifest.model
        return (model.mib_per_megapixel or 0) if isinstance(model, BshmModel) else 0


def import_network(wanted: Wanted, state_dir: Path, tell: Tell, device: Literal["auto", "cpu", "gpu"]) -> Imported:
    """A bundle named `wanted.name` in `state_dir`/models; one of that name is replaced.

    Raises `ConfigError` with everything that is wrong with the file, or with what the machine lacks, and
    `InstanceRunning` where its GPU is taken.
    """
    picture, known = _known_portrait()
    if wanted.path.suffix.lower() != ".onnx":
        set_up(Place(gpu=False, threads=threads_beside_decoding(), precision="f32"))
    looked = look_at(wanted.path, (wanted.input, wanted.output), picture, known, tell)
    compared: list[Compared] = []

    def make(made: Path) -> None:
        made.mkdir()
        compared.extend(_make(made, wanted, looked, ModelSettings(device=device), tell))

    bundle = install(state_dir / "models" / wanted.name, make)
    return Imported(bundle, looked, tuple(compared))


def _known_portrait() -> tuple[Pixels, Alpha]:
    """A portrait that is shipped with this program, and a good matte of it."""
    shipped = catalogue()["portrait"]
    return read_picture(shipped.path(GOLDEN)).pixels, read_picture(shipped.path(MATTE)).pixels[:, :, 0]


def _make(made: Path, wanted: Wanted, looked: Looked, settings: ModelSettings, tell: Tell) -> list[Compared]:
    """The whole bundle; its manifest is written first without, then with what only the finished bundle can tell."""
    bundle = drafted(made, wanted, looked)
    (made / "golden").mkdir()
    shutil.copyfile(catalogue()["portrait"].path(GOLDEN), made / GOLDEN)
    picture, _ = _known_portrait()
    with opened_device(bundle, settings) as device:
        tell("computing the golden picture in f32")
        in_f32 = tried(bundle, _reference(looked.model), picture)
        cv2.imwrite(str(made / MATTE), in_f32.alpha)
        compared = list(_comparisons(bundle, device, picture, in_f32, tell))
        tell("measuring memory")
        on_gpu = _settings("tensorflow", "auto", "gpu")
        memory = _memory(bundle, on_gpu if device.kind == "gpu" else _reference(looked.model))
    model = looked.model.model_copy(update={"mib_per_megapixel": memory})
    _written(made, _manifest(made, wanted, model, _golden(compared)))
    return compared


def drafted(made: Path, wanted: Wanted, looked: Looked) -> Bundle:
    """The bundle in the directory `made`, which can be computed, without what only computing it can tell."""
    looked.write(made)
    return _written(made, _manifest(made, wanted, looked.model))


def _manifest(made: Path, wanted: Wanted, model: BshmModel, *golden: GoldenPicture) -> Manifest:
    files = sorted(path for path in made.rglob("*") if path.is_file() and path.name != MANIFEST)
    return Manifest(
        name=wanted.name,
        description=f"a network with BSHM's contract, imported from {wanted.path.name}",
        licence=wanted.licence,
        source=wanted.source,
        model=model,
        working_size=wanted.size,
        files=tuple(ListedFile(path=str(path.relative_to(made)), sha256=sha256_of(path)) for path in files),
        golden=golden,
    )


def _written(made: Path, manifest: Manifest) -> Bundle:
    content = manifest.model_dump(mode="json", exclude_defaults=True)
    (made / MANIFEST).write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return Bundle(made, manifest)


def _settings(runtime: str, precision: str, device: str = "cpu") -> ModelSettings:
    return ModelSettings.model_validate({"runtime": runtime, "precision": precision, "device": device})


def _comparisons(
    bundle: Bundle, device: Device, picture: Pixels, in_f32: Trial, tell: Tell
) -> Iterator[Compared]:  # fmt: skip
    """The reference itself, then all other ways that this machine has."""
    assert isinstance(bundle.manifest.model, BshmModel)
    yield Compared(_reference(bundle.manifest.model).runtime, "f32", in_f32.steady_seconds)
    for settings in _others(bundle.manifest.model, device):
        tell(f"comparing {settings.precision} on {settings.runtime}, on the {settings.device.upper()}")
        yield _compared(bundle, settings, picture, in_f32)


def _reference(model: BshmModel) -> ModelSettings:
    """On the CPU, whatever else there is: f32 is f32 there."""
    return _settings("openvino" if model.kind == "onnx" else "tensorflow", "f32")


def _others(model: BshmModel, device: Device) -> list[ModelSettings]:
    if model.kind == "onnx":
        return [_settings("openvino", "bf16")]
    on_gpu = [_settings("tensorflow", precision, "gpu") for precision in ("f32", "fp16") if device.kind == "gpu"]
    return [*on_gpu, _settings("tensorflow", "bf16"), _settings("openvino", "f32"), _settings("openvino", "bf16")]


def _compared(bundle: Bundle, settings: ModelSettings, picture: Pixels, in_f32: Trial) -> Compared:
    runtime, precision = settings.runtime, settings.precision
    assert precision in ("f32", "bf16", "fp16")
    try:
        trial = tried(bundle, settings, picture)
    except ConfigError as error:
        return Compared(runtime, precision, why_not="; ".join(error.problems), device=settings.device)
    largest = int(np.abs(trial.alpha.astype(np.int16) - in_f32.alpha).max()) / 255
    mean, edge = difference(trial.alpha, in_f32.alpha), edge_difference(trial.alpha, in_f32.alpha)
    return Compared(runtime, precision, trial.steady_seconds, mean, largest, edge, device=settings.device)


def _golden(compared: list[Compared]) -> GoldenPicture:
    """Bounds by how far each precision was off, on the runtime where that was most; none where nothing ran it."""
    ran = [one for one in compared if one.why_not is None]
    means = {one.precision: max(other.mean for other in ran if other.precision == one.precision) for one in ran}
    edges = {one.precision: min(other.edge_psnr_db for other in ran if other.precision == one.precision) for one in ran}
    return GoldenPicture(
        picture=GOLDEN,
        matte=MATTE,
        mean_difference={precision: mean_bound(mean) for precision, mean in means.items()},
        edge_psnr_db={precision: edge_bound(edge) for precision, edge in edges.items()},
    )


def _memory(bundle: Bundle, settings: ModelSettings) -> float:
    """MiB a megapixel of the picture: what a larger picture takes more than a smaller one."""
    small, large = (tried(bundle, settings, np.zeros((side, side, 3), np.uint8)).peak_mib for side in _SIDES)
    return max(1.0, (large - small) / ((_SIDES[1] ** 2 - _SIDES[0] ** 2) / _MEGAPIXEL))
