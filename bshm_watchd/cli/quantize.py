"""`bshm-watchd model quantize`: INT8 networks for a bundle, made and judged with photos of its user."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from bshm_watchd.cli import chosen
from bshm_watchd.cli.bars import bars
from bshm_watchd.cli.console import complain, say
from bshm_watchd.cli.interrupts import interruptible

if TYPE_CHECKING:
    from bshm_watchd.config import Limits
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.decoder import ChildDecoder
    from bshm_watchd.matting.photo import Photo
    from bshm_watchd.matting.quantize import Outcome

_NOTHING_PASSED = 1


def quantize(
    context: typer.Context,
    first: Annotated[
        str, typer.Argument(metavar="NAME", help="A bundle, by name or path; else the configured one is meant.")
    ],
    others: Annotated[
        list[str] | None, typer.Argument(metavar="PHOTOS", help="Photos, and directories of photos.")
    ] = None,
) -> None:
    """Make a bundle's networks INT8 with photos of yours, which is faster on CPUs; kept only where it is as good.

    30 photos at least, 300 are best (of more, 300 are taken, evenly): portraits as they will be cut out. Two of three
    are calibrated with; each third one judges: alpha may differ from that of f32 by .01 on average, by .05 at most.
    What does not pass is not installed (exit code 1), and nothing has changed. What passes is used with
    `precision: int8`. It takes minutes to an hour, and NNCF: pip install 'bshm-watchd[quantize]'.

    Example: bshm-watchd model quantize portrait /srv/hot/portraits/done

    Example: bshm-watchd model quantize shoot1/ shoot2/
    """
    from bshm_watchd.matting.bundle import find_bundle
    from bshm_watchd.matting.int8_install import refuse_unwritable
    from bshm_watchd.matting.int8_ways import quiet_nncf

    state_dir, model, limits = chosen.model_and_limits(context)
    name, photos = _name_and_photos(first, others or [], model.bundle)
    bundle = find_bundle(name, state_dir)
    bundle.refuse_damage()
    refuse_unwritable(bundle, state_dir / "models")
    quiet_nncf()
    with interruptible():
        outcome = _quantized(bundle, photos, limits)
    _tell(bundle, outcome)


def _name_and_photos(first: str, others: list[str], configured: str) -> tuple[str, list[str]]:
    """The first argument is a bundle's name, or path, unless it is there and is none. Raises a usage error."""
    from bshm_watchd.cli.matte_files import STANDARD, photos_in
    from bshm_watchd.matting.bundle import MANIFEST

    named = not os.path.exists(first) or os.path.exists(os.path.join(first, MANIFEST))
    name, sources = (first, others) if named else (configured, [first, *others])
    if not sources:
        raise typer.BadParameter("name photos, or directories of photos: bshm-watchd model quantize NAME DIR")
    if STANDARD in sources:
        raise typer.BadParameter("one photo on standard input (-) is too few")
    return name, list(dict.fromkeys(os.path.abspath(photo) for photo in photos_in(sources)))


def _quantized(bundle: Bundle, photos: list[str], limits: Limits) -> Outcome:
    from bshm_watchd.matting.decoder import ChildDecoder
    from bshm_watchd.matting.quantize import quantize as quantize_bundle

    decoding = ChildDecoder(1, limits.max_pixels, limits.decode_seconds, max_file_bytes=limits.max_file_bytes)
    with decoding as decoder, bars() as told:
        return quantize_bundle(bundle, photos, lambda path: _decoded(decoder, path), told)


def _decoded(decoder: ChildDecoder, path: str) -> Photo:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return decoder.decode(fd, os.fstat(fd).st_size)
    finally:
        os.close(fd)


def _tell(bundle: Bundle, outcome: Outcome) -> None:
    for line in outcome.lines:
        say(line)
    if outcome.record is None:
        complain("no way of making it INT8 passes: nothing was installed, f32 or bf16 stays")
        raise typer.Exit(_NOTHING_PASSED)
    say(f"{bundle.manifest.name} has its INT8 network in {bundle.directory}; use it with model.precision: int8")
