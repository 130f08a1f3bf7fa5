"""What the command line of `matte` asks for. All that makes no sense is a usage error, before any work."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast, get_args

import typer

from bshm_watchd.cli import chosen
from bshm_watchd.cli.matte_files import STANDARD, is_directory, refuse_unusable
from bshm_watchd.logs import shown

if TYPE_CHECKING:
    from bshm_watchd.output_settings import FileFormat, OutputSettings


def checked_output(output: str | None, photos: list[str], *, as_json: bool) -> str:
    """Where to; standard input alone goes to standard output unless another place is named."""
    if output == "" or (output is None and photos != [STANDARD]):
        raise typer.BadParameter("say where the results go: -o OUT (a file, a directory with / at its end, or -)")
    chosen_output = output or STANDARD
    if chosen_output == STANDARD:
        _refuse_unfit_standard(as_json=as_json)
    refuse_unusable(chosen_output)
    return chosen_output


def _refuse_unfit_standard(*, as_json: bool) -> None:
    if as_json:
        raise typer.BadParameter("--json and the picture can't both go to standard output; name a file with -o")
    if sys.stdout.isatty():
        raise typer.BadParameter("standard output is a terminal; name a file with -o, or send it on with > or |")


def file_format(named: str | None, output: str) -> FileFormat:
    """By the name of the output, or as was said."""
    from bshm_watchd.output_settings import EXTENSIONS, FORMATS

    if named is not None:
        chosen.one_of(named, EXTENSIONS, "format")
    if output == STANDARD or is_directory(output):
        return cast("FileFormat", named or "png")
    by_name = FORMATS.get(os.path.splitext(output)[1].lower())
    if by_name is None:
        raise typer.BadParameter(f"{shown(output)} must end in one of {', '.join(FORMATS)}; a directory's name in /")
    if named not in (None, by_name):
        raise typer.BadParameter(f"{shown(output)} is the name of a {by_name} file; leave out --format {named}")
    return by_name


def output_settings(
    kind: str | None, background: str | None, quality: int | None, wanted_format: FileFormat, *, strip_gps: bool
) -> OutputSettings:
    from bshm_watchd.output_settings import OutputKind, output_of

    known: tuple[OutputKind, ...] = get_args(OutputKind)
    sure_kind = cast("OutputKind", chosen.one_of(kind or ("composite" if background else "cutout"), known, "kind"))
    _refuse_misfits(sure_kind, background, wanted_format)
    on_picture = is_picture(background)
    colour = None if on_picture else background
    try:
        return output_of(
            sure_kind, wanted_format, colour=colour, on_picture=on_picture, quality=quality, strip_gps=strip_gps
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _refuse_misfits(kind: str, background: str | None, wanted_format: str) -> None:
    """What would be told in a configuration's words otherwise."""
    from bshm_watchd.output_settings import is_colour

    if background is not None and not is_picture(background) and not is_colour(background):
        raise typer.BadParameter(f"--background {shown(background)}: a colour has six digits, such as '#ffffff'")
    if kind == "composite" and not background:
        raise typer.BadParameter("a composite needs a background: --background '#ffffff', or --background PICTURE")
    if kind != "composite" and wanted_format == "jpeg":
        raise typer.BadParameter(
            f"a {kind} must not lose a value: write it as .png, .webp or .tif; or a JPEG of people on a background: "
            "--background '#ffffff' (that is --kind composite)"
        )


def is_picture(background: str | None) -> bool:
    """Whether a background is the path of a picture, not a colour."""
    return background is not None and not background.startswith("#")


@contextlib.contextmanager
def opened_background(background: str | None) -> Iterator[int | None]:
    if background is None or not is_picture(background):
        yield None
        return
    try:
        fd = os.open(background, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        message = f"--background {shown(background)}: {error.strerror}; a colour is written as '#ffffff'"
        raise typer.BadParameter(message) from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise typer.BadParameter(f"--background {shown(background)}: that is no file; name a picture, or '#ffffff'")
        yield fd
    finally:
        os.close(fd)
