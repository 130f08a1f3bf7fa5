"""What is made of each photo: one output's settings."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

_OUTPUT_FIELDS = {"relative_dir", "stem", "date"}
_OWN_NAMES = {"drop", ".bshm"}


class FrozenSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


def check_template(path: str, directory: str, allowed: set[str]) -> None:
    """Raises `ValueError` for a path, with `directory` its beginning, that names can't be filled into safely."""
    unknown = set(re.findall(r"{([^{}]*)}", path)) - allowed
    if unknown:
        raise ValueError(f"unknown field {{{sorted(unknown)[0]}}}; known are {', '.join(sorted(allowed))}")
    names = path.strip("/").split("/")
    if ".." in names or "\0" in path:
        raise ValueError("must not contain ..")
    if not path.startswith("/") and names[0] in _OWN_NAMES:
        raise ValueError(f"must not be below {names[0]}/: that directory is for the daemon's own use")
    if not path.startswith("/") and "{" in directory.split("/")[0]:
        raise ValueError("must begin with a directory of its own, such as results/: names could lead into drop/")
    if any(name.startswith(".bshm-") for name in names):
        raise ValueError("names that start with .bshm- are the daemon's own")


OutputKind = Literal["cutout", "matte", "composite", "trimap"]
FileFormat = Literal["png", "webp", "tiff", "jpeg"]
FORMATS: dict[str, FileFormat] = {
    ".png": "png", ".webp": "webp", ".tif": "tiff", ".tiff": "tiff", ".jpg": "jpeg", ".jpeg": "jpeg",
}  # fmt: skip
EXTENSIONS: dict[FileFormat, str] = {"png": ".png", "webp": ".webp", "tiff": ".tif", "jpeg": ".jpg"}
_BROUGHT = "/brought/with/the/photo"  # stands for the path of a picture that is open already; never opened
_COLOUR = re.compile("#[0-9a-fA-F]{6}")
_DEFAULT_QUALITY = 92


def is_colour(background: str) -> bool:
    return _COLOUR.fullmatch(background) is not None


class OutputSettings(FrozenSettings):
    kind: OutputKind
    path: str
    background: str | None = None
    quality: int | None = Field(None, ge=1, le=100)
    strip_gps: bool = False

    @property
    def format(self) -> FileFormat:
        """As the path's extension says."""
        return FORMATS[os.path.splitext(self.path)[1].lower()]

    @property
    def jpeg_quality(self) -> int:
        return _DEFAULT_QUALITY if self.quality is None else self.quality

    @property
    def background_colour(self) -> tuple[int, int, int] | None:
        """Red, green, blue; None where the background is a picture, or there is none."""
        if self.background is None or not _COLOUR.fullmatch(self.background):
            return None
        red, green, blue = bytes.fromhex(self.background[1:])
        return red, green, blue

    @property
    def background_picture(self) -> Path | None:
        if self.background is None or self.background_colour is not None:
            return None
        return Path(self.background)

    @field_validator("path")
    @classmethod
    def _path_is_a_template(cls, path: str) -> str:
        check_template(path, path.rpartition("/")[0], _OUTPUT_FIELDS)
        name = path.rsplit("/", 1)[-1]
        if os.path.splitext(name)[1].lower() not in FORMATS:
            raise ValueError(f"must end in one of {', '.join(FORMATS)}: the extension says the format")
        if "{stem}" not in name:
            raise ValueError("the file name must contain {stem}, else every photo would have the same result name")
        return path

    @field_validator("background")
    @classmethod
    def _background_is_one(cls, background: str | None) -> str | None:
        if background is None or background.startswith("/") or _COLOUR.fullmatch(background):
            return background
        raise ValueError('must be a colour such as "#ffffff" (in quotes), or the absolute path of a picture')

    @model_validator(mode="after")
    def _keys_fit_the_kind(self) -> OutputSettings:
        if self.kind == "composite" and self.background is None:
            raise ValueError('a composite needs a background: a colour such as "#ffffff", or the path of a picture')
        if self.kind != "composite" and self.background is not None:
            raise ValueError(f"background is for composites; a {self.kind} has none")
        if self.kind != "composite" and self.format == "jpeg":
            raise ValueError(f"a {self.kind} must not lose a value: write it as .png, .webp or .tif")
        if self.format != "jpeg" and self.quality is not None:
            raise ValueError("quality is for .jpg; the other formats lose nothing")
        return self


def output_of(
    kind: OutputKind, file_format: FileFormat, *, colour: str | None, on_picture: bool, quality: int | None,
    strip_gps: bool,
) -> OutputSettings:  # fmt: skip
    """Of a single photo; `on_picture`: it is put on a picture that comes with it. Raises `ValueError` with all why."""
    try:
        return OutputSettings(
            kind=kind, path="{stem}" + EXTENSIONS[file_format], background=_BROUGHT if on_picture else colour,
            quality=quality, strip_gps=strip_gps,
        )  # fmt: skip
    except ValidationError as error:
        problems = [item["msg"].removeprefix("Value error, ") for item in error.errors()]
        raise ValueError("; ".join(problems)) from error
