"""What a measurement leaves behind: files that a later one is compared with, and a report is drawn from.

Times are seconds, memory MiB, alpha's errors as `quality_errors.py` says. Samples are kept, not only what is told of
them, so that a comparison can tell chance from change.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bshm_watchd.errors import ConfigError
from bshm_watchd.stages import Stage

WRONG_MAD = 0.05  # above it a matte is wrong about what is person, not about its edges


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Machine(_Frozen):
    """`key` is the same for machines that results may be compared between: processor, cores and device."""

    processor: str
    cores: int
    memory_mib: int
    kernel: str
    python: str
    gpu: str | None = None

    @property
    def key(self) -> str:
        return f"{self.processor}, {self.cores} cores" + (f", {self.gpu}" if self.gpu else "")


class Stamp(_Frozen):
    """What was measured, where and when. `networks`: sha256 of each network's file, by its name."""

    version: str
    commit: str | None
    made: str  # ISO 8601 with offset
    machine: Machine
    bundle: str
    networks: dict[str, str]
    runtime: str
    precision: str
    device: str  # cpu | gpu
    libraries: dict[str, str]


class StageCost(_Frozen):
    """One stage of one photo, alone on the machine. `wall_seconds`: the median; `cpu_seconds`: the mean, of all threads
    and processes."""

    stage: Stage
    wall_seconds: float
    cpu_seconds: float


class Round(_Frozen):
    """A burst of photos through the resident daemon, from the drop to the last original filed."""

    photos: int
    seconds: float  # settling not counted: from the first claim on
    cpu_seconds: float
    peak_mib: float

    @property
    def photos_per_second(self) -> float:
        return self.photos / self.seconds


class Span(_Frozen):
    """One stage of one photo of the last burst: seconds since the burst's first claim. `photo` counts from 0."""

    photo: int
    stage: Stage
    began: float
    ended: float


class GpuUse(_Frozen):
    """During the bursts: the most memory, and the mean use of the GPU, 0 to 1; None where it does not tell that."""

    memory_mib: float
    utilisation: float | None


class SpeedOfSet(_Frozen):
    """One set of photos of one kind.

    `first_result_seconds`: from a process's start to its first result, cold. `drop_to_result_seconds`: of a lone photo
    in the resident daemon, `settle_seconds` of it waiting whether it is whole. `matte_seconds`: the model alone.
    `in_burst_seconds`: claim to result of each photo in the bursts. `batches`: photos a second by pictures in a batch,
    through the model alone. `photos_sha256`: of the photos' own sha256; empty where it is not known.
    """

    name: str
    photos: int
    megapixels: float
    outputs: list[str]
    first_result_seconds: list[float]
    settle_seconds: float
    drop_to_result_seconds: list[float]
    matte_seconds: list[float]
    in_burst_seconds: list[float]
    rounds: list[Round]
    stages: list[StageCost]
    batches: dict[int, float]
    timeline: list[Span]
    gpu: GpuUse | None = None
    photos_sha256: str = ""

    @property
    def photos_per_second(self) -> float:
        """The median of the rounds."""
        return statistics.median(burst.photos_per_second for burst in self.rounds)

    def share_of_limit(self, cores: int) -> float:
        """Of what the cores can do at most: their number over the CPU time of a photo's stages when it is alone.

        Means on both sides: photos may differ, and a burst takes as long as all of them.
        """
        photos, seconds = sum(one.photos for one in self.rounds), sum(one.seconds for one in self.rounds)
        return photos / seconds * sum(stage.cpu_seconds for stage in self.stages) / cores


class SpeedResult(_Frozen):
    """`file_system`: what the hot folder lay on, as the kernel names it."""

    kind: Literal["speed"] = "speed"
    format: Literal[1] = 1
    stamp: Stamp
    sets: list[SpeedOfSet]
    file_system: str = "unknown"


class PictureQuality(_Frozen):
    """One picture against its true alpha; `failed`: why it has no matte, else None, and all errors are there."""

    name: str
    sad: float | None
    mse: float | None
    mad: float | None
    gradient: float | None
    connectivity: float | None
    edge_psnr_db: float | None
    matte_seconds: float | None
    failed: str | None = None

    @property
    def is_wrong(self) -> bool:
        """Without a matte, or with one that is wrong about what is person."""
        return self.failed is not None or (self.mad is not None and self.mad > WRONG_MAD)


class SceneQuality(_Frozen):
    """`scene`: what kind of picture these are (`hair-detail`), or the directory's name where a user brought them.

    `photos_sha256`: of the sha256 of all photos and true mattes; empty where it is not known.
    """

    scene: str
    pictures: list[PictureQuality]
    photos_sha256: str = ""


class QualityResult(_Frozen):
    """`shown`: small JPEGs for a report, by scene: of the best, the median and the worst picture, each as
    `<name>-photo.jpg`, `-true.jpg`, `-ours.jpg`, `-cutout.jpg`; paths as seen from the result file's directory.
    """

    kind: Literal["quality"] = "quality"
    format: Literal[1] = 1
    stamp: Stamp
    scenes: list[SceneQuality]
    shown: dict[str, list[str]] = {}


Result = Annotated[SpeedResult | QualityResult, Field(discriminator="kind")]
_RESULT: TypeAdapter[SpeedResult | QualityResult] = TypeAdapter(Result)


def written(path: Path, result: SpeedResult | QualityResult) -> None:
    """Whole or not at all; replaces what stands there."""
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def read(path: Path) -> SpeedResult | QualityResult:
    """Raises `ConfigError` that says what to do where it is no result of ours, or of another format."""
    try:
        return _RESULT.validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}; name a file that `bench` has kept with -o"]) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError([f"{path}: not a result of `bench` ({where}: {first['msg']}); measure again"]) from error
