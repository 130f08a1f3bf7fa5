"""The INT8 networks that `model quantize` puts beside a bundle's own: what they are, and what they are worth.

They lie in the bundle's directory `int8`, and `int8.yaml` beside `bundle.yaml` names them. The bundle's own manifest
and files stay what they were: f32 never reads any of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bundle import damage
from bshm_watchd.matting.manifest import BshmModel, ListedFile, OnnxModel

if TYPE_CHECKING:
    from pathlib import Path

    from bshm_watchd.matting.bundle import Bundle

RECORD, DIRECTORY = "int8.yaml", "int8"

_Difference = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Int8Network(_Part):
    """`made_from`: the f32 file, with the hash it had; `file`: what OpenVINO reads instead of it."""

    made_from: ListedFile
    file: str


class Judgement(_Part):
    """Differences of the bundle's alpha (0 to 1) from that of its f32 networks, each the mean over a photo.

    `mean` and `worst` are over the photos that judged, none of which was calibrated with. By the picture's name, over
    the golden pictures: `golden`, and the PSNR of their edges (`edge_error.py`).
    """

    mean: _Difference
    worst: _Difference
    photos: int = Field(ge=1)
    calibrated_with: int = Field(ge=1)
    golden: dict[str, _Difference] = {}
    golden_edge_psnr_db: dict[str, float] = {}


class Int8(_Part):
    """`way`: which settings of NNCF it was; `made`: when (ISO 8601); `versions`: of the libraries it was made with.

    `judgement` is None only while it is being judged.
    """

    networks: tuple[Int8Network, ...] = Field(min_length=1)
    files: tuple[ListedFile, ...]
    judgement: Judgement | None
    way: str
    made: str
    versions: dict[str, str]

    def told(self) -> str:
        """What it is worth, in words for people."""
        if (found := self.judgement) is None:
            return "not judged"
        return f"alpha differs by {found.mean:.4f} on average, {found.worst:.4f} at worst, over {found.photos} photos"


def quantisable(bundle: Bundle) -> list[Bundle]:
    """Those parts of a bundle, or the bundle itself, whose network can be made INT8."""
    return [part for part in bundle.parts or [bundle] if isinstance(part.manifest.model, OnnxModel | BshmModel)]


def read_int8(bundle: Bundle) -> Int8 | None:
    """What lies beside the bundle's networks, None where nothing does; checks no hash. Raises `ConfigError`."""
    path = bundle.path(RECORD)
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Int8.model_validate(content)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror}"]) from error
    except (yaml.YAMLError, UnicodeDecodeError, ValidationError) as error:
        what = f"{path}: was damaged, or made by another version; {make_anew(bundle)}"
        raise ConfigError([what]) from error


def int8_damages(bundle: Bundle, record: Int8) -> list[str]:
    """What is wrong with its files on disk, one sentence each; empty when all hashes are right."""
    return [found for file in record.files if (found := damage(bundle.path(file.path), file.sha256))]


def refuse_without_int8(bundle: Bundle) -> None:
    """Raises `ConfigError`, with the command that helps, where a bundle can't compute in INT8. Checks no hash."""
    for part in _required(bundle):
        _network_of(part)


def refuse_damaged_int8(bundle: Bundle) -> None:
    """Raises `ConfigError` as `refuse_without_int8`, and where a file is missing or changed."""
    for part in _required(bundle):
        int8_path(part)


def worth(bundle: Bundle) -> str:
    """What its INT8 networks are worth, in words for people, or why they are worth nothing; empty where it has none."""
    try:
        record = read_int8(bundle)
    except ConfigError as error:
        return str(error)
    return record.told() if record else ""


def int8_path(bundle: Bundle) -> Path:
    """What OpenVINO reads instead of the only network of this bundle, or part of one. Raises `ConfigError`."""
    network = _network_of(bundle)
    record = read_int8(bundle)
    if record is not None and (damages := int8_damages(bundle, record)):
        raise ConfigError([*damages, f"the INT8 network is damaged; {make_anew(bundle)}"])
    return bundle.path(network.file)


def _required(bundle: Bundle) -> list[Bundle]:
    if parts := quantisable(bundle):
        return parts
    name = bundle.manifest.name
    raise ConfigError([f"model.precision: the bundle {name} has no network that can be int8; set it to f32 or auto"])


def _network_of(part: Bundle) -> Int8Network:
    """The record's network for the part's own. Raises `ConfigError` where there is none, or one of another network."""
    record = read_int8(part)
    (own,) = part.manifest.networks
    if record is None:
        name = part.manifest.name
        raise ConfigError([f"model.precision: the bundle {name} has no INT8 network yet; {_command(part)}"])
    for network in record.networks:
        if network.made_from == own:
            return network
    raise ConfigError([f"{part.path(RECORD)}: its INT8 networks were made from another {own.path}; {make_anew(part)}"])


def make_anew(bundle: Bundle) -> str:
    return f"make it anew, or set model.precision to f32; {_command(bundle)}"


def _command(bundle: Bundle) -> str:
    """By its path where it was named by that: such a bundle is not looked up by its name."""
    directory = bundle.directory
    name = bundle.manifest.name if directory.name == bundle.manifest.name else str(directory)
    return f"it is made with photos of yours: bshm-watchd model quantize {name} DIR"
