"""`bshm-watchd bench speed`: the daemon as it is configured, measured with photos in places of its own."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bshm_watchd.bench.effort import BY_DEFAULT, Effort
from bshm_watchd.cli import chosen
from bshm_watchd.cli.bars import bars
from bshm_watchd.cli.console import complain, print_json, say
from bshm_watchd.cli.interrupts import interruptible
from bshm_watchd.cli.speed_tables import print_speed

if TYPE_CHECKING:
    from bshm_watchd.bench.photo_set import PhotoSet, Told
    from bshm_watchd.bench.results import SpeedResult
    from bshm_watchd.bench.speed import Subject
    from bshm_watchd.config import HotFolderSettings, Settings

_PREFIX = "bshm-watchd-bench-"
_IN_MEMORY = ("tmpfs", "ramfs")


def speed(
    context: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Photos of your own; else built ones of 1080p and 24 MP.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", dir_okay=False, help="Keep the result in FILE.")
    ] = None,
    photos: Annotated[int, typer.Option(min=1, max=1000, metavar="N", help="Photos in a burst.")] = BY_DEFAULT.photos,
    rounds: Annotated[int, typer.Option(min=1, max=100, metavar="N", help="Bursts that count.")] = BY_DEFAULT.rounds,
    lone: Annotated[
        int, typer.Option(min=1, max=1000, metavar="N", help="Photos that are dropped alone.")
    ] = BY_DEFAULT.lone,
    cold: Annotated[int, typer.Option(min=1, max=100, metavar="N", help="Starts that count.")] = BY_DEFAULT.cold,
    large: Annotated[bool, typer.Option("--large", help="Built photos of 45 MP, too.")] = False,
    on: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            resolve_path=True,
            help="A directory on the disk to measure with; else the one for temporary files.",
        ),
    ] = None,
    folder: Annotated[
        str | None, typer.Option(metavar="NAME", help="The hot folder whose settings count; else the first one.")
    ] = None,
    bundle: Annotated[
        str | None, typer.Option(metavar="NAME", help="Another bundle than the configured one, by name or path.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="P", help="Another precision than the configured one: f32, bf16, fp16, int8.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
) -> None:
    """Measure how fast the daemon is on this machine, with this configuration.

    The real daemon runs in a process of its own, with a hot folder and a state directory made for it alone: yours are
    not touched. It is started cold, given photos one by one, then many at once. What comes first never counts: the
    first start, the first lone photo, the first burst. Have the machine do nothing else meanwhile.

    \b
    Examples:
      bshm-watchd bench speed                              some minutes
      bshm-watchd bench speed shoot/ -o today.json         with your own photos
      bshm-watchd bench speed --on /srv/hot -o disk.json   on the disk that your hot folders are on
      bshm-watchd bench compare before.json today.json
    """
    from bshm_watchd.bench.result_files import keep, refuse_unfit

    if output is not None:
        refuse_unfit(output, "speed")
    subject = _subject(_settings(context, bundle, precision), folder)
    effort = Effort(photos=photos, rounds=rounds, lone=lone, cold=cold)
    with interruptible():
        result = _measured(subject, effort, directory, large, on or Path(tempfile.gettempdir()))
    if as_json:
        print_json(result.model_dump(mode="json"))
    else:
        print_speed(result)
        say(f"\n{_what_next(output)}")
    if output is not None:
        keep(output, result)


def _what_next(output: Path | None) -> str:
    if output is None:
        return "not kept: -o FILE keeps it, to be compared with later ones"
    return f"kept in {output}; compare with a later one: bshm-watchd bench compare {output} LATER"


def _settings(context: typer.Context, bundle: str | None, precision: str | None) -> Settings:
    from bshm_watchd.bench.measured_settings import without_configuration
    from bshm_watchd.bench.speed import with_model
    from bshm_watchd.config import default_state_dir

    found = chosen.settings_if_any(context) or without_configuration(default_state_dir())
    return with_model(found, bundle=bundle, precision=precision)


def _subject(settings: Settings, folder: str | None) -> Subject:
    """Raises `ConfigError` where the bundle is missing, damaged, or can't be computed as it is set."""
    from bshm_watchd.bench.speed import Subject
    from bshm_watchd.matting.bundle import configured_bundle
    from bshm_watchd.matting.devices.opening import choose_device
    from bshm_watchd.matting.runtimes import precision_of

    bundle = configured_bundle(settings.model, settings.state_dir)
    bundle.refuse_damage()
    device = choose_device(bundle, settings.model)
    precision_of(bundle, device.settled(settings.model))
    return Subject(settings, _folder(settings, folder), bundle, device)


def _folder(settings: Settings, name: str | None) -> HotFolderSettings:
    if name is None:
        return settings.hot_folders[0]
    chosen.one_of(name, [folder.name for folder in settings.hot_folders], "hot folder")
    return next(folder for folder in settings.hot_folders if folder.name == name)


def _measured(subject: Subject, effort: Effort, photos: Path | None, large: bool, on: Path) -> SpeedResult:
    own = [_own(photos, effort)] if photos is not None else None
    with bars() as told:
        return _with_daemon(subject, effort, on, told, lambda base: own or _built(large, base, effort, told))


def sets_to_measure(context: typer.Context, sets: Sequence[Path], on: Path, told: Told) -> Callable[[], SpeedResult]:
    """What measures a set of each directory's photos, with the configured model and the effort of `bench speed`.

    Below `on`. Raises `ConfigError` where the model or the photos are not fit for it.
    """
    subject = _subject(_settings(context, None, None), None)
    own = [_own(directory, BY_DEFAULT) for directory in sets]
    return lambda: _with_daemon(subject, BY_DEFAULT, on.resolve(), told, lambda _: own)


def _with_daemon(
    subject: Subject, effort: Effort, on: Path, told: Told, sets_in: Callable[[Path], Iterable[PhotoSet]]
) -> SpeedResult:
    """`sets_in`: gives the sets, some of them built below the directory that it gets."""
    from bshm_watchd.bench.results import SpeedResult
    from bshm_watchd.bench.speed import SpeedBench, stamp_now
    from bshm_watchd.intake.file_systems import file_system

    where = file_system(str(on)).type
    _warn(on, where)
    with _directory_on(on) as base:
        bench = SpeedBench(subject, base / "measured", effort, told)
        bench.directory.mkdir()
        found = [bench.measured(one) for one in sets_in(base)]
        return SpeedResult(stamp=stamp_now(subject, bench.directory), sets=found, file_system=where)


def _built(large: bool, base: Path, effort: Effort, told: Told) -> Iterator[PhotoSet]:
    """Each when its turn comes."""
    from bshm_watchd.bench.photo_set import LARGE, SIZES, built_set

    for size in (*SIZES, LARGE) if large else SIZES:
        built = base / size.name
        built.mkdir()
        yield built_set(built, size, effort.photos, told)


def _own(directory: Path, effort: Effort) -> PhotoSet:
    """Says what is odd with them."""
    from bshm_watchd.bench.photo_set import own_set

    photos = own_set(directory)
    for line in photos.left_out:
        complain(f"left out: {line}")
    if (count := len(photos.photos)) < effort.photos:
        complain(f"{count} of your photos in a burst of {effort.photos}: they are repeated under other names")
    return photos


@contextlib.contextmanager
def _directory_on(place: Path) -> Iterator[Path]:
    """Of its own, and gone afterwards. Raises `ConfigError` for whatever its disk refuses."""
    from bshm_watchd.errors import ConfigError

    try:
        with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=place) as base:
            yield Path(base)
    except OSError as error:
        advice = "measure where there is room and this user may write: `bench speed --on DIR`"
        raise ConfigError([f"{error.filename or place}: {error.strerror}; {advice}"]) from error


def _warn(on: Path, where: str) -> None:
    if where in _IN_MEMORY:
        complain(f"{on} is in memory ({where}): syncing costs nothing there; measure on a disk: `bench speed --on DIR`")
    busy, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if busy > cores / 2:
        complain(f"the machine is busy (load average {busy:.1f}, {cores} cores): measure again when it is idle")
