"""Two results held against each other: whether that makes sense, and each figure's verdict. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bshm_watchd.bench.results import QualityResult, SpeedResult
from bshm_watchd.bench.told import why_wrong
from bshm_watchd.bench.verdicts import THRESHOLD, Compared, Figure, compared
from bshm_watchd.errors import ConfigError

if TYPE_CHECKING:
    from bshm_watchd.bench.results import PictureQuality, SpeedOfSet, Stamp

    Either = SpeedResult | QualityResult
    Samples = Callable[[SpeedOfSet], Sequence[float]]
    OfPicture = Callable[[PictureQuality], float | None]

_ALL = "all scenes"
_FLOOR_SECONDS, _FLOOR_MIB = 0.001, 8.0  # what a machine's own unrest makes of nothing

_SPEED: tuple[tuple[Figure, Samples], ...] = (
    (Figure("photos/s in bursts", "/s", "more"), lambda one: [r.photos_per_second for r in one.rounds]),
    (Figure("drop to result less settling", "s", "less", _FLOOR_SECONDS), lambda one: _without_settling(one)),
    (Figure("matte, alone", "s", "less", _FLOOR_SECONDS), lambda one: one.matte_seconds),
    (Figure("claim to result in bursts", "s", "less", _FLOOR_SECONDS), lambda one: one.in_burst_seconds),
    (Figure("start to first result", "s", "less", _FLOOR_SECONDS), lambda one: one.first_result_seconds),
    (
        Figure("CPU a photo", "s", "less", _FLOOR_SECONDS),
        lambda one: [r.cpu_seconds / r.photos for r in one.rounds],
    ),
    (Figure("peak memory", "MiB", "less", _FLOOR_MIB), lambda one: [r.peak_mib for r in one.rounds]),
)  # fmt: skip
_QUALITY: tuple[tuple[Figure, OfPicture], ...] = (
    (Figure("SAD", "", "less", paired=True), lambda one: one.sad),
    (Figure("MSE", "", "less", paired=True), lambda one: one.mse),
    (Figure("MAD", "", "less", paired=True), lambda one: one.mad),
    (Figure("gradient", "", "less", paired=True), lambda one: one.gradient),
    (Figure("connectivity", "", "less", paired=True), lambda one: one.connectivity),
    (Figure("edge error", "", "less", paired=True), lambda one: edge_error(one.edge_psnr_db)),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """`figures`: in the order of the sets. `newly_failed`: pictures that had a matte and have none, or whose matte
    has become wrong about what is person. `notes`: what else differs, and may be why."""

    figures: list[Compared]
    newly_failed: list[str]
    notes: list[str]

    @property
    def is_worse(self) -> bool:
        return bool(self.newly_failed) or any(one.verdict == "regression" for one in self.figures)


def comparison(old: Either, new: Either, threshold: float = THRESHOLD, *, anyway: bool = False) -> Comparison:
    """Raises `ConfigError` where comparing makes no sense: never of two kinds, else unless it is wanted `anyway`."""
    if isinstance(old, SpeedResult) and isinstance(new, SpeedResult):
        obstacles, figures, failed = _obstacles_to_speed(old, new), list(_speed(old, new, threshold)), list[str]()
    elif isinstance(old, QualityResult) and isinstance(new, QualityResult):
        obstacles, figures = _obstacles_to_quality(old, new), list(_quality(old, new, threshold))
        failed = list(_newly_failed(old, new))
    else:
        raise ConfigError([f"one is of {old.kind}, the other of {new.kind}: compare two of one kind"])
    if obstacles and not anyway:
        advice = "measure both alike, or compare them all the same with `bench compare --anyway`"
        raise ConfigError([*obstacles, f"these results can't be compared; {advice}"])
    if not figures and not failed:
        raise ConfigError(["they have nothing in common to compare: measure both with the same photos"])
    return Comparison(figures, failed, [*obstacles, *_notes(old, new)])


# -- what differs --------------------------------------------------------------------------------------------


def _obstacles_to_speed(old: SpeedResult, new: SpeedResult) -> list[str]:
    before, now = old.stamp, new.stamp
    named = {one.name: one for one in old.sets}
    sets = [line for one in new.sets if one.name in named for line in _set_differs(named[one.name], one)]
    return [
        *_differs("machine", before.machine.key, now.machine.key),
        *_obstacles(before, now),
        *_differs("file system", old.file_system, new.file_system),
        *sets,
    ]


def _obstacles_to_quality(old: QualityResult, new: QualityResult) -> list[str]:
    """The machine is none: an alpha does not hang on how fast it was made."""
    before, now = (_pictures(one).keys() for one in (old, new))
    only = [f"only the {which} one has {'/'.join(name)}" for which, names in
            (("old", before - now), ("new", now - before)) for name in sorted(names)[:3]]  # fmt: skip
    named = {one.scene: one.photos_sha256 for one in old.scenes}
    scenes = [(one.scene, named[one.scene], one.photos_sha256) for one in new.scenes if one.scene in named]
    others = [line for scene, *both in scenes for line in _other_photos(f"{scene}: photos and mattes", *both)]
    return [*_obstacles(old.stamp, new.stamp), *only, *others]


def _obstacles(before: Stamp, now: Stamp) -> list[str]:
    return [
        *_differs("bundle", before.bundle, now.bundle),
        *_differs("precision", before.precision, now.precision),
        *_differs("device", before.device, now.device),
    ]


def _set_differs(old: SpeedOfSet, new: SpeedOfSet) -> Iterator[str]:
    yield from _differs(f"{new.name}: photos in a burst", str(old.photos), str(new.photos))
    yield from _differs(f"{new.name}: megapixels", f"{old.megapixels:.2f}", f"{new.megapixels:.2f}")
    yield from _differs(f"{new.name}: outputs", ", ".join(old.outputs), ", ".join(new.outputs))
    yield from _other_photos(f"{new.name}: photos", old.photos_sha256, new.photos_sha256)
    yield from _differs(f"{new.name}: settling, s", f"{old.settle_seconds:g}", f"{new.settle_seconds:g}")


def _other_photos(what: str, old: str, new: str) -> list[str]:
    """None where either is not known."""
    return _differs(f"{what}, sha256", _short(old), _short(new)) if old and new else []


def _notes(old: Either, new: Either) -> Iterator[str]:
    """What may be why figures differ, and is nothing against comparing them."""
    before, now = old.stamp, new.stamp
    yield from _differs("version", before.version, now.version)
    yield from _differs("commit", before.commit or "unknown", now.commit or "unknown")
    yield from _differs("runtime", before.runtime, now.runtime)
    yield from _differs("kernel", before.machine.kernel, now.machine.kernel)
    yield from _differs("Python", before.machine.python, now.machine.python)
    for name in sorted(before.networks.keys() | now.networks.keys()):
        yield from _differs(f"network {name}", _short(before.networks.get(name)), _short(now.networks.get(name)))
    for name in sorted(before.libraries.keys() | now.libraries.keys()):
        yield from _differs(name, before.libraries.get(name, "none"), now.libraries.get(name, "none"))
    if isinstance(old, SpeedResult) and isinstance(new, SpeedResult):
        both = {one.name for one in old.sets}, {one.name for one in new.sets}
        yield from (f"{name}: not in both, left out" for name in sorted(both[0] ^ both[1]))


def _short(sha256: str | None) -> str:
    return "none" if sha256 is None else sha256[:12]


def _differs(what: str, old: str, new: str) -> list[str]:
    return [] if old == new else [f"{what}: {old} before, {new} now"]


# -- figures -------------------------------------------------------------------------------------------------


def _speed(old: SpeedResult, new: SpeedResult, threshold: float) -> Iterator[Compared]:
    named = {one.name: one for one in old.sets}
    for measured in new.sets:
        if (before := named.get(measured.name)) is None:
            continue
        for figure, samples in _SPEED:
            if samples(before) and samples(measured):
                yield compared(measured.name, figure, samples(before), samples(measured), threshold)


def _without_settling(one: SpeedOfSet) -> list[float]:
    """A constant part would make what grows beside it look small."""
    return [seconds - one.settle_seconds for seconds in one.drop_to_result_seconds]


def _quality(old: QualityResult, new: QualityResult, threshold: float) -> Iterator[Compared]:
    """Each scene for itself, and where there are several all of them together."""
    scenes = [scene.scene for scene in new.scenes]
    places = [*scenes, *([_ALL] if len(scenes) > 1 else [])]
    before, now = _pictures(old), _pictures(new)
    for place in places:
        names = [name for name in now if name in before and place in (_ALL, name[0])]
        for figure, value in _QUALITY:
            pairs = [(value(before[name]), value(now[name])) for name in names]
            whole = [(was, found) for was, found in pairs if was is not None and found is not None]
            if whole:
                was, found = zip(*whole, strict=True)
                yield compared(place, figure, was, found, threshold)


def _newly_failed(old: QualityResult, new: QualityResult) -> Iterator[str]:
    before = _pictures(old)
    for name, picture in _pictures(new).items():
        if name in before and _fails_anew(before[name], picture):
            yield f"{'/'.join(name)}: {why_wrong(picture)}"


def _fails_anew(before: PictureQuality, now: PictureQuality) -> bool:
    lost = now.failed is not None and before.failed is None
    return lost or (now.is_wrong and not before.is_wrong)


def _pictures(result: QualityResult) -> dict[tuple[str, str], PictureQuality]:
    """By scene and name."""
    return {(scene.scene, picture.name): picture for scene in result.scenes for picture in scene.pictures}


def edge_error(psnr_db: float | None) -> float | None:
    """Root mean square of alpha's error in the edge band, 0 to 1: decibels can be neither averaged nor divided."""
    return None if psnr_db is None else float(10 ** (-psnr_db / 20))
