"""`bshm-watchd model import`: a bundle made of a network that somebody brings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bshm_watchd.cli import chosen
from bshm_watchd.cli.console import complain, print_table, say
from bshm_watchd.cli.interrupts import interruptible

if TYPE_CHECKING:
    from bshm_watchd.matting.bshm.examine import Reading
    from bshm_watchd.matting.bshm.importing import Compared, Imported

_MIB_TOLD_AT = (1280, 1920)


def import_(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The bundle's name from now on; a bundle of this name is replaced.")],
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A frozen graph (.pb), a SavedModel's directory, or an .onnx file.")
    ],
    input_name: Annotated[str | None, typer.Option("--input", help="Its input; else BSHM's, input_image.")] = None,
    output_name: Annotated[str | None, typer.Option("--output", help="Its output; else BSHM's, output_png.")] = None,
    licence: Annotated[str, typer.Option(help="What its source says; kept in the bundle.")] = "not known",
    source: Annotated[str, typer.Option(help="Where the file is from; kept in the bundle.")] = "brought by the user",
    stride: Annotated[int, typer.Option(help="Sides of pictures are made multiples of it.", min=1, max=256)] = 32,
) -> None:
    """Make a bundle of a network with BSHM's contract: a whole picture in, its alpha of the same size out.

    The file is looked through (what reads files or calls scripts is refused), a portrait is run through it to find its
    value range and channel order, it is bound to a batch and compared with single calls, and every precision that this
    machine knows is compared with f32. Takes a minute or two; use it with `model: {bundle: NAME}`.

    Example: bshm-watchd model import bshm tf_graph.pb

    Example: bshm-watchd model import ours export.onnx --output alpha --licence "our own"
    """
    from bshm_watchd.matting.bshm.importing import Wanted, import_network
    from bshm_watchd.matting.manifest import NAME, BucketedSize

    if not re.fullmatch(NAME, name):
        raise typer.BadParameter(
            "a bundle's name has small letters, digits, . _ and -, and begins with a letter or digit"
        )
    state_dir, model, _ = chosen.model_and_limits(context)
    chosen.make_state_dir(state_dir)
    size = BucketedSize(rule="buckets", longest_side=1920 // stride * stride, stride=stride)
    wanted = Wanted(file, name, input_name, output_name, licence, source, size)
    with interruptible():
        imported = import_network(wanted, state_dir, complain, model.device)
    _tell(imported)


def _tell(imported: Imported) -> None:
    looked, manifest = imported.looked, imported.bundle.manifest
    say(f"{manifest.name} is ready in {imported.bundle.directory} (licence: {manifest.licence})")
    for file in manifest.networks:
        say(f"  {file.path}  sha256 {file.sha256}")
    _tell_readings(looked.readings, plausible=looked.plausible)
    if looked.no_batch is not None:
        say(f"  batches: none, every picture is computed by itself: {looked.no_batch}")
    elif looked.batch is not None:
        say(f"  batches: alpha differs by {looked.batch.difference:.1g} from single calls")
    _tell_memory(imported)
    _tell_compared(imported.compared)


def _tell_readings(readings: tuple[Reading, ...], *, plausible: bool) -> None:
    believed, *others = readings
    say(f"  fed with {_fed(believed)}: alpha differs by {believed.difference:.3f} from a known portrait's")
    say(f"  (with {', '.join(f'{_fed(one)}: {one.difference:.3f}' for one in others)})")
    if not plausible:
        complain("it does not find the person in a plain portrait: is it the right file, and made for portraits?")


def _fed(reading: Reading) -> str:
    return f"{reading.input.channels.upper()} up to {reading.input.white}"


def _tell_memory(imported: Imported) -> None:
    height, width = _MIB_TOLD_AT
    each = imported.mib_per_megapixel
    say(f"  memory: {each:.0f} MiB a megapixel, {each * height * width / 1e6:.0f} MiB for {width} x {height}")


def _tell_compared(compared: tuple[Compared, ...]) -> None:
    rows = [
        [one.runtime, one.device, one.precision, "", "", "", one.why_not]
        if one.why_not is not None
        else [one.runtime, one.device, one.precision, f"{one.seconds:.3f}", f"{one.mean:.4f}", f"{one.largest:.3f}", ""]
        for one in compared
    ]
    print_table(("runtime", "device", "precision", "s a picture", "alpha: mean", "largest", "not here, because"), rows)
