"""What a new configuration would change, and whether a running daemon can take it over."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bshm_watchd.config import HotFolderSettings, Settings, load
from bshm_watchd.errors import ConfigError
from bshm_watchd.events import Reloaded

_MIB = 1 << 20
_SECTIONS_OF_THE_START = ("model", "batch", "limits")  # the model, its memory and the decoders are made from these


@dataclass(frozen=True, slots=True)
class Changes:
    """By folders' names. `changed` also tells which keys."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def anew(self) -> set[str]:
        """Those that begin anew: with other settings than before, or for the first time."""
        return {*self.added, *(name for name, _ in self.changed)}

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    def __str__(self) -> str:
        told = [
            *(f"{name}: {', '.join(keys)} changed" for name, keys in self.changed),
            *(f"{name}: added" for name in self.added),
            *(f"{name}: removed" for name in self.removed),
        ]
        return "; ".join([*told, "nothing else"]) if told else "nothing changed"


def changes(old: Settings, new: Settings) -> Changes:
    before = {folder.name: folder for folder in old.hot_folders}
    after = {folder.name: folder for folder in new.hot_folders}
    both = [name for name in after if name in before]
    keys = {name: _keys_that_differ(before[name], after[name]) for name in both}
    return Changes(
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
        tuple((name, keys[name]) for name in both if keys[name]),
    )


def read_anew(path: Path, running: Settings) -> Reloaded:
    """The file as it is now, or every reason why it can't take the place of the settings that run."""
    try:
        new = load(path)
    except ConfigError as error:
        return Reloaded(None, tuple(error.problems))
    found = [*_limits_problems_that_are_new(running, new), *_problems_of_the_start(running, new)]
    problems = [f"{path}: {problem}" for problem in found]
    return Reloaded(None if problems else new, tuple(problems))


def limits_problems(settings: Settings) -> list[str]:
    """Whether the largest allowed photo fits into what may be in flight."""
    needed, allowed = largest_photo_mib(settings), settings.limits.in_flight_mib
    if needed <= allowed:
        return []
    return [
        f"limits: a photo of limits.max_pixels ({settings.limits.max_pixels}) needs {needed} MiB, "
        f"limits.in_flight_mib allows {allowed}: raise in_flight_mib to {needed}, or lower max_pixels"
    ]


def largest_photo_mib(settings: Settings) -> int:
    """Of a square one: of all shapes its edge pass is the dearest; the rest depends on the number of pixels alone."""
    from bshm_watchd.delivery.render import cost_bytes

    outputs = [output for folder in settings.hot_folders for output in folder.outputs]
    side = math.isqrt(settings.limits.max_pixels - 1) + 1
    return -(-cost_bytes(side, side, outputs) // _MIB)


def _limits_problems_that_are_new(running: Settings, new: Settings) -> list[str]:
    """Limits that never fitted keep nobody from changing a folder: at the start they are only warned of by `check`."""
    is_worse = new.limits != running.limits or largest_photo_mib(new) > largest_photo_mib(running)
    return limits_problems(new) if is_worse else []


def _problems_of_the_start(running: Settings, new: Settings) -> Iterator[str]:
    for key, was, now in _values_of_the_start(running, new):
        if was != now:
            yield f"{key}: is {was} since the start and {now} in the file; restart the daemon for that, or put it back"


def _values_of_the_start(running: Settings, new: Settings) -> Iterator[tuple[str, Any, Any]]:
    yield "state_dir", running.state_dir, new.state_dir
    for section in _SECTIONS_OF_THE_START:
        before, after = getattr(running, section), getattr(new, section)
        for key in type(before).model_fields:
            yield f"{section}.{key}", getattr(before, key), getattr(after, key)


def _keys_that_differ(before: HotFolderSettings, after: HotFolderSettings) -> tuple[str, ...]:
    return tuple(key for key in type(before).model_fields if getattr(before, key) != getattr(after, key))
