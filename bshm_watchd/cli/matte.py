"""`bshm-watchd matte`: single photos, through the running daemon's resident model, or a model that is loaded here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from bshm_watchd.cli import chosen
from bshm_watchd.cli.console import complain, print_json, say
from bshm_watchd.cli.interrupts import Interrupted, interruptible

if TYPE_CHECKING:
    from bshm_watchd.cli.matte_crew import Course
    from bshm_watchd.cli.matte_files import Errand

_EXIT_SOME_FAILED = 1


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
    try:
        with interruptible():
            code = _work(
                context, photos, output, kind, background, file_format, quality, strip_gps, force, local, as_json
            )
    except Interrupted:
        complain("interrupted: each result that is there is whole")
        raise
    raise typer.Exit(code)


def _work(
    context: typer.Context, photos: list[str], output: str | None, kind: str | None, background: str | None,
    file_format: str | None, quality: int | None, strip_gps: bool, force: bool, local: bool, as_json: bool,
) -> int:  # fmt: skip
    """Returns the exit code."""
    from bshm_watchd.cli import matte_files, matte_wanted
    from bshm_watchd.cli.matte_crew import Crew, shown_course
    from bshm_watchd.cli.matte_ways import Means, open_way
    from bshm_watchd.clock import SystemClock
    from bshm_watchd.output_settings import EXTENSIONS

    output = matte_wanted.checked_output(output, photos, as_json=as_json)
    sure_format = matte_wanted.file_format(file_format, output)
    wanted = matte_wanted.output_settings(kind, background, quality, sure_format, strip_gps=strip_gps)
    errands = matte_files.errands(matte_files.photos_in(photos), output, EXTENSIONS[sure_format], force=force)
    means = Means.of(chosen.settings_if_any(context))
    with matte_wanted.opened_background(background) as background_fd, open_way(means, local=local) as way:
        matte_files.make_directory(output)
        clock = SystemClock()
        started = clock.monotonic()
        crew = Crew(way, wanted, background_fd, means.limits.max_file_bytes, clock)
        with shown_course(len(errands)) as note:
            course = crew.work_off(errands, force=force, note=note)
        seconds = clock.monotonic() - started
        through = way.through
    code = _exit_code(course)
    if as_json:
        _print_json(course, errands, code, through)
    elif output != matte_files.STANDARD:
        _say_end(course, errands, seconds, through)
    if course.end is not None:
        complain(str(course.end))
    return code


def _exit_code(course: Course) -> int:
    from bshm_watchd.ops.asking import exit_code_of

    if course.end is not None:
        return exit_code_of(course.end)
    return _EXIT_SOME_FAILED if course.failed else 0


def _print_json(course: Course, errands: list[Errand], code: int, through: str) -> None:
    """In the order in which they were asked for."""
    places = {errand: place for place, errand in enumerate(errands)}
    outcomes = sorted(course.outcomes, key=lambda outcome: places[outcome.errand])
    print_json({"exit": code, "photos": [outcome.as_json(through) for outcome in outcomes]})


def _say_end(course: Course, errands: list[Errand], seconds: float, through: str) -> None:
    made = [outcome for outcome in course.outcomes if outcome.problem is None]
    by = "by the running daemon" if through == "daemon" else "with the model loaded here"
    if len(errands) == 1 and made:
        facts = made[0].facts or {}
        size = f"{facts['width']} x {facts['height']} pixels, {facts['coverage']:.0%} person"
        say(f"{made[0].errand.target}: {size}, {seconds:.2f} s {by}")
    elif len(errands) > 1:
        say(f"{len(made)} of {len(errands)} results made, {len(made) / seconds:.1f} photos/s {by}")
