"""A bundle is a model with its manifest: a directory with `bundle.yaml` and the files that this names."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.manifest import BucketedSize, FixedSize, FusedModel, Manifest

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.buckets import Size

MANIFEST = "bundle.yaml"
_SYSTEM_MODELS = Path("/usr/local/share/bshm-watchd/models")
_CATALOGUE = Path(__file__).parent / "catalogue"
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Bundle:
    """`golden_size`: the bundle's own working size, where another one is set: its golden pictures were made with it."""

    directory: Path
    manifest: Manifest
    golden_size: BucketedSize | None = None

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that the runtime gets for a photo of this height and width."""
        return self.manifest.working_size.of(height, width)

    def only(self, size: Size) -> Bundle:
        """For a runtime that is warmed up for this height and width alone, as for a few pictures."""
        fixed = FixedSize(rule="fixed", height=size[0], width=size[1])
        return Bundle(self.directory, self.manifest.model_copy(update={"working_size": fixed}))

    @property
    def for_a_few(self) -> Bundle:
        """For a runtime that computes some pictures: warming up for every size takes as long as dozens of them."""
        sizes = self.manifest.working_size.every
        return self.only(sizes[0]) if sizes else self

    def path(self, name: str) -> Path:
        return self.directory / name

    @property
    def parts(self) -> list[Bundle]:
        """The parts of a fused bundle, each a bundle of its own; empty for all others."""
        if not isinstance(self.manifest.model, FusedModel):
            return []
        return [Bundle(self.directory, self.manifest.of_part(part)) for part in self.manifest.model.parts]

    def refuse_damage(self) -> None:
        """Raises `ConfigError`, with the command that mends it, where a file is missing or changed."""
        if damages := self.damages():
            raise ConfigError([*damages, f"the model bundle is damaged; {bring_anew(self.manifest.name)}"])

    def damages(self) -> list[str]:
        """What is wrong with the files on disk, one sentence each; empty when all hashes are right."""
        return [found for file in self.manifest.files if (found := damage(self.path(file.path), file.sha256))]


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
            return _read_found(models / name)
    raise ConfigError([_not_found(name, state_dir)])


def configured_bundle(settings: ModelSettings, state_dir: Path) -> Bundle:
    """The bundle that is set, with the working side that is set. Raises `ConfigError` that says what to do."""
    bundle = find_bundle(settings.bundle, state_dir)
    side, rule = settings.working_side, bundle.manifest.working_size
    if side is None:
        return bundle
    if not isinstance(rule, BucketedSize):
        name = bundle.manifest.name
        raise ConfigError([f"model.working_side: the bundle {name} has a working size of its own; set it to null"])
    if side > rule.longest_side or side % rule.stride:
        allowed = f"a multiple of {rule.stride} up to {rule.longest_side}"
        raise ConfigError([f"model.working_side: {side} must be {allowed} for the bundle {bundle.manifest.name}"])
    smaller = rule.model_copy(update={"longest_side": side})
    return Bundle(bundle.directory, bundle.manifest.model_copy(update={"working_size": smaller}), rule)


def model_directories(state_dir: Path) -> tuple[Path, ...]:
    """Where bundles are looked for, the first find wins."""
    return state_dir / "models", _SYSTEM_MODELS


def installed_bundles(state_dir: Path) -> list[Bundle]:
    found: dict[str, Path] = {}
    for models in model_directories(state_dir):
        for manifest in sorted(models.glob(f"[!.]*/{MANIFEST}")):
            found.setdefault(manifest.parent.name, manifest.parent)
    return [_read_found(directory) for _, directory in sorted(found.items())]


def catalogue() -> dict[str, Bundle]:
    """The bundles this version knows how to fetch, by name; without their model files."""
    return {path.parent.name: read_bundle(path.parent) for path in sorted(_CATALOGUE.glob(f"*/{MANIFEST}"))}


def _read_found(directory: Path) -> Bundle:
    """One of our own that cannot be read was changed, or made by another version: fetching mends both."""
    try:
        return read_bundle(directory)
    except ConfigError as error:
        if directory.name not in catalogue():
            raise
        raise ConfigError([*error.problems, bring_anew(directory.name)]) from error


def bring_anew(name: str) -> str:
    """What mends a damaged bundle, as the end of a sentence."""
    if name in catalogue():
        return f"fetch it anew: bshm-watchd model fetch {name}"
    return f"import it anew: bshm-watchd model import {name} FILE"


def _not_found(name: str, state_dir: Path) -> str:
    known = catalogue()
    if name in known:
        return f"the model bundle {name} is not there; fetch it with: bshm-watchd model fetch {name}"
    places = " or ".join(str(path / name) for path in model_directories(state_dir))
    return f"no model bundle is named {name} (looked for {places}); known ones: {', '.join(known)}"


def damage(path: Path, sha256: str) -> str | None:
    """What is wrong with this file; None when its hash is right."""
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
