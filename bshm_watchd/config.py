"""The settings, frozen, from YAML. Reports every problem at once, by address, and says what to do."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from bshm_watchd.errors import ConfigError
from bshm_watchd.output_settings import FrozenSettings, OutputSettings, check_template

_MIB = 1 << 20
# What the loader raises for something that is only nearly a number or a date, or has another kind's tag.
_NEARLY = (ValueError, AttributeError, TypeError, OverflowError)
_FILED_FIELDS = {"relative_dir", "date"}


class ModelSettings(FrozenSettings):
    bundle: str = "portrait"
    runtime: Literal["auto", "ncnn", "openvino", "tensorflow", "litert"] = "auto"
    device: Literal["auto", "cpu", "gpu"] = "auto"
    precision: Literal["auto", "f32", "bf16", "fp16", "int8"] = "auto"
    working_side: int | None = Field(None, ge=64, le=1920)
    memory_limit_mib: int | None = Field(None, ge=256)
    verify_on_change: bool = True


class BatchSettings(FrozenSettings):
    max_size: int = Field(4, ge=1, le=64)
    max_wait_ms: int = Field(0, ge=0, le=1000)


class Limits(FrozenSettings):
    max_pixels: int = Field(120_000_000, ge=1)
    max_file_mib: int = Field(1024, ge=1)
    in_flight_mib: int = Field(3072, ge=64)
    min_free_mib: int = Field(512, ge=0)
    max_attempts: int = Field(3, ge=1, le=100)
    decode_seconds: float = Field(60, gt=0)
    infer_seconds: float = Field(120, gt=0)

    @property
    def max_file_bytes(self) -> int:
        return self.max_file_mib * _MIB

    @property
    def in_flight_bytes(self) -> int:
        return self.in_flight_mib * _MIB

    @property
    def min_free_bytes(self) -> int:
        return self.min_free_mib * _MIB


class OriginalsSettings(FrozenSettings):
    done: str = "done/{date}/{relative_dir}"

    @field_validator("done")
    @classmethod
    def _done_is_a_template(cls, done: str) -> str:
        if done != "delete":
            check_template(done, done, _FILED_FIELDS)
            if done.startswith("/"):
                raise ValueError("must be below the hot folder: an original is filed by a rename")
        return done


class PermissionSettings(FrozenSettings):
    mode: int | None = None
    directory_mode: int | None = None
    group: str | None = None
    strict: bool = False

    @field_validator("mode", "directory_mode", mode="before")
    @classmethod
    def _octal(cls, value: Any) -> int | None:
        if value is None:
            return None
        if isinstance(value, str) and re.fullmatch(r"0?o?[0-7]{3,4}", value):
            return int(value.removeprefix("0o"), 8)
        raise ValueError('write the mode as quoted octal digits, for example "0664"')


class HotFolderSettings(FrozenSettings):
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    path: Path
    watch: Literal["auto", "events", "poll"] = "auto"
    settle_seconds: Annotated[float, Field(gt=0, le=3600)] | Literal["auto"] = "auto"
    settle_max_seconds: float = Field(60, gt=0)
    rescan_seconds: Annotated[float, Field(ge=1, le=86400)] | Literal["auto"] = "auto"
    ready: Literal["quiet", "rename"] = "quiet"
    weight: float = Field(1, gt=0, le=1000)
    other_files: Literal["leave", "reject"] = "leave"
    outputs: tuple[OutputSettings, ...] = (
        OutputSettings(kind="cutout", path="results/{relative_dir}/{stem}.png"),
    )  # fmt: skip
    review: bool = True
    originals: OriginalsSettings = OriginalsSettings()
    permissions: PermissionSettings = PermissionSettings()

    @field_validator("path")
    @classmethod
    def _path_is_absolute(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise ValueError("must be an absolute path")
        return Path(os.path.normpath(path))

    @field_validator("outputs")
    @classmethod
    def _outputs_differ(cls, outputs: tuple[OutputSettings, ...]) -> tuple[OutputSettings, ...]:
        if not outputs:
            raise ValueError("at least one output is needed")
        if len({output.path for output in outputs}) < len(outputs):
            raise ValueError("two outputs have the same path")
        return outputs


class Settings(FrozenSettings):
    version: Literal[1]
    state_dir: Path = Field(default_factory=lambda: default_state_dir())
    model: ModelSettings = ModelSettings()
    batch: BatchSettings = BatchSettings()
    limits: Limits = Limits()
    hot_folders: tuple[HotFolderSettings, ...]

    @field_validator("hot_folders")
    @classmethod
    def _there_is_one(cls, folders: tuple[HotFolderSettings, ...]) -> tuple[HotFolderSettings, ...]:
        if not folders:  # pydantic's own min_length also complains where the only folder has another problem
            raise ValueError("at least one hot folder is needed")
        return folders

    @property
    def background_pictures(self) -> tuple[Path, ...]:
        """Each once, in the order of the configuration."""
        pictures = (output.background_picture for folder in self.hot_folders for output in folder.outputs)
        return tuple(dict.fromkeys(picture for picture in pictures if picture is not None))

    @field_validator("state_dir")
    @classmethod
    def _state_dir_is_absolute(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise ValueError("must be an absolute path")
        return Path(os.path.normpath(path))

    @model_validator(mode="after")
    def _trees_do_not_overlap(self) -> Settings:
        problems = [*_repeated_names(self.hot_folders), *_overlaps(self)]
        if problems:
            raise ValueError("; ".join(problems))
        return self


def default_state_dir() -> Path:
    if directory := os.environ.get("STATE_DIRECTORY"):
        return Path(directory.split(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/bshm-watchd")
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(base) / "bshm-watchd"


def default_config_path() -> Path:
    """Where the configuration is looked for: the variable, the user's own, the system's."""
    if variable := os.environ.get("BSHM_WATCHD_CONFIG"):
        return Path(variable)
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    user = Path(base) / "bshm-watchd" / "config.yaml"
    return user if user.exists() else Path("/etc/bshm-watchd/config.yaml")


def load(path: Path) -> Settings:
    """Read and check a configuration file. Raises `ConfigError` with all its problems."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            [f"{path}: {error.strerror}; make one with: bshm-watchd init DIR, or name one with --config FILE"]
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8 text ({error.reason} at byte {error.start})"]) from error
    return parse(text, source=str(path))


def parse(text: str, source: str = "configuration") -> Settings:
    try:
        content = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506  (a subclass of SafeLoader)
    except RecursionError as error:
        raise ConfigError([f"{source}: not valid YAML: nested too deeply"]) from error
    except (yaml.YAMLError, *_NEARLY) as error:
        raise ConfigError([f"{source}: not valid YAML: {error}"]) from error
    if not isinstance(content, dict):
        raise ConfigError([f"{source}: must be a mapping with the keys version and hot_folders"])
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        raise ConfigError([f"{source}: {_explain(dict(item))}" for item in error.errors()]) from error


class _UniqueKeys(yaml.SafeLoader):
    """The safe loader, but a key that stands twice is an error instead of a silent overwrite."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str | int | float | bool) and key in seen:
                raise yaml.MarkedYAMLError(problem=f"key {key!r} stands twice", problem_mark=key_node.start_mark)
            if isinstance(key, str | int | float | bool):
                seen.add(key)
        return super().construct_mapping(node, deep)


def _repeated_names(folders: tuple[HotFolderSettings, ...]) -> list[str]:
    names = [folder.name for folder in folders]
    return [f"two hot folders are named {name}" for name in sorted({n for n in names if names.count(n) > 1})]


def output_root(folder: HotFolderSettings, output: OutputSettings) -> Path:
    """The fixed directory that an output's path starts from: the hot folder, or an absolute path's fixed part."""
    if not output.path.startswith("/"):
        return folder.path
    fixed = output.path.split("{", 1)[0]
    return Path(os.path.normpath(fixed.rsplit("/", 1)[0] or "/"))


def _overlaps(settings: Settings) -> list[str]:
    trees = [(f"hot_folders[{i}].path", folder.path) for i, folder in enumerate(settings.hot_folders)]
    problems = [
        f"{name} {path} lies inside {other_name} {other}: hot folders must be apart"
        for name, path in trees
        for other_name, other in trees
        if name != other_name and (path == other or other in path.parents)
    ]
    for name, path in trees:
        if settings.state_dir == path or path in settings.state_dir.parents:
            problems.append(f"state_dir {settings.state_dir} lies inside {name} {path}: choose another state_dir")
    for i, folder in enumerate(settings.hot_folders):
        for j, output in enumerate(folder.outputs):
            root = output_root(folder, output)
            inside = [p for _, p in trees if root != folder.path and (p == root or p / "drop" in [root, *root.parents])]
            if output.path.startswith("/") and inside:
                problems.append(f"hot_folders[{i}].outputs[{j}].path {output.path} lies inside {inside[0]}/drop")
    return problems


def _explain(item: dict[str, Any]) -> str:
    address = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
    if item["type"] == "extra_forbidden":
        return f"{address}: unknown key{_did_you_mean(item['loc'])}"
    if item["type"] == "missing":
        return f"{address}: missing"
    return f"{address}: {item['msg'].removeprefix('Value error, ')}".removeprefix(": ")


def _did_you_mean(location: tuple[Any, ...]) -> str:
    known = _keys_beside(location)
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known here: {', '.join(known)}"


def _keys_beside(location: tuple[Any, ...]) -> list[str]:
    sections: dict[tuple[str, ...], type[BaseModel]] = {
        (): Settings,
        ("model",): ModelSettings,
        ("batch",): BatchSettings,
        ("limits",): Limits,
        ("hot_folders",): HotFolderSettings,
        ("hot_folders", "outputs"): OutputSettings,
        ("hot_folders", "originals"): OriginalsSettings,
        ("hot_folders", "permissions"): PermissionSettings,
    }
    section = sections.get(tuple(part for part in location[:-1] if isinstance(part, str)))
    return list(section.model_fields) if section else []
