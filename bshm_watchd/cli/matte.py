"""`bshm-watchd matte`: single photos, through the running daemon's resident model, or a model that is loaded here."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bshm_watchd.cli import chosen
from bshm_watchd.cli.console import complain, print_json, say

if TYPE_CHECKING:
    from bshm_watchd.cli.matte_crew import Course
    from bshm_watchd.cli.matte_files import Errand
    from bshm_watchd.output_settings import OutputSettings

_EXIT_SOME_FAILED = 1
_KINDS = ("cutout", "matte", "composite", "trimap")
_EXTENSIONS = {"png": ".png", "webp": ".webp", "tiff": ".tif", "jpeg": ".jpg"}
_FORMATS = {".png": "png", ".webp": "webp", ".tif": "tiff", ".tiff": "tiff", ".jpg": "jpeg", ".jpeg": "jpeg"}
_A_PICTURE = "/a/picture"  # stands where a configuration has the path of a background; the picture is opened here


def matte(
    context: typer.Context,
    photos: Annotated[list[str], typer.Argument(metavar="IN", help="Photos, directories of photos, or - (stdin).")],
    output: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", metavar="OUT", help="A file for one photo, a directory for many, or - (stdout)."
        ),
    ] = None,
    kind: Annotated[
        str | None, typer.Option(metavar="KIND", help="cutout (the default), matte, composite or trimap.")
    ] = None,
    background: Annotated[
        str | None, typer.Option(metavar="COLOUR|FILE", help="Of a composite: '#ffffff', or a picture.")
    ] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", metavar="FORMAT", help="png, webp, tiff or jpeg; else as OUT's name says.")
    ] = None,
    quality: Annotated[int | None, typer.Option(min=1, max=100, metavar="N", help="Of a JPEG, 1 to 100.")] = None,
    strip_gps: Annotated[bool, typer.Option("--strip-gps", help="Leave out where the photo was taken.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over results that are there.")] = False,
    local: Annotated[bool, typer.Option("--local", help="Load the model here, even if the daemon runs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Cut people out of single photos, outside any hot folder.

    The running daemon does it with the model that it has loaded; where none runs, the model is loaded here. Of a
    directory all photos in it are taken (not those in directories below), in natural order; results are named by
    their photos: anna.jpg becomes anna.png, and anna.tif beside it anna~2.png.

    Exit code 0 when all results are there, 1 when some photos failed, 75 when the daemon can't do it right now.

    \b
    Examples:
      bshm-watchd matte anna.jpg -o anna.png
      bshm-watchd matte shoot/ -o cut/ --format webp
      bshm-watchd matte *.jpg -o white/ --background '#ffffff' --format jpeg
      bshm-watchd matte anna.jpg -o alpha.png --kind matte --json
      curl -s https://example.org/anna.jpg | bshm-watchd matte - > anna.png
    """
    from bshm_watchd.cli import matte_files
    from bshm_watchd.cli.matte_crew import Crew, shown_course
    from bshm_watchd.cli.matte_ways import Means, open_way
    from bshm_watchd.clock import SystemClock

    output = _checked_output(output, photos, as_json=as_json)
    picture = background if background is not None and not background.startswith("#") else None
    wanted = _wanted(kind, _A_PICTURE if picture else background, quality, _format(file_format, output), strip_gps)
    extension = os.path.splitext(wanted.path)[1]
    errands = matte_files.errands(matte_files.photos_in(photos), output, extension, force=force)
    means = Means.of(chosen.settings_if_any(context))
    with _opened_background(picture) as background_fd, open_way(means, local=local) as way:
        if output.endswith("/"):
            os.makedirs(output, exist_ok=True)
        clock = SystemClock()
        started = clock.monotonic()
        crew = Crew(way, wanted, background_fd, means.limits.max_file_bytes, clock)
        with shown_course(len(errands)) as note, _said_interrupted():
            course = crew.work_off(errands, force=force, note=note)
        seconds = clock.monotonic() - started
        through = way.through
    code = _exit_code(course)
    if as_json:
        places = {errand: place for place, errand in enumerate(errands)}
        outcomes = sorted(course.outcomes, key=lambda outcome: places[outcome.errand])
        print_json({"exit": code, "photos": [outcome.as_json(through) for outcome in outcomes]})
    elif output != matte_files.STANDARD:
        _say_end(course, errands, seconds, through)
    if course.end is not None:
        complain(str(course.end))
    raise typer.Exit(code)


def _checked_output(output: str | None, photos: list[str], *, as_json: bool) -> str:
    """Where to; standard input alone goes to standard output unless another place is named."""
    from bshm_watchd.cli.matte_files import STANDARD, refuse_missing_directory

    if output is None and photos != [STANDARD]:
        raise typer.BadParameter("say where the results go: -o OUT (a file, a directory with / at its end, or -)")
    chosen_output = output or STANDARD
    if chosen_output == STANDARD and as_json:
        raise typer.BadParameter("--json and the picture can't both go to standard output; name a file with -o")
    if chosen_output == STANDARD and sys.stdout.isatty():
        raise typer.BadParameter("standard output is a terminal; name a file with -o, or send it on with > or |")
    refuse_missing_directory(chosen_output)
    return chosen_output


def _format(named: str | None, output: str) -> str:
    from bshm_watchd.cli.matte_files import STANDARD, is_directory

    if named is not None:
        chosen.one_of(named, _EXTENSIONS, "format")
    if output == STANDARD or is_directory(output):
        return named or "png"
    by_name = _FORMATS.get(os.path.splitext(output)[1].lower())
    if by_name is None:
        raise typer.BadParameter(f"{output!r} must end in one of {', '.join(_FORMATS)}; a directory's name in /")
    if named not in (None, by_name):
        raise typer.BadParameter(f"{output!r} is the name of a {by_name} file; leave out --format {named}")
    return by_name


def _wanted(
    kind: str | None, background: str | None, quality: int | None, file_format: str, strip_gps: bool
) -> OutputSettings:
    from pydantic import ValidationError

    from bshm_watchd.output_settings import OutputSettings

    kind = chosen.one_of(kind or ("composite" if background else "cutout"), _KINDS, "kind")
    keys: dict[str, Any] = {
        "kind": kind, "path": "{stem}" + _EXTENSIONS[file_format], "background": background, "quality": quality,
        "strip_gps": strip_gps,
    }  # fmt: skip
    try:
        return OutputSettings(**keys)
    except ValidationError as error:
        problems = [item["msg"].removeprefix("Value error, ") for item in error.errors()]
        raise typer.BadParameter("; ".join(problems)) from error


@contextlib.contextmanager
def _opened_background(path: str | None) -> Iterator[int | None]:
    if path is None:
        yield None
        return
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise typer.BadParameter(f"--background {path}: {error.strerror}; a colour is written as '#ffffff'") from error
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _said_interrupted() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        complain("interrupted: each result that is there is whole")
        raise


def _exit_code(course: Course) -> int:
    from bshm_watchd.ops.asking import exit_code_of

    if course.end is not None:
        return exit_code_of(course.end)
    return _EXIT_SOME_FAILED if course.failed else 0


def _say_end(course: Course, errands: list[Errand], seconds: float, through: str) -> None:
    made = [outcome for outcome in course.outcomes if outcome.problem is None]
    by = "by the running daemon" if through == "daemon" else "with the model loaded here"
    if len(errands) == 1 and made:
        facts = made[0].facts or {}
        size = f"{facts['width']} x {facts['height']} pixels, {facts['coverage']:.0%} person"
        say(f"{made[0].errand.target}: {size}, {seconds:.2f} s {by}")
    elif len(errands) > 1:
        say(f"{len(made)} of {len(errands)} results made, {len(made) / seconds:.1f} photos/s {by}")
