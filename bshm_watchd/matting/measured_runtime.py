"""`model.runtime: auto` where several runtimes fit: each is tried once, and the faster one is remembered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from bshm_watchd import logs
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.circumstances import Computed, changes, circumstances, cores
from bshm_watchd.matting.remembered import Remembered
from bshm_watchd.matting.runtimes import fitting_runtimes, precision_of

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.circumstances import Circumstances
    from bshm_watchd.matting.photo import Pixels

    Try = Callable[[Bundle, ModelSettings, Pixels], float]
    """Pictures a second of the runtime that the settings name; raises `ConfigError` where it can't compute any."""

FILE = "runtime.json"


class Chosen(BaseModel):
    """`found`: pictures a second of each runtime that computed; `failed`: why the others did not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runtime: str
    found: dict[str, float]
    failed: dict[str, str] = {}
    circumstances: dict[str, str]

    def told(self) -> str:
        """In words for people: `openvino 2.41 pictures/s, tensorflow 1.30 pictures/s`."""
        ran = [f"{name} {speed:.3g} pictures/s" for name, speed in self.found.items()]
        return ", ".join([*ran, *(f"{name} can't be used: {why}" for name, why in self.failed.items())])


def settled_runtime(
    bundle: Bundle,
    settings: ModelSettings,
    state_dir: Path,
    now: Circumstances | None = None,
    try_out: Try | None = None,
) -> ModelSettings:
    """The settings, with a runtime's name in place of `auto` where several fit the bundle on the settled device.

    `now`, `try_out`: the circumstances and what measures; None: those of this machine. Raises `ConfigError` with each
    reason where no runtime can compute the bundle.
    """
    fitting = fitting_runtimes(bundle, settings) if settings.runtime == "auto" else []
    if len(fitting) < 2:
        return settings
    question = _question(bundle, settings)
    now = now or circumstances(question) | cores()
    remembered = Remembered(state_dir, FILE)
    last = remembered.read(question.key, Chosen)
    if last is not None and last.runtime in fitting and not changes(last.circumstances, now):
        return _with_runtime(settings, last.runtime)
    why = "; ".join(changes(last.circumstances, now)) if last is not None else "they were not tried here before"
    logs.info("trying the runtimes, which is done once", bundle=bundle.manifest.name, because=why)
    chosen, whole = _measured(bundle, settings, fitting, now, try_out or _pictures_per_second)
    logs.info("runtime chosen", runtime=chosen.runtime, found=chosen.told())
    if whole:  # else it is tried again at the next start
        remembered.write(question.key, chosen)
    return _with_runtime(settings, chosen.runtime)


def remembered_runtime(bundle: Bundle, settings: ModelSettings, state_dir: Path) -> Chosen | None:
    """What was chosen at the last start, whatever changed since; None where nothing was, or nothing is to choose."""
    if settings.runtime != "auto" or len(fitting_runtimes(bundle, settings)) < 2:
        return None
    return Remembered(state_dir, FILE).read(_question(bundle, settings).key, Chosen)


def _question(bundle: Bundle, settings: ModelSettings) -> Computed:
    return Computed(bundle, "auto", precision_of(bundle, settings), settings.device)


def _measured(
    bundle: Bundle, settings: ModelSettings, fitting: list[str], now: Circumstances, try_out: Try
) -> tuple[Chosen, bool]:  # fmt: skip
    """The choice, and whether every runtime was tried to its end."""
    from bshm_watchd.matting.trial import TrialCutShort

    picture, whole = _picture(bundle), True
    settings = settings.model_copy(update={"precision": precision_of(bundle, settings)})
    found: dict[str, float] = {}
    failed: dict[str, str] = {}
    for name in fitting:
        try:
            found[name] = try_out(bundle, _with_runtime(settings, name), picture)
        except ConfigError as error:
            failed[name] = "; ".join(error.problems)
            whole = whole and not isinstance(error, TrialCutShort)
    if not found:
        raise ConfigError([f"model.runtime: {name} can't be used: {why}" for name, why in failed.items()])
    fastest = max(found, key=found.__getitem__)
    return Chosen(runtime=fastest, found=found, failed=failed, circumstances=dict(now)), whole


def _picture(bundle: Bundle) -> Pixels:
    """Noise of the middle one of the sizes that the network is warmed up for."""
    sizes = bundle.manifest.working_size.every
    height, width = sizes[len(sizes) // 2]
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def _pictures_per_second(bundle: Bundle, settings: ModelSettings, picture: Pixels) -> float:
    from bshm_watchd.matting.trial import Effort, tried

    measured = tried(bundle, settings, picture, Effort(throughput=True)).figures.pictures_per_second
    assert measured is not None
    return measured


def _with_runtime(settings: ModelSettings, name: str) -> ModelSettings:
    return settings.model_copy(update={"runtime": name})
