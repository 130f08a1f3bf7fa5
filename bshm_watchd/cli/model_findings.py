"""What the state directory remembers of the model: which runtime was chosen, and when it last passed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bshm_watchd.cli.findings import Finding, note, ok
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.circumstances import Computed, changes, circumstances
from bshm_watchd.matting.measured_runtime import remembered_runtime
from bshm_watchd.matting.verified import Passed, passes

if TYPE_CHECKING:
    from bshm_watchd.config import ModelSettings
    from bshm_watchd.matting.bundle import Bundle

_GOLDEN = "golden pictures"


def remembered(bundle: Bundle, settings: ModelSettings, state_dir: Path) -> Iterator[Finding]:
    """Nothing is loaded or measured for it."""
    yield from _runtime(bundle, settings, state_dir)
    if not bundle.manifest.golden:
        yield note(_GOLDEN, f"{bundle.manifest.name} has none: nothing says that its mattes are right")
    elif not settings.verify_on_change:
        yield note(_GOLDEN, "are not looked at after an upgrade: model.verify_on_change is false")
    elif found := passes(bundle, state_dir):
        yield _golden(bundle, found[0])
    else:
        yield ok(_GOLDEN, "were not looked at here yet; the next start does")


def _runtime(bundle: Bundle, settings: ModelSettings, state_dir: Path) -> Iterator[Finding]:
    """On the CPU: on a GPU there is no choice."""
    try:
        chosen = remembered_runtime(bundle, settings.model_copy(update={"device": "cpu"}), state_dir)
    except ConfigError:
        return  # a precision that only a GPU knows
    if chosen is not None and settings.device != "gpu":
        yield ok("runtime", f"auto means {chosen.runtime} on the CPU; measured once: {chosen.told()}")


def _golden(bundle: Bundle, last: Passed) -> Finding:
    how = f"{last.runtime}, {last.precision}, {last.device}"
    told = f"passed on {last.at} ({how}): {'; '.join(last.found) or 'nothing to judge by'}"
    if changed := _changed_since(bundle, last):
        return note(_GOLDEN, f"{told}; changed since then: {'; '.join(changed)}; the next start looks again")
    return ok(_GOLDEN, told)


def _changed_since(bundle: Bundle, last: Passed) -> list[str]:
    """On a GPU it is not told here: its name is only known to who uses it."""
    if last.device != "cpu":
        return []
    now = circumstances(Computed(bundle, last.runtime, last.precision, last.device))
    return changes(last.circumstances, now)
