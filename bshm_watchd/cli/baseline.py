"""What was measured once, kept in a file, and whether it is still so: the comparison is pure."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bshm_watchd.cli.measuring import Measured, Setup, told
from bshm_watchd.errors import ConfigError

VERSION = 1
TIMES_AT_MOST = 1.3
MEMORY_AT_MOST = 1.2
# Between two runs of a process that does nothing differently: no share of such short times says anything.
_NOISE_SECONDS = 0.010
_NOISE_MIB = 16.0

_Seconds = Annotated[float, Field(gt=0, lt=1e6)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figures(_Part):
    ready_seconds: _Seconds
    first_seconds: _Seconds
    steady_seconds: _Seconds
    resident_mib: Annotated[float, Field(gt=0, lt=1e9)]


class Baseline(_Part):
    """`made`: when (ISO 8601). `versions`: of all that has one, by name; None where it was not known."""

    kind: Literal["bshm-watchd doctor baseline"] = "bshm-watchd doctor baseline"
    version: Literal[1] = 1
    made: str
    setup: Setup
    figures: Figures
    versions: dict[str, str | None]


def baseline(measured: Measured, versions: dict[str, str | None], made: str) -> Baseline:
    figures = Figures(
        ready_seconds=round(measured.ready_seconds, 4),
        first_seconds=round(measured.first_seconds, 4),
        steady_seconds=round(measured.steady_seconds, 4),
        resident_mib=round(measured.resident_mib, 1),
    )
    return Baseline(made=made, setup=measured.setup, figures=figures, versions=versions)


# -- the comparison ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    """`outside`: the baseline does not hold; `note`: it does, and this is worth knowing; `ok`: as it was, or better."""

    level: Literal["ok", "note", "outside"]
    subject: str
    message: str


def differences(stored: Baseline, now: Baseline, times_at_most: float = TIMES_AT_MOST) -> list[Difference]:
    """One for each thing that differs, and one for each figure. Faster or smaller is never outside."""
    return [*_setup(stored.setup, now.setup), *_figures(stored, now, times_at_most), *_versions(stored, now)]


def is_outside(found: list[Difference]) -> bool:
    return any(one.level == "outside" for one in found)


def may_be_noise(found: list[Difference]) -> bool:
    """Whether only figures are outside, which another measurement may bring back."""
    outside = [one.subject for one in found if one.level == "outside"]
    return bool(outside) and set(outside) <= _FIGURES


_FIGURES = {"each later photo", "first photo", "until it is ready", "resident memory"}
_EXACT = (
    ("bundle", "bundle"), ("device", "device"), ("device_name", "name of the device"), ("cores", "cores"),
    ("runtime", "runtime"), ("precision", "precision"), ("batch", "largest batch"), ("working_size", "working size"),
)  # fmt: skip


def _setup(stored: Setup, now: Setup) -> Iterator[Difference]:
    for field, subject in _EXACT:
        was, found = getattr(stored, field), getattr(now, field)
        if was != found:
            yield Difference("outside", subject, f"{found}, stored is {was}")
    for name in sorted(stored.networks.keys() | now.networks.keys()):
        if stored.networks.get(name) != now.networks.get(name):
            yield Difference(
                "outside", "network", f"{name} {_changed(stored.networks.get(name), now.networks.get(name))}"
            )


def _changed(was: str | None, found: str | None) -> str:
    if was is None:
        return "is new"
    return "is not used any more" if found is None else f"is another file: sha256 {found[:12]}, stored is {was[:12]}"


def _figures(stored: Baseline, now: Baseline, times_at_most: float) -> Iterator[Difference]:
    was, found = stored.figures, now.figures
    yield _timed("each later photo", was.steady_seconds, found.steady_seconds, times_at_most)
    yield _timed("first photo", was.first_seconds, found.first_seconds, times_at_most)
    ready = _timed("until it is ready", was.ready_seconds, found.ready_seconds, times_at_most)
    # It depends on what the system has of the files in memory, and nobody waits for it but once.
    yield Difference("note", ready.subject, ready.message) if ready.level == "outside" else ready
    allowed = max(was.resident_mib * MEMORY_AT_MOST, was.resident_mib + _NOISE_MIB)
    message = f"{found.resident_mib:.0f} MiB, stored is {was.resident_mib:.0f} MiB"
    if found.resident_mib > allowed:
        message += f": {found.resident_mib / was.resident_mib:.2f} times as much, allowed are {MEMORY_AT_MOST:g}"
    yield Difference("outside" if found.resident_mib > allowed else "ok", "resident memory", message)


def _timed(subject: str, was: float, found: float, at_most: float) -> Difference:
    message = f"{told(found)}, stored is {told(was)}"
    if found > max(was * at_most, was + _NOISE_SECONDS):
        return Difference("outside", subject, f"{message}: {found / was:.2f} times as long, allowed are {at_most:g}")
    if was > max(found * at_most, found + _NOISE_SECONDS):
        return Difference("ok", subject, f"{message}: {was / found:.2f} times as fast")
    return Difference("ok", subject, message)


def _versions(stored: Baseline, now: Baseline) -> Iterator[Difference]:
    """Told, and never outside: an upgrade that computes the same as fast is none of this command's business."""
    for name in sorted(stored.versions.keys() | now.versions.keys()):
        was, found = stored.versions.get(name), now.versions.get(name)
        if was != found:
            yield Difference("note", f"version of {name}", f"{found or 'not here'}, stored is {was or 'not there'}")


# -- the file ------------------------------------------------------------------------------------------------


def read(path: Path) -> Baseline:
    """Raises `ConfigError` that says what to do where it is none, or another version's; `OSError` where it can't."""
    anew = f"make one on this machine with: bshm-watchd doctor --store {path}"
    try:
        content: Any = json.loads(path.read_bytes())
    except ValueError as error:
        raise ConfigError([f"{path}: not JSON ({error}): damaged, or no baseline; {anew}"]) from error
    if not isinstance(content, dict) or content.get("kind") != Baseline.model_fields["kind"].default:
        raise ConfigError([f"{path}: is no baseline of this command; {anew}"])
    if content.get("version") != VERSION:
        what = f"{path}: a baseline of version {content.get('version')}, this program knows {VERSION}"
        raise ConfigError([f"{what}; {anew}"])
    try:
        return Baseline.model_validate(content)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise ConfigError([f"{path}: {where}: {error.errors()[0]['msg']}; {anew}"]) from error


def write(path: Path, content: Baseline) -> None:
    """Whole or not at all. Raises `OSError` where the place does not take it."""
    new = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        new.write_text(json.dumps(content.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def refuse_unfit(path: Path) -> None:
    """Raises `ConfigError` where a baseline can't be put: no such directory, no right, or somebody else's file."""
    if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise ConfigError([f"{path}: its directory is missing, or not writable for this user; name another file"])
    if not path.exists():
        return
    try:
        content: Any = json.loads(path.read_bytes())
        if content["kind"] == Baseline.model_fields["kind"].default:
            return
    except (OSError, ValueError, TypeError, KeyError):
        pass  # what can't be read is not ours
    raise ConfigError([f"{path}: stands there and is no baseline, so it is left alone; name another file"])
