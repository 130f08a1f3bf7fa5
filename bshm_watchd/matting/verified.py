"""Golden pictures looked at again whenever something changed that alpha hangs on: no upgrade changes it unnoticed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from bshm_watchd import logs
from bshm_watchd.clock import Clock, timestamp
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bundle import damage
from bshm_watchd.matting.circumstances import changes
from bshm_watchd.matting.golden import golden_found
from bshm_watchd.matting.remembered import Remembered
from bshm_watchd.matting.runtime import MattingFailed
from bshm_watchd.matting.runtimes import Precision

if TYPE_CHECKING:
    from bshm_watchd.matting.batcher import Batcher
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.circumstances import Circumstances, Computed
    from bshm_watchd.matting.manifest import GoldenPicture

FILE = "verified.json"


class Passed(BaseModel):
    """When a bundle last passed (ISO 8601), under which circumstances, and what was found, one sentence a picture.

    `found` is empty where there was nothing to judge by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: str
    runtime: str
    precision: Precision
    device: str
    at: str
    circumstances: dict[str, str]
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Outcome:
    found: tuple[str, ...] = ()
    misses: tuple[str, ...] = ()
    not_judged: tuple[str, ...] = ()


def verify_on_change(batcher: Batcher, computed: Computed, now: Circumstances, state_dir: Path, clock: Clock) -> None:
    """Nothing happens while all is as it was when the bundle last passed.

    Raises `ConfigError`, with what changed since then, where a golden picture is out of bounds; and what the batcher
    raises of a broken model.
    """
    remembered = Remembered(state_dir, FILE)
    last = remembered.read(computed.key, Passed)
    if last is not None and not changes(last.circumstances, now):
        return
    changed = changes(last.circumstances, now) if last else []
    outcome = _look(batcher, computed)
    if outcome.misses:
        raise ConfigError(_refusal(computed, last, changed, outcome.misses))
    _tell(computed, outcome, "; ".join(changed) or "it was not looked at here before")
    remembered.write(
        computed.key,
        Passed(
            bundle=str(computed.bundle.directory),
            runtime=computed.runtime,
            precision=computed.precision,
            device=computed.device,
            at=timestamp(clock.wall()),
            circumstances=dict(now),
            found=outcome.found,
        ),
    )


def passes(bundle: Bundle, state_dir: Path) -> list[Passed]:
    """What is remembered of this bundle, the latest first."""
    found = Remembered(state_dir, FILE).all(Passed).values()
    return sorted((one for one in found if one.bundle == str(bundle.directory)), key=lambda one: one.at, reverse=True)


def _look(batcher: Batcher, computed: Computed) -> _Outcome:
    outcomes = [_looked_at(batcher, computed, golden) for golden in computed.bundle.manifest.golden]
    return _Outcome(
        tuple(sentence for one in outcomes for sentence in one.found),
        tuple(sentence for one in outcomes for sentence in one.misses),
        tuple(sentence for one in outcomes for sentence in one.not_judged),
    )


def _looked_at(batcher: Batcher, computed: Computed, golden: GoldenPicture) -> _Outcome:
    _refuse_damage(computed.bundle, golden)
    try:
        seen = golden_found(computed.bundle, golden, batcher, computed.precision)
    except MattingFailed as error:
        return _Outcome(misses=(f"{golden.picture}: {error}",))
    told = f"{golden.picture}: {seen.told()}"
    if seen.misses:
        return _Outcome(misses=(f"{told}: {', '.join(seen.misses)}",))
    return _Outcome(found=(told,)) if seen.can_be_judged else _Outcome(not_judged=(told,))


def _refuse_damage(bundle: Bundle, golden: GoldenPicture) -> None:
    """The runtime looked at the hashes of its own files only."""
    ours = [file for file in bundle.manifest.files if file.path in (golden.picture, golden.matte)]
    if damages := [found for file in ours if (found := damage(bundle.path(file.path), file.sha256))]:
        raise ConfigError([*damages, f"the golden pictures of {bundle.manifest.name} are damaged: bring it anew"])


def _tell(computed: Computed, outcome: _Outcome, why: str) -> None:
    """Once: under the same circumstances it is not looked at again."""
    name = computed.bundle.manifest.name
    if outcome.not_judged:
        logs.warning(
            "the bundle has no bound for this precision: nothing says that its mattes are right",
            bundle=name, precision=computed.precision, found="; ".join(outcome.not_judged),
        )  # fmt: skip
    if outcome.found:
        logs.info("the golden pictures are as they must be", bundle=name, found="; ".join(outcome.found), because=why)
    elif not outcome.not_judged:
        logs.info("the bundle has no golden pictures: nothing says that its mattes are right", bundle=name)


def _refusal(computed: Computed, last: Passed | None, changed: list[str], misses: tuple[str, ...]) -> list[str]:
    name = computed.bundle.manifest.name
    how = f"{computed.runtime}, {computed.precision}, {computed.device}"
    if last is None:
        since = "it never passed here"
        back = "choose another runtime, precision or device"
    else:
        since = f"it last passed on {last.at}; since then: {'; '.join(changed)}"
        back = "go back to what there was"
    return [
        *(f"the model {name} ({how}) is out of its bounds: {missed}" for missed in misses),
        f"{since}; {back}, or let it start all the same with model.verify_on_change: false; "
        f"see the figures with: bshm-watchd model verify {_named(computed.bundle)}",
    ]


def _named(bundle: Bundle) -> str:
    directory = bundle.directory
    return bundle.manifest.name if directory.name == bundle.manifest.name else str(directory)
