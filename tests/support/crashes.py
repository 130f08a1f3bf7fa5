"""The crash loop: die at every change of a busy run, start again, and look whether anything is wrong."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bshm_watchd.ending import EXIT_FINE, EXIT_SOME_REJECTED
from tests.support import invariants
from tests.support.disks import Died, DyingDisk
from tests.support.power_cut import PowerCutDisk
from tests.support.studio import Studio, nobody

TWO_OUTPUTS = """
    outputs:
      - {kind: cutout, path: "results/{stem}.png"}
      - {kind: matte, path: "mattes/{stem}.png"}
"""


Make = Callable[[Path, str], Studio]


def busy_studio(base: Path, extra: str = "") -> Studio:
    """Two photos whose results may have the same name, one of them with nobody in it, and a file that is no photo."""
    studio = Studio(base, extra)
    studio.drop("a.png")
    studio.drop("sub/a.png", nobody())
    studio.drop("text.jpg", b"this is no photo")
    return studio


def changes_of_a_run(
    base: Path, extra: str = "", *, kept: type[PowerCutDisk] | None = None, make: Make = busy_studio, **life: Any
) -> int:  # fmt: skip
    disk = DyingDisk(-1, kept and kept(base / "attic"))
    assert make(base, extra).run(disk, **life) == EXIT_SOME_REJECTED
    return disk.changes


def die_everywhere(
    base: Path, extra: str = "", *, kept: type[PowerCutDisk] | None = None, restarted: dict[str, Any] | None = None,
    make: Make = busy_studio, **life: Any,
) -> int:  # fmt: skip
    """Dies once at each change of a run of `life`, starts again as `restarted`; returns the number of changes.

    `make` makes the studio; some of its photos are rejected. With a `kept` disk the power fails at that moment. Raises
    `AssertionError` where an invariant does not hold.
    """
    total = changes_of_a_run(base / "count", extra, kept=kept, make=make, **life)
    for at in range(total):
        studio = make(base / str(at), extra)
        _die(studio, at, kept and kept(studio.base / "attic"), life)
        invariants.each_original_is_in_one_place(studio.portraits)
        assert studio.run(**restarted or {}) in (EXIT_FINE, EXIT_SOME_REJECTED)
        invariants.check(studio)
        shutil.rmtree(studio.base)
    return total


def _die(studio: Studio, at: int, kept: PowerCutDisk | None, life: dict[str, Any]) -> None:
    disk = DyingDisk(at, kept)
    with contextlib.suppress(Died):
        studio.run(disk, **life)
    if kept is not None:
        kept.cut()
    assert disk.dead, f"there is no change {at}"
